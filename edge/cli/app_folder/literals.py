"""The literals of a JavaScript or TypeScript object, read and never run.

What is not a literal (a call, a condition, an environment variable, a spread) is left out and listed by its path, such
as `plugins.CapacitorUpdater.updateUrl`. A constant of the same file (`const url = "..."`) counts as its literal.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

DEPTH_LIMIT = 50  # a settings file has five levels
LITERALS_LIMIT_BYTES = 1024 * 1024  # of the file; one written by a person has a few kB

_SKIPPED = re.compile(r"(?:\s+|//[^\n]*|/\*.{0,3000}?\*/)+", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_NUMBER = re.compile(r"-?(?:0x[0-9a-fA-F]+|\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}
_TYPES = re.compile(r"\s*(?:as\s+const|as\s+[\w.<>\[\]]+|satisfies\s+[\w.<>\[\]]+|!)")
_CONSTANT = re.compile(r"^[ \t]*(?:export\s+)?const\s+([A-Za-z_$][\w$]*)\s*(?::[^=\n]{1,200})?=(?!=)", re.MULTILINE)
_OPENING, _CLOSING = "([{", ")]}"


class Literals(NamedTuple):
    """The literal members of an object, and the paths of the others."""

    value: dict[str, Any]
    unread: tuple[str, ...]  # paths of what is not a literal; `a.*`: members of `a` by a spread or a computed name


class _NotLiteral(Exception):
    """Leaves the value that is being read."""


def read_object(text: str, start: int) -> Literals | None:
    """The object literal whose `{` is at `start` or after it. None if there is none, or it does not end."""
    reader = _Reader(text, _constants(text))
    try:
        at = reader.skip(start)
        value, _ = reader.object(at, "", 0)
    except (_NotLiteral, IndexError):
        return None
    return Literals(value, tuple(reader.unread))


def _constants(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for match in _CONSTANT.finditer(text):
        reader = _Reader(text, found)
        try:
            at = reader.skip(match.end())
            if text[at] != "{":
                value, end = reader.scalar(at)
                if reader.ends_statement(end):
                    found[match[1]] = value
        except (_NotLiteral, IndexError):
            continue
    return found


class _Reader:
    def __init__(self, text: str, constants: Mapping[str, Any]) -> None:
        self._text, self._constants = text, constants
        self.unread: list[str] = []

    def skip(self, at: int) -> int:
        match = _SKIPPED.match(self._text, at)
        return match.end() if match else at

    def ends_statement(self, at: int) -> bool:
        rest = self._text[at : at + 200]
        return re.match(r"\s*(?:as\s+const\s*)?(?:;|\n|$|//)", rest) is not None

    def object(self, at: int, path: str, depth: int) -> tuple[dict[str, Any], int]:
        if self._text[at] != "{" or depth > DEPTH_LIMIT:
            raise _NotLiteral
        found: dict[str, Any] = {}
        at = self.skip(at + 1)
        while self._text[at] != "}":
            at = self._property(at, found, path, depth)
            at = self.skip(at)
            if self._text[at] == ",":
                at = self.skip(at + 1)
            elif self._text[at] != "}":
                raise _NotLiteral
        return found, at + 1

    def _property(self, at: int, found: dict[str, Any], path: str, depth: int) -> int:
        if self._text.startswith("...", at) or self._text[at] == "[":
            self.unread.append(f"{path}*")
            return self._past_expression(at)
        key, at = self._key(at)
        after = self.skip(at)
        where = f"{path}{key}"
        if self._text[after] in ",}":  # shorthand: `{ appId }`
            if key not in self._constants:
                self.unread.append(where)
            else:
                found[key] = self._constants[key]
            return after
        if self._text[after] != ":":  # a method
            self.unread.append(where)
            return self._past_expression(after)
        at = self.skip(after + 1)
        unread = len(self.unread)
        try:
            value, end = self._whole_value(at, f"{where}.", depth + 1)
        except _NotLiteral:
            self.unread[unread:] = [where]
            return self._past_expression(at)
        found[key] = value
        return end

    def _whole_value(self, at: int, path: str, depth: int) -> tuple[Any, int]:
        """A literal that is the whole property, not just the first part of an expression."""
        value, end = self.value(at, path, depth)
        end = self._past_types(end)
        if self._text[self.skip(end)] not in ",}":
            raise _NotLiteral
        return value, end

    def value(self, at: int, path: str, depth: int) -> tuple[Any, int]:
        first = self._text[at]
        if first == "{":
            return self.object(at, path, depth)
        if first == "[":
            return self._array(at, path, depth)
        return self.scalar(at)

    def scalar(self, at: int) -> tuple[Any, int]:
        first = self._text[at]
        if first in "'\"`":
            return self._string(at)
        if match := _NUMBER.match(self._text, at):
            return _number(match[0]), match.end()
        match = _NAME.match(self._text, at)
        if match is None:
            raise _NotLiteral
        word, end = match[0], match.end()
        if word in _WORDS:
            return _WORDS[word], end
        if word in self._constants and self._text[self.skip(end)] not in ".([?":
            return self._constants[word], end
        raise _NotLiteral

    def _array(self, at: int, path: str, depth: int) -> tuple[list[Any], int]:
        if depth > DEPTH_LIMIT:
            raise _NotLiteral
        found: list[Any] = []
        at = self.skip(at + 1)
        while self._text[at] != "]":
            value, at = self.value(at, path, depth + 1)
            found.append(value)
            at = self.skip(self._past_types(at))
            if self._text[at] == ",":
                at = self.skip(at + 1)
            elif self._text[at] != "]":
                raise _NotLiteral
        return found, at + 1

    def _key(self, at: int) -> tuple[str, int]:
        if self._text[at] in "'\"":
            return self._string(at)
        match = re.compile(r"[\w$]+").match(self._text, at)
        if match is None:
            raise _NotLiteral
        return match[0], match.end()

    def _string(self, at: int) -> tuple[str, int]:
        quote, parts, at = self._text[at], [], at + 1
        while (character := self._text[at]) != quote:
            if character == "\\":
                piece, at = self._escape(at + 1)
                parts.append(piece)
                continue
            if (character == "\n" and quote != "`") or (quote == "`" and self._text.startswith("${", at)):
                raise _NotLiteral
            parts.append(character)
            at += 1
        return _without_surrogates("".join(parts)), at + 1

    def _escape(self, at: int) -> tuple[str, int]:
        match = re.compile(r"u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})").match(self._text, at)
        if match:
            code = int(match[1] or match[2] or match[3], 16)
            return (chr(code) if code < 0x110000 else "\ufffd"), match.end()
        character = self._text[at]
        return ("" if character == "\n" else _ESCAPES.get(character, character)), at + 1

    def _past_types(self, at: int) -> int:
        """After TypeScript's `as const`, `as Type`, `satisfies Type`, `!`."""
        while match := _TYPES.match(self._text, at):
            at = match.end()
        return at

    def _past_expression(self, at: int) -> int:
        """The position of the `,` or closing bracket after an expression that is skipped."""
        depth = 0
        while True:
            at = self.skip(at)
            character = self._text[at]
            if character in "'\"`":
                at = self._past_string(at)
                continue
            if depth == 0 and character in ",}":
                return at
            depth += (character in _OPENING) - (character in _CLOSING)
            if depth < 0:
                raise _NotLiteral
            at += 1

    def _past_string(self, at: int) -> int:
        quote, at = self._text[at], at + 1
        while self._text[at] != quote:
            at += 2 if self._text[at] == "\\" else 1
        return at + 1


def _without_surrogates(text: str) -> str:
    """With each surrogate pair joined to one character; JavaScript counts them as two."""
    if not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _number(text: str) -> int | float:
    plain = text.replace("_", "")
    if "x" in plain:
        return int(plain, 16)
    value = float(plain)
    return int(value) if value.is_integer() else value
