"""Reads the members of a JSON text that a request is about, and skips the rest without building it. Pure.

A peer chooses the text, so no call costs more than its bytes: of an object only the named members are built, of an
array only the first items, and of a member that should be a text or a number no array or object. Invalid UTF-8 and lone
surrogates are replaced, as the hosted service's runtime does, so that UTF-8 can express every text in a result.
"""

import codecs
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from edge.wire.body import WireError, valid_text

TEXT, FLAG, NUMBER = str | None, bool | None, int | float | None
UNREAD = msgspec.Raw  # a member that is left as it is, for the caller to read or not

WINDOW_BYTES = 64 << 10  # of bytes that are repaired in one step; a step holds the interpreter for less than 1 ms
NUMBER_LIMIT_BYTES = 64  # of a number: a time in milliseconds has 13 digits, a float at most 25 characters
# Members of an object that is read whole: metadata has 30 at most, and texts in it may have colons as well.
COLONS_LIMIT = 16_384

STRUCTURE_WINDOW_BYTES = 1 << 20  # that are counted in one step, which takes less than 1 ms

_NOTHING = msgspec.Raw(b"")
_SPACE = r"[ \t\r\n]*+"
_PLAIN = bytes(set(range(256)) - set(b',:[]{}"\\ \t\r\n'))
_START = re.compile(rf"{_SPACE}(.)".encode(), re.DOTALL)
_EMPTY = re.compile(rf"{_SPACE}([\[{{]){_SPACE}[\]}}]{_SPACE}".encode())
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE = re.compile(_HIGH + rb"(?!" + _LOW + rb")|(?<!" + _HIGH + rb")" + _LOW)  # where every backslash begins an escape
_BACKSLASH, _ESCAPED = rb"\\", rb"\u005c"
_SAFE_CUT = re.compile(rb"\\(?!u[dD][c-fC-F])|(?<!" + _HIGH + rb")\\")  # before any escape but the end of a pair
_REPLACEMENT = b"?"

_any = msgspec.json.Decoder(msgspec.Raw)
_scalar = msgspec.json.Decoder()
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Container:
    """Stands for an array or an object where a text, a number or a boolean belongs. False if it is empty."""

    __slots__ = ("_empty",)

    def __init__(self, empty: bool) -> None:
        self._empty = empty

    def __bool__(self) -> bool:
        return not self._empty


class Members:
    """Reads the members of an object that have a name in `kinds`, each with the type that it usually has."""

    def __init__(self, kinds: Mapping[str, Any]) -> None:
        usual = [(name, kind, _NOTHING if kind is UNREAD else None) for name, kind in kinds.items()]
        self._usual = msgspec.json.Decoder(msgspec.defstruct("Usual", usual, gc=False))
        raw = [(name, msgspec.Raw, _NOTHING) for name in kinds]
        self._raw = msgspec.json.Decoder(msgspec.defstruct("Unread", raw, gc=False))
        self._unread = frozenset(name for name, kind in kinds.items() if kind is UNREAD)

    def read(self, text: bytes | msgspec.Raw) -> dict[str, Any] | None:
        """The members that are not null, as they are; None for what is no object, or one without any member.

        An array or object is a Container, but bytes if its kind is UNREAD. Raises WireError 400
        `invalid_json_parse_body`.
        """
        if start_of(text) != b"{":
            read_any(text)
            return None
        try:
            found = msgspec.structs.asdict(self._usual.decode(text))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._read_slowly(text)
        members = {name: value for name, value in found.items() if value is not None and value is not _NOTHING}
        return members if members or not _EMPTY.fullmatch(text) else None

    def _read_slowly(self, text: bytes | msgspec.Raw) -> dict[str, Any] | None:
        found = msgspec.structs.asdict(_leniently(self._raw.decode, text))
        members = {}
        for name, raw in found.items():
            if raw is not _NOTHING:
                members[name] = raw if name in self._unread else read_scalar(raw)
        present = {name: value for name, value in members.items() if value is not None}
        return present if present or not _EMPTY.fullmatch(text) else None


def start_of(text: bytes | msgspec.Raw) -> bytes:
    """The first byte that is not white space; b"" if there is none."""
    found = _START.match(text)
    return found[1] if found else b""


def read_any(text: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    """Any valid JSON text, unread. Raises WireError 400 `invalid_json_parse_body`."""
    found: msgspec.Raw = _leniently(_any.decode, text)
    return found


def read_items(text: bytes | msgspec.Raw, limit: int) -> list[msgspec.Raw]:
    """The first items of an array, unread: one more than `limit` if it has more. Raises WireError 400
    `invalid_json_parse_body`.
    """
    items = msgspec.structs.astuple(_leniently(_items(limit + 1).decode, text))
    return [item for item in items if item is not _NOTHING]


def read_object(raw: msgspec.Raw | bytes) -> dict[str, msgspec.Raw]:
    """The members of an object, unread, in their order; empty for anything else, and for too many (COLONS_LIMIT)."""
    if start_of(raw) != b"{" or bytes(raw).count(b":") > COLONS_LIMIT:
        return {}
    try:
        return _object.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # a name that UTF-8 cannot express
    try:
        return _object.decode(_valid_bytes(without_lone_surrogates(bytes(raw))))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def read_scalar(raw: msgspec.Raw | bytes) -> Any:
    """A text, number, boolean or None; a Container for everything else. `raw` is valid JSON without lone surrogates."""
    start = start_of(raw)
    if start in b"[{":
        return Container(empty=_EMPTY.fullmatch(raw) is not None)
    if start != b'"' and len(bytes(raw)) > NUMBER_LIMIT_BYTES:
        return Container(empty=False)
    try:
        return _scalar.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = json.loads(_valid_bytes(bytes(raw)))  # a number out of range, too: it is infinite
        return valid_text(text) if isinstance(text, str) else text


def count_structure(text: bytes, limit: int) -> int:
    """How many bytes are JSON's own, white space and escapes included; stops soon after `limit`."""
    found = 0
    for at in range(0, len(text), STRUCTURE_WINDOW_BYTES):
        found += len(text[at : at + STRUCTURE_WINDOW_BYTES].translate(None, _PLAIN))
        if found > limit:
            break
    return found


def without_lone_surrogates(text: bytes) -> bytes:
    """JSON with every escape replaced that is half of a pair."""
    text = text.replace(_BACKSLASH, _ESCAPED)
    parts, at = [], 0
    while at < len(text):
        cut = _SAFE_CUT.search(text, at + WINDOW_BYTES)
        end = cut.start() if cut else len(text)
        parts.append(_LONE.sub(_REPLACEMENT, text[at:end]))
        at = end
    return b"".join(parts)


def _leniently(decode: Callable[[bytes | msgspec.Raw], Any], text: bytes | msgspec.Raw) -> Any:
    try:
        return decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # half of a surrogate pair is in a text, or it is not JSON
    try:
        return decode(without_lone_surrogates(bytes(text)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(400, "invalid_json_parse_body", "Invalid JSON body") from error


def _valid_bytes(text: bytes) -> bytes:
    """In windows, since a byte that is replaced costs twenty times one that is not."""
    if len(text) <= WINDOW_BYTES:
        return text.decode("utf-8", "replace").encode()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    windows = (text[at : at + WINDOW_BYTES] for at in range(0, len(text), WINDOW_BYTES))
    return "".join([*map(decoder.decode, windows), decoder.decode(b"", final=True)]).encode()


@cache
def _items(limit: int) -> msgspec.json.Decoder[msgspec.Struct]:
    """Of an array as a struct, what is behind its last field is skipped like an unknown member."""
    fields = [(f"item{number}", msgspec.Raw, _NOTHING) for number in range(limit)]
    return msgspec.json.Decoder(msgspec.defstruct("Items", fields, array_like=True, gc=False))
