"""What people write of a feature, on the command line and on the page: rules, shares, prerequisites, values. Pure.

A rule is `[NAME:] SEGMENT or EXPRESSION [@ SHARE%] => VALUE`. Values are JSON; of a text feature anything else is that
text, so that `blue` needs no quotes.
"""

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from edge.domain.errors import Invalid

_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_ARROW = re.compile(rf"((?:{_QUOTED}|[^\"'])*?)=>(.*)", re.DOTALL)
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)\s*:\s*(.+)", re.DOTALL)
_SHARED = re.compile(r"(.*?)\s+@\s*([0-9.]+%?)", re.DOTALL)
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CONSTANTS = frozenset({"true", "false", "is_prod", "is_emulator"})  # expressions that look like a name


class WrittenRule(NamedTuple):
    """`value` is a JSON text. Either `segment` or `where` is set; `name` "": not named; `share` None: all of them."""

    value: str
    name: str = ""
    segment: str | None = None
    where: str | None = None
    share: str | None = None

    @property
    def text(self) -> str:
        """As it is written; reading it gives the same rule."""
        named = f"{self.name}: " if self.name else ""
        shared = f" @ {self.share}" if self.share is not None else ""
        return f"{named}{self.segment if self.segment is not None else self.where}{shared} => {self.value}"


def read_value(kind: str, text: str) -> str:
    """The JSON text of a value of a feature of that type. Raises Invalid `invalid_value`; the node checks the rest."""
    text = text.strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if kind == "string":
            return json.dumps(text, ensure_ascii=False)
        raise Invalid("invalid_value", f"{text[:60]!r} is no JSON value, such as true, 5 or '{{\"a\": 1}}'") from error
    return json.dumps(text) if kind == "string" and not isinstance(value, str) else text


def read_rule(kind: str, text: str) -> WrittenRule:
    """Raises Invalid `invalid_rule`, `invalid_value`."""
    whom, value = _halves("invalid_rule", text, "beta => true, or 'platform == \"ios\" @ 20% => true'")
    named = _NAMED.fullmatch(whom)
    name, whom = (named[1], named[2]) if named else ("", whom)
    shared = _SHARED.fullmatch(whom)
    share, whom = (shared[2], shared[1]) if shared else (None, whom)
    is_segment = _SEGMENT.fullmatch(whom) is not None and whom not in _CONSTANTS
    return WrittenRule(
        value=read_value(kind, value),
        name=name,
        segment=whom if is_segment else None,
        where=None if is_segment else whom,
        share=share,
    )


def read_share(kind: str, text: str) -> tuple[str, str]:
    """Of `SHARE% => VALUE` both, the value as a JSON text. Raises Invalid `invalid_share`, `invalid_value`."""
    share, value = _halves("invalid_share", text, "10% => true")
    return share, read_value(kind, value)


def read_prerequisite(text: str, type_of: Callable[[str], str]) -> tuple[str, str | None]:
    """Of `FEATURE` or `FEATURE=VALUE` both, the value as a JSON text. `type_of` tells a feature's type by its name.
    Raises Invalid `invalid_value`."""
    feature, given, value = text.partition("=")
    feature = feature.strip()
    return feature, read_value(type_of(feature), value) if given else None


def _halves(code: str, text: str, example: str) -> tuple[str, str]:
    found = _ARROW.fullmatch(text)
    if found is None or not found[1].strip() or not found[2].strip():
        raise Invalid(code, f"{text!r}: expected ... => VALUE, such as {example}")
    return found[1].strip(), found[2].strip()
