"""Whose account at the provider is whose, as a region knows it."""

import pytest

from edge.control.login.credential_document import ProviderIdentity, credentials_of, person_of_identity, with_identity
from edge.control.login.region_credentials import IDENTITIES_FILE, RegionCredentials
from edge.domain.errors import Conflict

ANNA, ISSUER = "anna@example.com", "https://login.example.com"


@pytest.fixture
def kept(tmp_path):
    return RegionCredentials(tmp_path / IDENTITIES_FILE)


def bind(kept, mail=ANNA, subject="s-1"):
    kept.change(
        lambda document: with_identity(document, mail, ProviderIdentity(issuer=ISSUER, subject=subject, bound=1.0))
    )


def test_an_account_is_bound_and_known_to_the_next_process(kept, tmp_path):
    assert kept.last_good().people == {}
    bind(kept)
    assert person_of_identity(kept.last_good(), ISSUER, "s-1") == ANNA
    assert person_of_identity(RegionCredentials(tmp_path / IDENTITIES_FILE).last_good(), ISSUER, "s-1") == ANNA
    assert (tmp_path / IDENTITIES_FILE).stat().st_mode & 0o077 == 0


def test_another_account_of_the_same_mail_is_refused_here_too(kept):
    bind(kept)
    with pytest.raises(Conflict):
        bind(kept, subject="s-2")


def test_what_another_process_writes_is_read(kept, tmp_path):
    bind(kept)
    bind(RegionCredentials(tmp_path / IDENTITIES_FILE), "ben@example.com", "s-2")
    assert set(kept.last_good().people) == {ANNA, "ben@example.com"}


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff", b'{"format": 1}'])
def test_a_damaged_file_is_set_aside_and_bound_again(kept, tmp_path, damage, caplog):
    (tmp_path / IDENTITIES_FILE).write_bytes(damage)
    assert kept.last_good().people == {} and "is damaged" in caplog.text
    bind(kept)
    assert credentials_of(kept.last_good(), ANNA).identities[0].subject == "s-1"
