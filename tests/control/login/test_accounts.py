"""People beside what they sign in with, on a real store."""

import pytest
from login_world import ANNA, BEN, LoginWorld

from edge.control.access.roles import Role
from edge.control.access.shared_document import SharedDocument
from edge.control.access.tokens import Tokens
from edge.control.login.accounts import Accounts, SignedIn
from edge.control.login.credential_document import CREDENTIALS_KEY, CREDENTIALS_KIND
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.signing import load_or_create_writer

NOW = 1_000.0


class Counted(FsStore):
    """A store that is far away: how often it was asked for the credentials."""

    asked = 0

    def get(self, key):
        self.asked += key == CREDENTIALS_KEY
        return super().get(key)


@pytest.fixture
def parts(tmp_path):
    store, node_dir = Counted(tmp_path / "store"), tmp_path / "node"
    node_dir.mkdir()
    writer = load_or_create_writer(node_dir / "writer.pem")
    return store, open_trust(store, node_dir, NOW, writer), writer


@pytest.fixture
def logins(parts, tmp_path):
    return LoginWorld(tmp_path / "node", lambda: NOW, Tokens(*parts), *parts).fill()


def test_standing_needs_the_person_the_role_and_the_era(logins):
    logins.accounts.with_handle(ANNA)
    signed_in = SignedIn(ANNA, logins.accounts.credentials(ANNA).era, "password")
    assert logins.accounts.standing(signed_in).is_role(Role.ADMIN)
    logins.accounts.sign_out_everywhere(ANNA)
    assert logins.accounts.standing(signed_in) is None
    assert logins.accounts.standing(SignedIn(BEN, "", "oidc")).is_role(Role.VIEWER)
    assert logins.accounts.standing(SignedIn("nobody@example.com", "", "oidc", frozenset({"releases"}))) is None


def test_who_asks_does_not_wait_for_a_bucket(parts, logins, tmp_path):
    """As an origin on a bucket reads them: from memory, and anew when it looks."""
    store, trust, writer = parts
    logins.accounts.with_handle(ANNA)
    far = SharedDocument(CREDENTIALS_KIND, store, trust, writer, None, FsStore(tmp_path / "mirror"))
    accounts = Accounts(logins.people, far, lambda: NOW)
    accounts.look()
    before = store.asked
    for _ in range(5):
        assert accounts.credentials(ANNA).era
    assert store.asked == before
    era = accounts.credentials(ANNA).era
    logins.accounts.sign_out_everywhere(ANNA)
    assert accounts.credentials(ANNA).era == era
    accounts.look()
    assert accounts.credentials(ANNA).era != era


def test_a_store_that_went_back_brings_no_password_back(parts, logins):
    store, _, _ = parts
    logins.accounts.with_handle(ANNA)
    old = store.get(CREDENTIALS_KEY).data
    logins.accounts.sign_out_everywhere(ANNA)
    era = logins.accounts.credentials(ANNA).era
    store.swap(CREDENTIALS_KEY, old, store.get(CREDENTIALS_KEY).tag)
    assert logins.accounts.credentials(ANNA).era == era, "what this node has seen counts"
    assert "rolled back" in logins.accounts.problem
    assert "rolled back" in logins.accounts.accept_restored(dry=False)
    assert (logins.accounts.credentials(ANNA).era, logins.accounts.problem) == (era, "")
