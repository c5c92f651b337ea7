"""Conditions as Python source: two expressions for each, "surely true" and "surely false".

This is Kleene's logic, which CEL uses for unknowns, without a third value at run time: what is neither is unknown.
`UNKNOWN` provides it for comparisons: every operator is false for it, so `a < b` and its opposite are both false.

No text from an expression becomes source: it consists of fixed words and the names of constants.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from edge.domain.buckets import bucket_of
from edge.domain.targeting.conditions import (
    NEGATED,
    AllOf,
    AnyOf,
    Bucket,
    Comparison,
    Condition,
    Constant,
    Flag,
    InSet,
    Member,
    Not,
    Remembered,
    TextTest,
    UsedFeature,
)
from edge.domain.targeting.id_sets import IdSet, device_hash, id_hash
from edge.domain.targeting.language import FACTS, Field, Kind
from edge.domain.targeting.places import NodePlace
from edge.domain.versions import UNNUMBERED, Version, coerce_native

VERSION_CACHE_LIMIT = 4096  # texts of versions, for all apps on a node; devices choose them, so bounded

_TEXT_METHODS = {"startsWith": "startswith", "endsWith": "endswith"}
_NAMELESS = frozenset({"builtin", "unknown"})  # what plugins send without a version

_JUDGED = sorted(field.name for field in FACTS)

# How a field is loaded, once, in the function's first lines, and the expression for it afterwards. What takes more than
# reading the check is computed at its first use.
_LOADS: Mapping[str, tuple[str, str]] = {
    "platform": ("check.platform", "platform"),
    "version_build": ("unknown if check.native == unnumbered else check.native", "version_build"),
    "version_name": ("None", "(version_name or (version_name := read_version(check.version_name)))"),
    "version_os": ("None", "(version_os or (version_os := read_version(check.version_os)))"),
    "plugin_version": ("None", "(plugin_version or (plugin_version := read_version(check.plugin.version)))"),
    "is_prod": ("check.is_prod", "is_prod"),
    "is_emulator": ("check.is_emulator", "is_emulator"),
    "custom_id": ("check.custom_id", "custom_id"),
    "device_id": ("check.device", "device_id"),
    "default_channel": ("check.default_channel", "default_channel"),
    "install_source": ("check.install_source", "install_source"),
    "key_id": ("check.key_id", "key_id"),
    "country": ("check.country or unknown", "country"),
    "region": ("own_region", "region"),
    "distance": ("distances.get(check.country, unknown)", "distance"),
    "behaviour": ("facts.behaviour", "behaviour"),
    **{name: (f"unknown if (found := facts.behaviour.{name}) is None else found", name) for name in _JUDGED},
    "features": ("facts.behaviour.features", "features"),
    # Not fields: hashes for `in_set`, shared by all sets. A hash of 0 is computed each time, which is still right.
    "device_hash": ("0", "(device_hash or (device_hash := hash_device(device_id)))"),
    "custom_hash": ("0", "(custom_hash or (custom_hash := hash_id(custom_id)))"),
}


class _Unknown:
    """Every comparison with it is false, from either side."""

    __slots__ = ()

    def _never(self, other: object) -> bool:
        return False

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _never
    __hash__ = object.__hash__


UNKNOWN = _Unknown()


@lru_cache(VERSION_CACHE_LIMIT)
def read_version(text: str) -> Version | _Unknown:
    """A version as a device sent it, read leniently."""
    version = None if text in _NAMELESS else coerce_native(text)
    return UNKNOWN if version is None else version


class SegmentMemory(NamedTuple):
    """What a segment keeps of its devices. A device that was in one of its parts stays in until `leave` is true; while
    the segment is `held` it stays in whatever it does. `places` are those of its parts in `Behaviour.places`, `since`
    the app's revision from which on they are meant.
    """

    leave: Condition | None = None
    places: tuple[int, ...] = ()
    since: int = 0
    held: bool = False


NO_MEMORY = SegmentMemory()


class PredicateWriter:
    """Collects what the expressions of one function need. `salt` and `memory` are set before each segment's."""

    def __init__(self, place: NodePlace, sets: Mapping[str, IdSet]) -> None:
        self.salt = b""
        self.memory = NO_MEMORY
        self._sets = sets
        self._used: set[str] = set()
        self._asked: dict[tuple[str, object], str] = {}  # the local variables that hold results
        self._constants = 0
        self.namespace: dict[str, object] = {
            "__builtins__": {},
            "unknown": UNKNOWN,
            "unnumbered": UNNUMBERED,
            "own_region": place.region or UNKNOWN,
            "distances": place.distances,
            "read_version": read_version,
            "bucket_of": bucket_of,
            "hash_device": device_hash,
            "hash_id": id_hash,
        }

    def loads(self) -> list[str]:
        """The statements that must precede what `surely` returned."""
        loads = [f"{name} = {load}" for name, (load, _) in _LOADS.items() if name in self._used]
        return [*loads, *(f"{name} = None" for name in self._asked.values())]

    def surely(self, condition: Condition, wanted: bool) -> str:
        """An expression that is true if the condition is known to be `wanted`."""
        match condition:
            case Not(inner):
                return self.surely(inner, not wanted)
            case AllOf(items):
                return self._joined(items, wanted, all_of=wanted)
            case AnyOf(items):
                return self._joined(items, wanted, all_of=not wanted)
            case Constant(value):
                return str(value is wanted)
            case Flag(field):
                return self._use(field.name) if wanted else f"not {self._use(field.name)}"
            case Comparison():
                return self._comparison(condition, wanted)
            case Member():
                return self._member(condition, wanted)
            case TextTest():
                return self._text_test(condition, wanted)
            case Bucket(thousandths):
                return f"{self._bucket()} {'<' if wanted else '>='} {self._constant(thousandths)}"
            case InSet(name):
                return self._in_set(name, wanted)
            case Remembered(part, inner):
                return self._remembered(part, inner)
            case UsedFeature(name):
                features = self._use("features")
                return f"{features} is not None and {self._constant(name)} {'in' if wanted else 'not in'} {features}"

    def _joined(self, items: tuple[Condition, ...], wanted: bool, *, all_of: bool) -> str:
        # A part of a conjunction needs parentheses if it may be an `or`; parts of a disjunction need none.
        parts = [self.surely(item, wanted) for item in items]
        if not all_of:
            return " or ".join(parts)
        return " and ".join(f"({part})" if " or " in part else part for part in parts)

    def _remembered(self, part: int, inner: Condition) -> str:
        """Only ever asked whether it is true."""
        test, memory = self.surely(inner, True), self.memory
        if part >= len(memory.places) or not (memory.held or memory.leave is not None):
            return test
        place, since = self._constant(memory.places[part]), self._constant(memory.since)
        stays = f"{self._use('behaviour')}.was_in({place}, {since})"
        if memory.leave is not None and not memory.held:
            stays = f"{stays} and not ({self.surely(memory.leave, True)})"
        return f"{test} or {stays}"

    def _comparison(self, comparison: Comparison, wanted: bool) -> str:
        operator: str = comparison.operator if wanted else NEGATED[comparison.operator]
        if comparison.field.kind is Kind.PLATFORM:
            operator = {"==": "is", "!=": "is not"}[operator]
        other = comparison.other
        right = self._use(other.name) if isinstance(other, Field) else self._constant(other)
        return f"{self._use(comparison.field.name)} {operator} {right}"

    def _member(self, member: Member, wanted: bool) -> str:
        # An enum's hash is Python code; comparing its three members is faster.
        values = member.values if member.field.kind is Kind.PLATFORM else frozenset(member.values)
        test = f"{self._use(member.field.name)} {'in' if wanted else 'not in'} {self._constant(values)}"
        return self._if_known(member.field, test)

    def _text_test(self, test: TextTest, wanted: bool) -> str:
        field, text = self._use(test.field.name), self._constant(test.text)
        if test.method == "contains":
            return self._if_known(test.field, f"{text} {'in' if wanted else 'not in'} {field}")
        call = f"{field}.{_TEXT_METHODS[test.method]}({text})"
        if test.text:  # most devices have no custom id, and checking that costs a tenth of the call
            call = f"({field} and {call})"
        return self._if_known(test.field, call if wanted else f"not {call}")

    def _in_set(self, name: str, wanted: bool) -> str:
        ids = self._sets.get(name)
        if ids is None:
            return "False"  # unknown, so neither surely true nor surely false
        self._use("device_id")
        holds, custom_id = self._constant(ids.holds), self._use("custom_id")
        by_device, by_custom_id = f"{holds}({self._use('device_hash')})", f"{holds}({self._use('custom_hash')})"
        test = self._asked_once(("set", name), f"({by_device} or {custom_id} and {by_custom_id})")
        return test if wanted else f"not {test}"

    def _bucket(self) -> str:
        return self._asked_once(
            ("bucket", self.salt), f"bucket_of({self._constant(self.salt)}, {self._use('device_id')})"
        )

    def _asked_once(self, key: tuple[str, object], asking: str) -> str:
        """An expression that is evaluated at most once per check, however often it occurs: 32 KiB of expressions can
        query a set 2,500 times, which took 1.7 ms a check."""
        name = self._asked.setdefault(key, f"asked{len(self._asked)}")
        return f"({name} if {name} is not None else ({name} := {asking}))"

    def _if_known(self, field: Field, test: str) -> str:
        return f"{self._use(field.name)} is not unknown and {test}" if field.may_be_unknown else test

    def _use(self, name: str) -> str:
        self._used.add(name)
        return _LOADS[name][1]

    def _constant(self, value: object) -> str:
        name = f"k{self._constants}"
        self._constants += 1
        self.namespace[name] = value
        return name


def compiled(name: str, lines: list[str], namespace: dict[str, object]) -> Callable[..., object]:
    """The function that `lines` define; its `name` appears in tracebacks."""
    exec(compile("\n".join(lines), f"<{name}>", "exec"), namespace)  # noqa: S102  # the source is ours: see above
    function = namespace[name]
    assert callable(function)
    return function
