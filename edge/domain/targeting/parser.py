"""Targeting expressions: text to a checked tree of conditions. `language` lists their words, `lexer` the literals.

    either := both ("||" both)*          both := relation ("&&" relation)*
    relation := unary (OPERATOR unary | "in" "[" literal ("," literal)* "]")*
    unary := "!"* primary ("." METHOD "(" literal ")")*
    primary := FIELD | "true" | "false" | literal | FUNCTION "(" literal ")" | "(" either ")"

Types are checked where they meet. Of several mistakes the leftmost is reported, spelling before meaning.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import cast, get_args

from edge.domain.targeting.checker import (
    Number,
    Term,
    as_condition,
    called,
    check_function,
    check_method,
    compared,
    member,
    method_called,
    named,
)
from edge.domain.targeting.conditions import AllOf, AnyOf, Condition, InSet, Operator, atoms_of, negated
from edge.domain.targeting.lexer import Token, TokenKind, refusal, tokens_of

EXPRESSION_LIMIT_BYTES = 4096  # a revision contains every expression; typical ones have a tenth of this
EXPRESSION_LEVELS_LIMIT = 64  # nested parentheses and `!`; each level takes five frames of the parser
# Conditions that stand, for all apps of a process: compiling asks for each several times. Some kB each, at most 100.
PARSED_LIMIT = 128

_OPERATORS = frozenset(get_args(Operator))


def check_expression(text: str) -> frozenset[str]:
    """The names of the id sets that the expression uses. Raises Invalid `invalid_expression`, "column 12: …"."""
    return frozenset(atom.name for atom in atoms_of(parse_expression(text)) if isinstance(atom, InSet))


@lru_cache(PARSED_LIMIT)
def parse_expression(text: str) -> Condition:
    """Raises Invalid `invalid_expression` with the column, from 1, and the reason."""
    _check_size(text)
    parser = _Parser(list(tokens_of(text)))
    return parser.whole()


def _check_size(text: str) -> None:
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise refusal(error.start + 1, "an unpaired surrogate is not a character") from error
    if len(encoded) > EXPRESSION_LIMIT_BYTES:
        column = len(encoded[:EXPRESSION_LIMIT_BYTES].decode(errors="ignore")) + 1
        raise refusal(column, f"the expression has {len(encoded)} bytes; the limit is {EXPRESSION_LIMIT_BYTES}")


class _Parser:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._levels = 0

    def whole(self) -> Condition:
        first = self._next
        if first.kind is TokenKind.END:
            raise refusal(1, "the expression is empty")
        condition = as_condition(self._either())
        rest = self._next
        if rest.kind is not TokenKind.END:
            raise refusal(rest.column, f"expected '&&', '||' or the end, not {rest.shown}")
        return condition

    def _either(self) -> Term:
        first = self._both()
        items = [first]
        while self._accept("||"):
            items.append(self._both())
        return first if len(items) == 1 else Term(AnyOf(tuple(map(as_condition, items))), first.column)

    def _both(self) -> Term:
        first = self._relation()
        items = [first]
        while self._accept("&&"):
            items.append(self._relation())
        return first if len(items) == 1 else Term(AllOf(tuple(map(as_condition, items))), first.column)

    def _relation(self) -> Term:
        left = self._unary()
        while True:
            sign = self._next
            if sign.kind is TokenKind.SIGN and sign.text in _OPERATORS:
                self._at += 1
                operator = cast(Operator, sign.text)
                left = Term(compared(operator, sign.column, left, self._unary()), left.column)
            elif sign.kind is TokenKind.NAME and sign.text == "in":
                self._at += 1
                self._expect("[")
                left = Term(member(left, self._literals("]")), left.column)
            else:
                return left

    def _unary(self) -> Term:
        column, levels = self._next.column, self._levels
        while self._next_is("!"):
            self._deeper()
        term = self._primary()
        while self._accept("."):
            name = self._method()
            self._expect("(")
            term = Term(method_called(term, name, self._literals(")")), term.column)
        nots, self._levels = self._levels - levels, levels
        if not nots:
            return term
        condition = as_condition(term)
        return Term(negated(condition) if nots % 2 else condition, column)

    def _primary(self) -> Term:
        token = self._next
        if self._next_is("("):
            self._deeper()
            inner = self._either()
            self._expect(")")
            self._levels -= 1
            return Term(inner.value, token.column)
        if token.kind is not TokenKind.NAME:
            return self._literal("a field, a function or a value")
        self._at += 1
        if self._accept("("):
            check_function(token)
            return Term(called(token, self._literals(")")), token.column)
        return named(token)

    def _literals(self, end: str) -> list[Term]:
        """At least one literal, and the sign that ends them."""
        values = [self._literal("a value in quotes or a number")]
        while self._accept(","):
            values.append(self._literal("a value in quotes or a number"))
        self._expect(end)
        return values

    def _literal(self, expected: str) -> Term:
        token = self._next
        if token.kind not in (TokenKind.TEXT, TokenKind.NUMBER):
            raise refusal(token.column, f"expected {expected}, not {token.shown}")
        self._at += 1
        return Term(token.text if token.kind is TokenKind.TEXT else Number(token.text), token.column)

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _next_is(self, sign: str) -> bool:
        return self._next.kind is TokenKind.SIGN and self._next.text == sign

    def _accept(self, sign: str) -> bool:
        accepted = self._next_is(sign)
        self._at += accepted
        return accepted

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise refusal(self._next.column, f"expected {sign!r}, not {self._next.shown}")

    def _method(self) -> Token:
        token = self._next
        if token.kind is not TokenKind.NAME:
            raise refusal(token.column, f"expected the name of a method, not {token.shown}")
        check_method(token)
        self._at += 1
        return token

    def _deeper(self) -> None:
        """Move past the sign that opens a level."""
        self._levels += 1
        if self._levels > EXPRESSION_LEVELS_LIMIT:
            raise refusal(self._next.column, f"more than {EXPRESSION_LEVELS_LIMIT} levels of parentheses and '!'")
        self._at += 1
