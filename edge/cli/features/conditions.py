"""What people write of a feature on the command line, as the control API takes it.

Values are JSON; of a text feature anything else is that text, so that `--default blue` needs no second quotes.
"""

import json
import re
from typing import Any

import click
import msgspec

_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_ARROW = re.compile(rf"((?:{_QUOTED}|[^\"'])*?)=>(.*)", re.DOTALL)
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)\s*:\s*(.+)", re.DOTALL)
_SHARED = re.compile(r"(.*?)\s+@\s*([0-9.]+%?)", re.DOTALL)
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CONSTANTS = frozenset({"true", "false", "is_prod", "is_emulator"})  # expressions that look like a name


def parse_value(kind: str, text: str) -> msgspec.Raw:
    """A value of a feature of that type. Raises UsageError if it cannot be one; the node checks the rest."""
    text = text.strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if kind == "string":
            return msgspec.Raw(json.dumps(text, ensure_ascii=False).encode(errors="surrogatepass"))
        raise click.UsageError(f"{text[:60]!r} is no JSON value, such as true, 5 or '{{\"a\": 1}}'") from error
    if kind == "string" and not isinstance(value, str):
        return msgspec.Raw(json.dumps(text).encode())
    return msgspec.Raw(text.encode(errors="surrogatepass"))


def parse_rule(kind: str, text: str) -> dict[str, Any]:
    """`[NAME:] SEGMENT or EXPRESSION [@ SHARE%] => VALUE`."""
    whom, value = _split("--rule", text, "beta => true, or 'platform == \"ios\" @ 20% => true'")
    named = _NAMED.fullmatch(whom)
    name, whom = (named[1], named[2]) if named else ("", whom)
    shared = _SHARED.fullmatch(whom)
    share, whom = (shared[2], shared[1]) if shared else (None, whom)
    is_segment = _SEGMENT.fullmatch(whom) is not None and whom not in _CONSTANTS
    rule: dict[str, Any] = {"value": parse_value(kind, value), "segment" if is_segment else "where": whom}
    return rule | ({"name": name} if name else {}) | ({"share": share} if share else {})


def parse_share_value(kind: str, text: str) -> dict[str, Any]:
    """`SHARE% => VALUE`."""
    share, value = _split("--share", text, "10% => true")
    return {"share": share, "value": parse_value(kind, value)}


def parse_prerequisite(text: str, kind_of: Any) -> dict[str, Any]:
    """`FEATURE` or `FEATURE=VALUE`; `kind_of` tells the type of a feature, by its name."""
    feature, given, value = text.partition("=")
    return {"feature": feature} | ({"value": parse_value(kind_of(feature), value)} if given else {})


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


def _split(option: str, text: str, example: str) -> tuple[str, str]:
    found = _ARROW.fullmatch(text)
    if found is None or not found[1].strip() or not found[2].strip():
        raise click.UsageError(f"invalid {option} {text!r}: expected ... => VALUE, such as {example}")
    return found[1].strip(), found[2].strip()
