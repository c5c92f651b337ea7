"""Whose hands a name may be in: who made a token has seen its secret, so it may be theirs. Pure.

Two names are of one person unless they have no hand in common. Where it cannot be followed to people who else has seen
a secret, UNKNOWN is among the hands: then nobody can be shown to be another person.
"""

from collections.abc import Callable, Iterable

OPERATOR = "*"  # whoever runs the nodes; no token and no person has this name
UNKNOWN = "?"  # nor this one
HANDS_LIMIT = 50  # of one name; more are taken for unknown


def is_person(name: str) -> bool:
    """People are named by their mail address, and no token's name has an `@`."""
    return "@" in name


def hands_of(name: str, makers_of: Callable[[str], Iterable[str] | None]) -> tuple[str, ...]:
    """The name, who made it or gave it another secret, and so on, in no order that means anything. `makers_of` a token
    are tokens, people and OPERATOR, or None where that cannot be told any more."""
    hands, ends = {name: None}, False
    left = [name]
    while left:
        each = left.pop()
        if each == OPERATOR or is_person(each):
            ends = True
            continue
        makers = makers_of(each) if len(hands) <= HANDS_LIMIT else None
        if makers is None:
            return (*hands, UNKNOWN)
        new = [maker for maker in makers if maker not in hands]
        hands |= dict.fromkeys(new)
        left += new
    return tuple(hands) if ends else (*hands, UNKNOWN)


def is_known(hands: Iterable[str]) -> bool:
    return UNKNOWN not in hands


def may_be_one(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether both may be the same person."""
    first, second = set(one), set(other)
    return bool(first & second) or UNKNOWN in first | second


def different_people(names: Iterable[tuple[str, ...]]) -> int:
    """How many of those in these hands are certainly different people, by a rule of thumb: who may be the fewest others
    is taken first. It finds too few only where people invited one another in a long row."""
    taken: set[str] = set()
    found = 0
    for hands in sorted(names, key=lambda each: (len(each), each)):
        if is_known(hands) and not taken & set(hands):
            taken |= set(hands)
            found += 1
    return found
