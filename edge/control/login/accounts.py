"""People beside what they sign in with: the one place where both are looked up together.

A person is somebody that an admin added by a mail address; what the person may do is looked up at each request and
never kept. Who was removed is nobody at once, whatever credentials are left. Calls block: run them off the event loop.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

from edge.control.access.grants import Grant
from edge.control.access.people import People
from edge.control.access.people_document import HeldRole
from edge.control.access.shared_document import SharedDocument
from edge.control.login.credential_document import (
    CredentialDocument,
    Edit,
    PersonCredentials,
    begun,
    credentials_of,
    signed_out,
    with_groups,
    without_person,
)
from edge.control.login.region_credentials import RegionCredentials
from edge.store.stored_document import Untrusted

KeptCredentials = SharedDocument[CredentialDocument] | RegionCredentials
BY_PASSWORD, BY_PASSKEY, BY_PROVIDER = "password", "passkey", "oidc"  # the ways


class SignedIn(NamedTuple):
    """Somebody who has proven to be this person. `era` is that of the credentials; `groups` are those that a provider
    stated; `way` is how. `authenticated` is when the person proved it to the provider: 0 if that is not stated, and for
    the other ways, which prove it here."""

    mail: str
    era: str
    way: str
    groups: frozenset[str] = frozenset()
    authenticated: float = 0.0


class Accounts:
    """Those of one store."""

    def __init__(self, people: People, credentials: KeptCredentials, clock: Callable[[], float]) -> None:
        self._people = people
        self._credentials = credentials
        self._clock = clock

    def standing(self, signed_in: SignedIn) -> Grant | None:
        """None once the person is removed or holds nothing, has signed out everywhere or has changed a password."""
        if self.credentials(signed_in.mail).era != signed_in.era:
            return None
        return self.grant(signed_in.mail, signed_in.groups)

    def grant(self, mail: str, groups: Iterable[str] = ()) -> Grant | None:
        """What the person may do now. Only who was added is somebody: a group alone adds nobody."""
        if not self.is_known(mail):
            return None
        return self._people.grant_of(mail, self._clock(), sorted(groups))

    def is_known(self, mail: str) -> bool:
        return self._people.find(mail) is not None

    def anybody(self) -> bool:
        return bool(self._people.last_good().people)

    def covers(self, grant: Grant, mail: str) -> bool:
        """Whether `grant` may do all that the person may, and so may become the person. Raises NotFound
        `unknown_person`, also for who is none of its business."""
        return self._people.covers(grant, mail, self.stated_groups(mail))

    def stated_groups(self, mail: str) -> frozenset[str]:
        """Those with a role here that a provider stated of the person last."""
        return frozenset(each for identity in self.credentials(mail).identities for each in identity.groups)

    def note_groups(self, mail: str, issuer: str, groups: Iterable[str]) -> None:
        """What the provider has stated of the person a moment ago. Possible on a full disk, too."""
        kept = tuple(sorted(self._people.mapped(sorted(groups))))
        self._credentials.change(lambda document: with_groups(document, mail, issuer, kept), lending=True)

    def may_give(self, grant: Grant, held: HeldRole) -> bool:
        return self._people.may_give(grant, held)

    def credentials(self, mail: str) -> PersonCredentials:
        return credentials_of(self.read(), mail)

    def with_handle(self, mail: str) -> PersonCredentials:
        """Those of the person, who has a handle from now on. Raises Conflict."""
        self.change(lambda document: begun(document, mail))
        return self.credentials(mail)

    def read(self) -> CredentialDocument:
        return self._credentials.last_good()

    def change(self, edit: Edit) -> None:
        """Raises what the edit raises, and Conflict `busy`, `older_store`."""
        self._credentials.change(edit)

    @property
    def problem(self) -> str:
        """What is wrong with the credentials in the store now; "" if nothing is."""
        return self._credentials.problem if isinstance(self._credentials, SharedDocument) else ""

    def accept_restored(self, *, dry: bool, above: int = 0) -> str:
        """As `SharedDocument.accept_restored_document`; why they were refused, "" if they were not."""
        if not isinstance(self._credentials, SharedDocument):
            return ""
        accepted = self._credentials.accept_restored_document(dry=dry, above=above)
        return accepted.problem if accepted is not None else ""

    def look(self) -> None:
        """Read the store's document, where others change it too and nobody who asks waits for it."""
        if isinstance(self._credentials, SharedDocument):
            with suppress(Untrusted):  # in `problem`
                self._credentials.check()

    def sign_out_everywhere(self, mail: str) -> None:
        """Possible on a full disk, too."""
        self._credentials.change(lambda document: signed_out(document, mail), lending=True)

    def forget(self, mail: str) -> None:
        """The person was removed: added again, nothing of before opens anything."""
        self._credentials.change(lambda document: without_person(document, mail), lending=True)
