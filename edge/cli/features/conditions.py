"""What people write of a feature on the command line, as the control API takes it."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from edge.domain.errors import Invalid
from edge.domain.features.written import read_prerequisite, read_rule, read_share, read_value

V = TypeVar("V")


def parse_value(kind: str, text: str) -> msgspec.Raw:
    """A value of a feature of that type. Raises UsageError if it cannot be one; the node checks the rest."""
    return _raw(_read(read_value, kind, text))


def parse_rule(kind: str, text: str) -> dict[str, Any]:
    """`[NAME:] SEGMENT or EXPRESSION [@ SHARE%] => VALUE`."""
    rule = _read(read_rule, kind, text, "invalid --rule ")
    given = {name: each for name, each in rule._asdict().items() if each}
    return given | {"value": _raw(rule.value)}


def parse_share_value(kind: str, text: str) -> dict[str, Any]:
    """`SHARE% => VALUE`."""
    share, value = _read(read_share, kind, text, "invalid --share ")
    return {"share": share, "value": _raw(value)}


def parse_prerequisite(text: str, kind_of: Any) -> dict[str, Any]:
    """`FEATURE` or `FEATURE=VALUE`; `kind_of` tells the type of a feature, by its name."""
    feature, value = _read(lambda kind, text: read_prerequisite(text, kind_of), "", text)
    return {"feature": feature} | ({"value": _raw(value)} if value is not None else {})


def parse_arm(kind: str, text: str) -> dict[str, Any]:
    """`NAME=VALUE:SHARE`."""
    name, named, rest = text.partition("=")
    value, shared, share = rest.rpartition(":")
    if not (named and shared):
        raise click.UsageError(f"invalid --arm {text!r}: expected NAME=VALUE:SHARE, such as new=true:50")
    return {"name": name, "value": parse_value(kind, value), "share": share}


def shown_value(value: Any) -> str:
    """As JSON, in one line; nothing for no value."""
    return "no value" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _read(read: Callable[[str, str], V], kind: str, text: str, what: str = "") -> V:
    try:
        return read(kind, text)
    except Invalid as error:
        raise click.UsageError(f"{what if error.code != 'invalid_value' else ''}{error.message}") from error


def _raw(written: str) -> msgspec.Raw:
    return msgspec.Raw(written.encode(errors="surrogatepass"))
