"""Whose hands a name may be in: who made a token has seen its secret, so it may be theirs. Pure.

Two names are of one person unless they have no hand in common. A chain that cannot be followed to its beginning ends in
UNKNOWN: then nobody can be shown to be another person.
"""

from collections.abc import Callable, Iterable

UNKNOWN = "?"  # no token and no person has this name
CHAIN_LIMIT = 50  # makers of makers; a longer chain is taken for one without a beginning


def is_person(name: str) -> bool:
    """People are named by their mail address, and no token's name has an `@`."""
    return "@" in name


def hands_of(name: str, maker_of: Callable[[str], str | None]) -> tuple[str, ...]:
    """The name, who made it, and so on. `maker_of` a token is a token, a person, "" for nobody (a node made it at its
    first start: all such are the operator's), or None where that cannot be told any more."""
    hands = [name]
    while not is_person(hands[-1]):
        maker = maker_of(hands[-1]) if len(hands) < CHAIN_LIMIT else None
        if maker is None or maker in hands:
            return (*hands, UNKNOWN)
        if not maker:
            return (*hands, OPERATOR)
        hands.append(maker)
    return tuple(hands)


OPERATOR = "*"  # whoever runs the nodes


def is_known(hands: Iterable[str]) -> bool:
    return UNKNOWN not in hands


def may_be_one(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether both may be the same person."""
    first, second = set(one), set(other)
    return bool(first & second) or UNKNOWN in first | second
