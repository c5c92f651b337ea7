"""Who invited a person may have opened the link, and wait: what the person gains later must be the inviter's to give.

Roles by groups are none of it: they come with an account at the provider, and only to who signs in by that account.
Calls block: run them off the event loop.
"""

from edge.control.access.grants import Grant, Hold
from edge.control.access.judging.giving import gives, holds_of, knows
from edge.control.access.people_document import HeldRole, PeopleDocument
from edge.control.access.roles import Permission
from edge.control.access.scopes import EVERYTHING, OrganisationScope
from edge.control.access.tokens import Tokens
from edge.control.login.accounts import Accounts
from edge.control.login.credential_document import PersonCredentials
from edge.domain.approving.hands import is_person
from edge.domain.errors import Conflict

NAMED = 5  # people in a refusal: enough to begin with


class Inviters:
    """Those of one store."""

    def __init__(self, accounts: Accounts, tokens: Tokens) -> None:
        self._accounts = accounts
        self._tokens = tokens

    def check_given(self, by: Grant, document: PeopleDocument, mail: str, held: HeldRole) -> None:
        """Before `by` gives a person a role. Raises Conflict `invited_by_other`; who invited is named to who may know
        that there is such a person."""
        credentials = self._accounts.credentials(mail)
        if credentials.invited_by not in ("", by.name) and not self._may_give(credentials, document, held):
            inviter = document.people.get(credentials.invited_by)
            named = (
                by.may_within(Permission.MANAGE_PEOPLE, EVERYTHING) if inviter is None else knows(by, document, inviter)
            )
            raise _refused([mail], credentials.invited_by if named else "somebody else", "this role")

    def check_widened(self, before: PeopleDocument, after: PeopleDocument) -> PeopleDocument:
        """`after` a change that alters what held roles give. Raises Conflict `invited_by_other`."""
        refused: dict[str, str] = {}
        for mail, credentials in self._accounts.read().people.items():
            if not credentials.invited_by or mail not in after.people:
                continue
            gained = (each for each in after.people[mail].holds if _gives_more(before, after, each))
            if not all(self._may_give(credentials, after, each) for each in gained):
                refused[mail] = credentials.invited_by
        if refused:
            raise _refused(sorted(refused), ", ".join(sorted(set(refused.values()))[:NAMED]), "what they would gain")
        return after

    def _may_give(self, credentials: PersonCredentials, document: PeopleDocument, held: HeldRole) -> bool:
        inviter = self._inviter(credentials, document)
        return inviter is not None and gives(inviter, document, held)

    def _inviter(self, credentials: PersonCredentials, document: PeopleDocument) -> Grant | None:
        """None: gone, or invited anew since, so that somebody else may have been it then."""
        by = credentials.invited_by
        if not is_person(by):
            return self._tokens.grant_of(by)
        person = document.people.get(by)
        if person is None or self._accounts.credentials(by).handle != credentials.inviter_handle:
            return None
        return Grant(by, holds_of(document, person.holds))


def _gives_more(before: PeopleDocument, after: PeopleDocument, held: HeldRole) -> bool:
    (was,), (now,) = holds_of(before, [held]) or (None,), holds_of(after, [held]) or (None,)
    return now is not None and (was is None or _is_more(was, now))


def _is_more(was: Hold, now: Hold) -> bool:
    if now.permissions - was.permissions:
        return True
    if not (isinstance(was.within, OrganisationScope) and isinstance(now.within, OrganisationScope)):
        return False
    less, more = (now, was) if now.within.all_but else (was, now)
    return bool(_apps(more) - _apps(less))


def _apps(hold: Hold) -> frozenset[str]:
    return hold.within.apps if isinstance(hold.within, OrganisationScope) else frozenset()


def _refused(people: list[str], inviters: str, what: str) -> Conflict:
    named = ", ".join(people[:NAMED]) + (" and others" if len(people) > NAMED else "")
    return Conflict(
        "invited_by_other",
        f"{named}: invited by {inviters}, who may not give {what} and could have kept the link: invite them anew "
        "(`edge person invite`), or take the role from them, then do this",
    )
