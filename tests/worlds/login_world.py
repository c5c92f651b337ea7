"""People and their credentials on a page's world: an admin, a viewer, and every way in."""

from argon2 import PasswordHasher

from edge.control.access.grants import Grant, hold_of
from edge.control.access.people_document import HeldRole
from edge.control.access.roles import Role
from edge.control.access.shared_document import SharedDocument
from edge.control.login.accounts import Accounts
from edge.control.login.credential_document import CREDENTIALS_KIND, ProviderIdentity, with_identity
from edge.control.login.invitations import invite
from edge.control.login.passkey_login import PasskeyLogin
from edge.control.login.passwords.hashing import Passwords
from edge.control.login.passwords.password_login import PasswordLogin
from edge.control.login.people_login import PeopleLogin
from edge.store.secrets.secret_box import SecretBox

ANNA, BEN = "anna@example.com", "ben@example.com"
ISSUER = "https://login.example.com"
PASSWORD = "the heron waits by the lock"
ROOT = Grant("root", (hold_of(Role.ADMIN),))
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class LoginWorld:
    """On the store of a page's world. `ticks` is the monotonic clock of the limits."""

    def __init__(self, folder, now, tokens, store, trust, writer):
        self.now, self.ticks = now, 0.0
        self.people = tokens.people
        self.credentials = SharedDocument(CREDENTIALS_KIND, store, trust, writer)
        self.accounts = Accounts(self.people, self.credentials, now)
        self.secrets = SecretBox(folder / "secrets.key", make=True)
        self.login = self.ways()

    def fill(self):
        self.add(ANNA, Role.ADMIN)
        self.add(BEN, Role.VIEWER)
        self.people.map_group(ROOT, "releases", HeldRole(Role.RELEASER.value, "everything"))
        return self

    def add(self, mail, role):
        held = [HeldRole(role.value, "everything")] if role is not None else []
        self.people.add_person(ROOT, mail, "", held, self.now())

    def at_provider(self, mail, groups):
        """The person has signed in by a provider, which states these groups."""
        identity = ProviderIdentity(issuer=ISSUER, subject=mail, bound=self.now())
        self.accounts.change(lambda document: with_identity(document, mail, identity))
        self.accounts.note_groups(mail, ISSUER, groups)

    def remove(self, mail):
        self.people.remove_person(ROOT, mail)

    def ways(self, **ways):
        ordinary = {
            "passwords": PasswordLogin(self.accounts, self.secrets, Passwords(CHEAP), lambda: self.ticks),
            "passkeys": PasskeyLogin(self.accounts),
        }
        return PeopleLogin(accounts=self.accounts, **(ordinary | ways))

    def invite(self, mail, by=ROOT):
        """The secret of a new invitation."""
        return invite(self.accounts, mail, by, self.now()).secret
