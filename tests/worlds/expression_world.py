"""Random expressions and random devices for the tests of segments; how expressions are written, for us and for CEL;
and a slow interpreter that says true, false or None for unknown.
"""

from dataclasses import dataclass

from factories import APP, a_check
from hypothesis import strategies as st

from edge.domain.buckets import bucket_of, segment_salt
from edge.domain.facts import Behaviour, DeviceFacts
from edge.domain.model import Platform
from edge.domain.plugin import Plugin
from edge.domain.targeting.conditions import (
    AllOf,
    AnyOf,
    Bucket,
    Comparison,
    Constant,
    Flag,
    InSet,
    Member,
    Not,
    TextTest,
    UsedFeature,
)
from edge.domain.targeting.country_centres import CENTRES
from edge.domain.targeting.id_sets import encode_id_set, parse_id_set
from edge.domain.targeting.language import FACTS, FIELDS, Field, Kind
from edge.domain.targeting.places import Location, NodePlace
from edge.domain.versions import Version

SEGMENT = "seg"
DEVICES = [f"{n}0009a6b-eefe-490a-9c60-8e965132ae51" for n in range(4)]
TEXTS = ["", "a", "A", "qa-1", "qa", "é", "z😀", 'say "x"', "it's", "\\", "\\n", "\n", "true", "DE", "eu", "a b"]
IDS = {"vip": {DEVICES[1], DEVICES[2].upper(), "qa-1", " a "}, "empty": {"nobody"}}  # "gone" is missing
MIDDLE_OF_GERMANY = Location(*CENTRES["DE"])
SETS = {name: parse_id_set(encode_id_set(ids)) for name, ids in IDS.items()}


@dataclass(frozen=True)
class Compared:
    """A condition beside `true` or `false`: text only, the parser makes less of it."""

    inner: object
    operator: str
    truth: bool


@dataclass(frozen=True)
class World:
    """A device, its facts and the node's place, and what each field is then: None for unknown."""

    check: object
    facts: DeviceFacts
    place: NodePlace
    values: dict


# --- devices ---

_parts = st.integers(0, 2)
_versions = st.tuples(_parts, _parts, _parts).map(lambda parts: Version(*parts))
_no_versions = st.sampled_from(["", "unknown", "builtin", "abc", "-1", "x1.0.0"])
_texts = st.sampled_from(TEXTS)
_numbers = st.none() | st.integers(0, 3)


def written_version(version: Version) -> str:
    return f"{version.major}.{version.minor}.{version.patch}"


@st.composite
def worlds(draw) -> World:
    versions = {
        name: draw(_versions if name == "version_build" else st.one_of(_versions, _no_versions))
        for name in ("version_build", "version_name", "version_os", "plugin_version")
    }
    said = {name: v if isinstance(v, str) else written_version(v) for name, v in versions.items()}
    names = ("custom_id", "default_channel", "install_source", "key_id", "country")
    texts = {name: draw(_texts) for name in names}
    flags = {name: draw(st.booleans()) for name in ("is_prod", "is_emulator")}
    platform, device, region = draw(st.sampled_from(Platform)), draw(st.sampled_from(DEVICES)), draw(_texts)
    place = NodePlace(region, draw(st.sampled_from([None, MIDDLE_OF_GERMANY])))
    facts = {name: draw(_numbers) for name in sorted(field.name for field in FACTS)}
    features = draw(st.none() | st.frozensets(st.sampled_from(["a", "b"])))
    check = a_check(
        platform=platform,
        device=device,
        version_build=said["version_build"],
        version_name=said["version_name"],
        version_os=said["version_os"],
        plugin=Plugin(said["plugin_version"]),
        **texts,
        **flags,
    )
    values = {name: None if isinstance(v, str) else v for name, v in versions.items()} | texts | flags | facts
    values |= {"platform": platform, "device_id": device, "features": features}
    values |= {"country": texts["country"] or None, "region": region or None}
    values |= {"distance": place.distances.get(texts["country"])}
    return World(check, DeviceFacts(behaviour=Behaviour(features=features, **facts)), place, values)


# --- expressions ---

_OPERATORS = ["==", "!=", "<", "<=", ">", ">="]
_LITERALS = {
    Kind.TEXT: _texts,
    Kind.VERSION: _versions,
    Kind.PLATFORM: st.sampled_from(Platform),
    Kind.DEVICE: st.sampled_from(DEVICES),
    Kind.NUMBER: st.integers(0, 3),
}
_fields = st.sampled_from([field for field in FIELDS.values() if field.kind is not Kind.FLAG])
_flags = st.sampled_from([field for field in FIELDS.values() if field.kind is Kind.FLAG])
_text_fields = st.sampled_from([field for field in FIELDS.values() if field.kind.is_text])


def _comparisons(field: Field):
    same_kind = [other for other in FIELDS.values() if other.kind is field.kind]
    operators = _OPERATORS if field.kind.is_ordered else _OPERATORS[:2]
    others = _LITERALS[field.kind] | st.sampled_from(same_kind)
    return st.builds(Comparison, st.sampled_from(operators), st.just(field), others)


def _members(field: Field):
    values = st.lists(_LITERALS[field.kind], min_size=1, max_size=3).map(tuple)
    return st.builds(Member, st.just(field), values)


atoms = st.one_of(
    st.builds(Constant, st.booleans()),
    st.builds(Flag, _flags),
    _fields.flatmap(_comparisons),
    _fields.flatmap(_members),
    st.builds(TextTest, st.sampled_from(["startsWith", "endsWith", "contains"]), _text_fields, _texts),
    st.builds(Bucket, st.sampled_from([1, 500, 25_000, 50_000, 99_999, 100_000])),
    st.builds(InSet, st.sampled_from(["vip", "empty", "gone"])),
    st.builds(UsedFeature, st.sampled_from(["a", "b"])),
)


def _deeper(conditions):
    some = st.lists(conditions, min_size=2, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Not, conditions),
        st.builds(AllOf, some),
        st.builds(AnyOf, some),
        st.builds(Compared, conditions, st.sampled_from(["==", "!="]), st.booleans()),
    )


conditions = st.recursive(atoms, _deeper, max_leaves=10)


# --- how they are written ---


def written(condition) -> str:
    """As an operator would write it, with no more parentheses than needed."""
    return _written(condition, for_cel=False)


def written_for_cel(condition) -> str:
    """The same with versions as whole numbers, and functions as variables of `cel_values`."""
    return _written(condition, for_cel=True)


def _written(condition, for_cel: bool) -> str:
    def within(item, *loose):
        text = _written(item, for_cel)
        return f"({text})" if isinstance(item, loose) else text

    match condition:
        case AnyOf(items):
            return " || ".join(within(item, AnyOf) for item in items)
        case AllOf(items):
            return " && ".join(within(item, AnyOf, AllOf) for item in items)
        case Not(inner):
            return "!" + within(inner, AnyOf, AllOf, Comparison, Member, Compared)
        case Compared(inner, operator, truth):
            return f"{within(inner, AnyOf, AllOf)} {operator} {str(truth).lower()}"
        case Comparison(operator, field, other):
            right = other.name if isinstance(other, Field) else _literal(other, for_cel)
            return f"{field.name} {operator} {right}"
        case Member(field, values):
            return f"{field.name} in [{', '.join(_literal(value, for_cel) for value in values)}]"
        case TextTest(method, field, text):
            return f"{field.name}.{method}({_literal(text, for_cel)})"
        case Constant(value):
            return str(value).lower()
        case Flag(field):
            return field.name
    return _call(condition, for_cel)


def _call(condition, for_cel: bool) -> str:
    match condition:
        case Bucket(thousandths):
            return f"bucket_{thousandths}" if for_cel else f"bucket({thousandths / 1000})"
        case InSet(name):
            return f"in_set_{name}" if for_cel else f'in_set("{name}")'
        case UsedFeature(name):
            return f"feature_{name}" if for_cel else f'feature("{name}")'
    raise AssertionError(condition)


def _literal(value, for_cel: bool) -> str:
    match value:
        case Version() if for_cel:
            return str(version_as_number(value))
        case Version(major, minor, patch):
            shortest = f"{major}" if (minor, patch) == (0, 0) else f"{major}.{minor}"
            return f'"{shortest if patch == 0 else written_version(value)}"'
        case Platform():
            return f'"{value.value}"'
        case int():
            return str(value)
    escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace("é", "\\u00e9").replace("'", "\\'")
    return f"'{escaped}'" if len(value) % 2 else '"' + escaped.replace('"', '\\"') + '"'


def version_as_number(version: Version) -> int:
    return (version.major * 100 + version.minor) * 100 + version.patch


# --- what they mean ---


def cel_values(world: World) -> dict:
    """Variables for CEL; what is unknown has no value, which is an error there."""
    values = {name: value for name, value in world.values.items() if value is not None and name != "features"}
    values = {name: version_as_number(v) if isinstance(v, Version) else v for name, v in values.items()}
    values["platform"] = world.check.platform.value
    for call in _CALLS:
        known = meaning(call, world)
        if known is not None:
            values[_call(call, for_cel=True)] = known
    return values


_CALLS = [
    *(Bucket(n) for n in (1, 500, 25_000, 50_000, 99_999, 100_000)),
    *(InSet(name) for name in ("vip", "empty", "gone")),
    *(UsedFeature(name) for name in ("a", "b")),
]
CEL_CALLS = [_call(call, for_cel=True) for call in _CALLS]


def meaning(condition, world: World) -> bool | None:
    """Kleene's logic, written down slowly."""
    match condition:
        case Not(inner):
            return _not(meaning(inner, world))
        case Compared(inner, operator, truth):
            known = meaning(inner, world)
            return known if truth is (operator == "==") else _not(known)
        case AllOf(items):
            outcomes = [meaning(item, world) for item in items]
            return False if False in outcomes else (None if None in outcomes else True)
        case AnyOf(items):
            outcomes = [meaning(item, world) for item in items]
            return True if True in outcomes else (None if None in outcomes else False)
        case Constant(value):
            return value
        case Flag(field):
            return world.values[field.name]
        case Comparison(operator, field, other):
            right = world.values[other.name] if isinstance(other, Field) else other
            return _compare(operator, world.values[field.name], right)
        case Member(field, values):
            value = world.values[field.name]
            return None if value is None else any(value == one for one in values)
        case TextTest(method, field, text):
            value = world.values[field.name]
            return None if value is None else _text_test(method, value, text)
    return _call_meaning(condition, world)


def _call_meaning(condition, world: World) -> bool | None:
    match condition:
        case Bucket(thousandths):
            return bucket_of(segment_salt(APP, SEGMENT), world.check.device) < thousandths
        case InSet(name):
            ids = {text.strip().lower() for text in IDS.get(name, ())}
            return world.check.device in ids or world.check.custom_id in ids - {""} if ids else None
        case UsedFeature(name):
            return None if world.facts.behaviour.features is None else name in world.facts.behaviour.features
    raise AssertionError(condition)


def _not(known: bool | None) -> bool | None:
    return None if known is None else not known


def _compare(operator: str, left, right) -> bool | None:
    if left is None or right is None:
        return None
    if operator in ("==", "!="):
        return (left == right) is (operator == "==")
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def _text_test(method: str, value: str, text: str) -> bool:
    match method:
        case "startsWith":
            return value[: len(text)] == text
        case "endsWith":
            return value[len(value) - len(text) :] == text if len(text) <= len(value) else False
    return text in value
