"""The document of what people sign in with, and every change of it. Pure: the store has it as a `SharedDocument`.

Nothing in it opens anything by itself: passwords are argon2id hashes, sealed; of passkeys there are public keys; of
invitations and of tokens for the command line there are hashes. Who is nobody's person any more has nothing here.
"""

import hmac
import secrets
from collections.abc import Callable

import msgspec

from edge.control.access.people_document import PEOPLE_LIMIT
from edge.control.access.shared_document import DocumentKind, SharedFields
from edge.control.login.one_time import hash_of
from edge.domain.errors import Conflict, Invalid, NotFound

CREDENTIALS_KEY = "access/credentials.json"
CREDENTIALS_DOMAIN = "edge-credentials"
CREDENTIALS_FORMAT = 1
PASSKEYS_LIMIT = 10  # of one person
IDENTITIES_LIMIT = 5
TERMINALS_LIMIT = 10  # signed in for the command line at once; the oldest goes first
PASSKEY_NAME_LIMIT = 64  # characters
INVITATION_SECONDS = 24 * 3_600.0
TERMINAL_SECONDS = 12 * 3_600.0  # a working day, and a long one
HANDLE_BYTES = 32


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """`id` and `key` (COSE) in base64url; `host` is the name that it is bound to. `made` is in seconds since the epoch,
    `used_day` in days, 0: never."""

    id: str
    key: str
    host: str
    name: str
    sign_count: int
    made: float
    used_day: int = 0


class ProviderIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is at a provider of OpenID Connect. `groups` are those with a role here that it stated last."""

    issuer: str
    subject: str
    bound: float
    groups: tuple[str, ...] = ()


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """`hash` is that of its secret."""

    hash: str
    by: str
    made: float
    until: float


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """A token for the command line: `groups` are those that the person had when it was made."""

    hash: str
    name: str
    made: float
    until: float
    groups: tuple[str, ...] = ()


class PersonCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """Of one person. `handle` is what a passkey calls the person: random, and no mail address. Sessions opened in
    another `era` have ended; it is random, so that none comes back. `password` is sealed; "" for none. `invited_by`
    made the invitation that all of this began with, and may have kept its link; "" for who may do everything anyway.
    `inviter_handle` is that person's handle then, "" for a token. `begun_by` are whose hands whoever made the
    invitation may be in (domain.approving.hands), `begun_at` when, in seconds since the epoch."""

    handle: str
    era: str
    password: str = ""
    password_set: float = 0.0
    passkeys: tuple[Passkey, ...] = ()
    identities: tuple[ProviderIdentity, ...] = ()
    invitation: Invitation | None = None
    terminals: tuple[Terminal, ...] = ()
    invited_by: str = ""
    inviter_handle: str = ""
    begun_by: tuple[str, ...] = ()
    begun_at: float = 0.0

    @property
    def any(self) -> bool:
        """Whether the person can sign in by something that is kept here."""
        return bool(self.password or self.passkeys or self.identities)


class CredentialDocument(SharedFields, frozen=True, kw_only=True):
    """`people` by mail address."""

    people: dict[str, PersonCredentials] = msgspec.field(default_factory=dict)


CREDENTIALS_KIND = DocumentKind(
    CREDENTIALS_KEY,
    CREDENTIALS_DOMAIN,
    "credentials.json",
    "the credentials document",
    "credentials of people",
    CREDENTIALS_FORMAT,
    CredentialDocument,
    lambda _: CREDENTIALS_FORMAT,
    lambda store: CredentialDocument(format=CREDENTIALS_FORMAT, store=store, sequence=0),
)
Edit = Callable[[CredentialDocument], CredentialDocument]


def credentials_of(document: CredentialDocument, mail: str) -> PersonCredentials:
    """Empty ones for who has none."""
    return document.people.get(mail) or PersonCredentials(handle="", era="")


def person_of_passkey(document: CredentialDocument, passkey: str) -> tuple[str, Passkey] | None:
    for mail, held in document.people.items():
        for each in held.passkeys:
            if each.id == passkey:
                return mail, each
    return None


def person_of_identity(document: CredentialDocument, issuer: str, subject: str) -> str | None:
    for mail, held in document.people.items():
        if any((each.issuer, each.subject) == (issuer, subject) for each in held.identities):
            return mail
    return None


def person_of_invitation(document: CredentialDocument, secret: str, now: float) -> str:
    """Raises NotFound `invitation_over`."""
    hashed = hash_of(secret)
    for mail, held in document.people.items():
        if held.invitation is not None and held.invitation.hash == hashed and now < held.invitation.until:
            return mail
    raise NotFound("invitation_over", "this invitation was used, replaced or is too old: ask for a new one")


def check_invited(document: CredentialDocument, mail: str, secret: str, now: float) -> None:
    """For a change that an invitation permits; without one (""), a session does. Raises NotFound `invitation_over`."""
    if secret and person_of_invitation(document, secret, now) != mail:
        raise NotFound("invitation_over", "this invitation is somebody else's")


def person_of_terminal(document: CredentialDocument, hashed: str) -> tuple[str, Terminal] | None:
    for mail, held in document.people.items():
        for each in held.terminals:
            if hmac.compare_digest(each.hash, hashed):
                return mail, each
    return None


def with_invitation(
    document: CredentialDocument,
    mail: str,
    invitation: Invitation,
    *,
    limited: bool = False,
    hands: tuple[str, ...] = (),
) -> CredentialDocument:
    """A new beginning: what the person had is void, and every session ends. `limited` is an inviter who may not do
    everything, `hands` whose hands the inviter may be in. Raises Conflict `too_many_people`."""
    held = document.people.get(mail)
    if held is None and len(document.people) >= PEOPLE_LIMIT:
        raise Conflict("too_many_people", f"at most {PEOPLE_LIMIT} people can have credentials")
    by = invitation.by if limited else ""
    begun_by = credentials_of(document, by).handle
    fresh = msgspec.structs.replace(
        _new(),
        invitation=invitation,
        invited_by=by,
        inviter_handle=begun_by,
        begun_by=hands,
        begun_at=invitation.made,
    )
    return _with(document, mail, fresh)


def begun(document: CredentialDocument, mail: str) -> CredentialDocument:
    """With an entry for the person; the same document where there is one. Raises Conflict `too_many_people`."""
    return document if mail in document.people else _with(document, mail, _held(document, mail))


def with_password(document: CredentialDocument, mail: str, sealed: str, now: float) -> CredentialDocument:
    """Every session of the person ends, tokens of terminals too, and an invitation is used up."""
    held = _held(document, mail)
    changed = msgspec.structs.replace(
        held, password=sealed, password_set=now, era=_era(), invitation=None, terminals=()
    )
    return _with(document, mail, changed)


def with_rehashed(document: CredentialDocument, mail: str, was: str, sealed: str) -> CredentialDocument:
    """The same password, kept better. Nothing if it has been changed meanwhile."""
    held = document.people.get(mail)
    if held is None or held.password != was:
        return document
    return _with(document, mail, msgspec.structs.replace(held, password=sealed))


def with_passkey(document: CredentialDocument, mail: str, passkey: Passkey) -> CredentialDocument:
    """An invitation is used up. Raises Conflict `passkey_exists`, `too_many_passkeys`."""
    held = _held(document, mail)
    if person_of_passkey(document, passkey.id) is not None:
        raise Conflict("passkey_exists", "this passkey is known already")
    if len(held.passkeys) >= PASSKEYS_LIMIT:
        raise Conflict("too_many_passkeys", f"a person has at most {PASSKEYS_LIMIT} passkeys: remove one first")
    changed = msgspec.structs.replace(held, passkeys=(*held.passkeys, passkey), invitation=None)
    return _with(document, mail, changed)


def with_passkey_used(
    document: CredentialDocument, mail: str, passkey: str, count: int, day: int
) -> CredentialDocument:
    """The same document where there is nothing to note: an authenticator that does not count, used once today."""
    held = document.people.get(mail)
    found = next((each for each in held.passkeys if each.id == passkey), None) if held is not None else None
    if held is None or found is None or (found.sign_count, found.used_day) == (count, day):
        return document
    used = msgspec.structs.replace(found, sign_count=count, used_day=day)
    kept = tuple(used if each.id == passkey else each for each in held.passkeys)
    return _with(document, mail, msgspec.structs.replace(held, passkeys=kept))


def without_passkey(document: CredentialDocument, mail: str, passkey: str) -> CredentialDocument:
    """Other sessions end, and tokens of terminals: whoever has the device may have one. Raises NotFound
    `unknown_passkey`, Conflict `last_credential`."""
    held = _held(document, mail)
    kept = tuple(each for each in held.passkeys if each.id != passkey)
    if len(kept) == len(held.passkeys):
        raise NotFound("unknown_passkey", "there is no such passkey")
    changed = msgspec.structs.replace(held, passkeys=kept, era=_era(), terminals=())
    if not changed.any:
        raise Conflict("last_credential", "this is all that you sign in with: set a password or add a passkey first")
    return _with(document, mail, changed)


def with_identity(document: CredentialDocument, mail: str, identity: ProviderIdentity) -> CredentialDocument:
    """An invitation is used up. Raises Conflict `identity_taken`, `other_identity`, `too_many_identities`."""
    held = _held(document, mail)
    owner = person_of_identity(document, identity.issuer, identity.subject)
    if owner == mail:
        return document
    if owner is not None:
        raise Conflict("identity_taken", "this account at the provider is somebody else's here")
    if any(each.issuer == identity.issuer for each in held.identities):
        raise Conflict(
            "other_identity",
            "this person is another account at the provider: an admin invites again if it was replaced there",
        )
    if len(held.identities) >= IDENTITIES_LIMIT:
        raise Conflict("too_many_identities", f"a person has at most {IDENTITIES_LIMIT} accounts at providers")
    changed = msgspec.structs.replace(held, identities=(*held.identities, identity), invitation=None)
    return _with(document, mail, changed)


def with_groups(document: CredentialDocument, mail: str, issuer: str, groups: tuple[str, ...]) -> CredentialDocument:
    """What the provider states of the person now. The same document where that is known."""
    held = credentials_of(document, mail)
    stated = tuple(
        msgspec.structs.replace(each, groups=groups) if each.issuer == issuer else each for each in held.identities
    )
    if stated == held.identities:
        return document
    return _with(document, mail, msgspec.structs.replace(held, identities=stated))


def with_terminal(document: CredentialDocument, mail: str, terminal: Terminal, now: float) -> CredentialDocument:
    held = _held(document, mail)
    valid = [each for each in held.terminals if now < each.until][-TERMINALS_LIMIT + 1 :]
    return _with(document, mail, msgspec.structs.replace(held, terminals=(*valid, terminal)))


def without_terminal(document: CredentialDocument, mail: str, hashed: str) -> CredentialDocument:
    """The same document where there is none."""
    held = document.people.get(mail)
    if held is None:
        return document
    kept = tuple(each for each in held.terminals if each.hash != hashed)
    if len(kept) == len(held.terminals):
        return document
    return _with(document, mail, msgspec.structs.replace(held, terminals=kept))


def signed_out(document: CredentialDocument, mail: str) -> CredentialDocument:
    """Everywhere: sessions and tokens of terminals."""
    held = document.people.get(mail)
    if held is None:
        return document
    return _with(document, mail, msgspec.structs.replace(held, era=_era(), terminals=()))


def without_person(document: CredentialDocument, mail: str) -> CredentialDocument:
    if mail not in document.people:
        return document
    return msgspec.structs.replace(
        document, people={other: held for other, held in document.people.items() if other != mail}
    )


def passkey_name(text: str) -> str:
    """Raises Invalid `invalid_passkey_name`."""
    name = " ".join(text.split())
    if not 0 < len(name) <= PASSKEY_NAME_LIMIT or not name.isprintable():
        raise Invalid("invalid_passkey_name", f"name the passkey in 1 to {PASSKEY_NAME_LIMIT} printable characters")
    return name


def _held(document: CredentialDocument, mail: str) -> PersonCredentials:
    """Raises Conflict `too_many_people`."""
    held = document.people.get(mail)
    if held is None and len(document.people) >= PEOPLE_LIMIT:
        raise Conflict("too_many_people", f"at most {PEOPLE_LIMIT} people can have credentials")
    return held or _new()


def _with(document: CredentialDocument, mail: str, held: PersonCredentials) -> CredentialDocument:
    return msgspec.structs.replace(document, people={**document.people, mail: held})


def _new() -> PersonCredentials:
    return PersonCredentials(handle=secrets.token_urlsafe(HANDLE_BYTES), era=_era())


def _era() -> str:
    return secrets.token_hex(8)
