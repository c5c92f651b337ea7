"""Whose hands a token or a person may be in, from who made tokens and gave them other secrets: see
`domain.approving.hands`. Pure."""

from collections.abc import Mapping

from edge.control.access.token_document import FIRST_START, TokenRecord
from edge.domain.approving.hands import OPERATOR, hands_of


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
