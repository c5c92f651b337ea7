"""How many different people may approve changes, and whether that is enough for a rule. Pure.

They are counted as approvals are: a token counts as whoever made it, and somebody invited lately as the inviter.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from edge.control.access.grants import Grant, Hold, bounded
from edge.control.access.judging.giving import holds_of
from edge.control.access.judging.makers import hands_in, with_inviters
from edge.control.access.people_document import PeopleDocument
from edge.control.access.roles import Permission
from edge.control.access.token_document import TokenRecord, held_by
from edge.domain.approving.hands import different_people


class Approvers(NamedTuple):
    """`able` are those who may approve something, each with the hands that it may be in; `groups` what members of a
    login provider's groups may, of whom nobody knows how many there are."""

    able: tuple[tuple[Grant, tuple[str, ...]], ...]
    groups: tuple[Grant, ...]

    def counted(self, app: str, channel: str | None) -> int | None:
        """How many may approve changes of the channel, or of the app's; None if that cannot be counted."""
        if any(each.may(Permission.APPROVE_CHANGES, app, channel) for each in self.groups):
            return None
        return different_people(
            hands for grant, hands in self.able if grant.may(Permission.APPROVE_CHANGES, app, channel)
        )


def approvers_in(
    document: PeopleDocument,
    records: Mapping[str, TokenRecord],
    invited_lately_by: Callable[[str], tuple[str, ...]],
    now: float,
) -> Approvers:
    """`records` are all tokens by name; see `with_inviters`."""
    people = [Grant(name, holds_of(document, each.holds)) for name, each in document.people.items()]
    tokens = [
        Grant(name, _held_by_token(document, each))
        for name, each in records.items()
        if each.expires is None or now < each.expires
    ]
    groups = (Grant(name, holds_of(document, each.holds)) for name, each in document.groups.items())
    able = (
        (each, with_inviters(hands_in(records, each.name), invited_lately_by)) for each in _able([*people, *tokens])
    )
    return Approvers(tuple(able), tuple(_able(groups)))


def shortage(people: int, counted: int | None, what: str) -> str:
    """Why a rule, by which so many `people` stand behind a change of `what`, is fulfilled by no change or by few; "" if
    there are enough people, or they cannot be counted."""
    if counted is None or counted >= people:
        return ""
    who = {0: "Nobody", 1: "One person"}.get(counted, f"{counted} people")
    needs = f"a change needs {people - 1} besides its author"
    vain = "no change can be made" if counted < people - 1 else "what one of them asks for waits in vain"
    return (
        f"{who} may approve changes of {what}, and {needs}: {vain}. Give more people a login and a role that may "
        "approve (a token counts as who made it, and for 7 days whoever was invited as the inviter)."
    )


def _able(grants: Iterable[Grant]) -> list[Grant]:
    return [each for each in grants if any(Permission.APPROVE_CHANGES in hold.permissions for hold in each.holds)]


def _held_by_token(document: PeopleDocument, record: TokenRecord) -> tuple[Hold, ...]:
    """No more than the person may in whose hands it is, and nothing once that person is gone."""
    holds = holds_of(document, held_by(record))
    if not record.person:
        return holds
    person = document.people.get(record.person)
    if person is None or record.since < person.created:
        return ()
    return bounded(holds, holds_of(document, person.holds))
