"""A targeting expression's text as tokens with columns, from 1, in characters. Line ends count as one character each.

Literals are as in CEL: numbers like 7 or 0.5 (no sign, exponent or hex); texts in single or double quotes with these
escapes: \\a \\b \\f \\n \\r \\t \\v \\\\ \\" \\' \\` \\? \\xHH \\uHHHH \\UHHHHHHHH. There are no raw, triple-quoted or
octal ones, and no bytes.
"""

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

from edge.domain.errors import Invalid

SHOWN_LIMIT = 40  # characters of an expression that an error repeats


class TokenKind(enum.Enum):
    """What a piece of an expression is."""

    NAME = "name"
    NUMBER = "number"
    TEXT = "text"
    SIGN = "sign"
    END = "end"


class Token(NamedTuple):
    """`column` counts characters from 1."""

    kind: TokenKind
    text: str  # of a text literal: its value
    column: int

    @property
    def shown(self) -> str:
        return "the end" if self.kind is TokenKind.END else repr(self.text[:SHOWN_LIMIT])


_SPACE = re.compile(r"[ \t\n\f\r]*")
_TOKEN = re.compile(
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_.]))"
    r"""|(?P<text>"(?:[^"\\\n\r]|\\[^\n\r])*"|'(?:[^'\\\n\r]|\\[^\n\r])*')"""
    r"|(?P<sign>\|\||&&|[=!<>]=|[!<>()\[\],.])"
)
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"'`?])|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|)")
_SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MEANT = {"=": "==", "&": "&&", "|": "||"}


def refusal(column: int, reason: str) -> Invalid:
    """The error for a mistake at `column`, from 1."""
    return Invalid("invalid_expression", f"column {column}: {reason}")


def tokens_of(text: str) -> Iterator[Token]:
    """Every token, then END. Raises Invalid `invalid_expression`."""
    at = _SPACE.match(text).end()  # type: ignore[union-attr]  # it matches the empty text
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _not_a_token(text, at)
        kind = TokenKind(match.lastgroup)
        written = match.group()
        yield Token(kind, _unescaped(written[1:-1], at + 2) if kind is TokenKind.TEXT else written, at + 1)
        at = _SPACE.match(text, match.end()).end()  # type: ignore[union-attr]
    yield Token(TokenKind.END, "", len(text) + 1)


def _unescaped(body: str, column: int) -> str:
    """The value of a text literal. `column` is that of its first character."""

    def replaced(match: re.Match[str]) -> str:
        short, *codes = match.groups()
        if short:
            return _SHORT.get(short, short)
        code = int(next(filter(None, codes), "-1"), 16)
        if code < 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
            shown = body[match.start() : match.start() + max(2, match.end() - match.start())]
            raise refusal(column + match.start(), f"{shown} is not a valid escape")
        return chr(code)

    return _ESCAPE.sub(replaced, body) if "\\" in body else body


def _not_a_token(text: str, at: int) -> Invalid:
    character = text[at]
    if character in "\"'":
        return refusal(at + 1, "the text that starts here is not closed")
    if character.isascii() and character.isdigit():
        return refusal(at + 1, "write a number like 7 or 0.5")
    if character in _MEANT:
        return refusal(at + 1, f"{character!r} is not an operator; did you mean {_MEANT[character]!r}?")
    return refusal(at + 1, f"{character!r} is not part of the language")
