"""Whose hands a token or a person may be in, from who made tokens and gave them other secrets: see
`domain.approving.hands`. Pure."""

from collections.abc import Callable, Mapping

from edge.control.access.token_document import FIRST_START, TokenRecord
from edge.domain.approving.hands import OPERATOR, hands_of, is_person


def hands_in(records: Mapping[str, TokenRecord], name: str) -> tuple[str, ...]:
    """Of who is called `name`, with all tokens by name. A maker that is gone, or whose name another token has taken
    since, leaves its tokens without a known one."""

    def makers_of(token: str) -> tuple[str, ...] | None:
        record = records.get(token)
        if record is None:
            return None
        seen = [(record.by, record.created), *((each, record.renewed) for each in record.rotated_by)]
        if any(who in records and records[who].created > at for who, at in seen):
            return None
        return tuple(OPERATOR if who == FIRST_START else who for who, _ in seen)

    return hands_of(name, makers_of)


def with_inviters(hands: tuple[str, ...], invited_lately_by: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
    """With whoever invited the people among them lately: the inviter had the link, and may be the one who signed in by
    it. Whoever runs the nodes may invite all: that is how a team begins."""
    found = dict.fromkeys(hands)
    for each in hands:
        inviters = invited_lately_by(each) if is_person(each) else ()
        if OPERATOR not in inviters:
            found |= dict.fromkeys(inviters)
    return tuple(found)
