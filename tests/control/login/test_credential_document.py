"""Every change of what people sign in with, on the document alone."""

import pytest

from edge.control.login.credential_document import (
    CREDENTIALS_FORMAT,
    PASSKEYS_LIMIT,
    TERMINALS_LIMIT,
    CredentialDocument,
    Invitation,
    Passkey,
    ProviderIdentity,
    Terminal,
    check_invited,
    credentials_of,
    passkey_name,
    person_of_identity,
    person_of_invitation,
    person_of_passkey,
    person_of_terminal,
    signed_out,
    with_identity,
    with_invitation,
    with_passkey,
    with_passkey_used,
    with_password,
    with_rehashed,
    with_terminal,
    without_passkey,
    without_person,
    without_terminal,
)
from edge.control.login.one_time import hash_of
from edge.domain.errors import Conflict, EdgeError, Invalid, NotFound

ANNA, BEN, NOW = "anna@example.com", "ben@example.com", 1_000.0
EMPTY = CredentialDocument(format=CREDENTIALS_FORMAT, store="s", sequence=0)


def invitation(secret="s", until=NOW + 60):
    return Invitation(hash=hash_of(secret), by="root", made=NOW, until=until)


def passkey(ident="p", **more):
    return Passkey(**({"id": ident, "key": "k", "host": "h", "name": "n", "sign_count": 0, "made": NOW} | more))


def identity(subject="s-1", issuer="https://a.example"):
    return ProviderIdentity(issuer=issuer, subject=subject, bound=NOW)


def terminal(secret="t", until=NOW + 60):
    return Terminal(hash=hash_of(secret), name="laptop", made=NOW, until=until)


def everything(mail=ANNA):
    document = with_password(EMPTY, mail, "sealed", NOW)
    document = with_passkey(document, mail, passkey(f"of {mail}"))
    document = with_identity(document, mail, identity(mail))
    return with_terminal(document, mail, terminal(mail), NOW)


def test_an_invitation_voids_everything_and_is_the_only_way_in():
    before = everything()
    after = with_invitation(before, ANNA, invitation())
    held = credentials_of(after, ANNA)
    assert not held.any and held.terminals == ()
    assert held.era != credentials_of(before, ANNA).era and held.handle != credentials_of(before, ANNA).handle
    assert person_of_invitation(after, "s", NOW) == ANNA


@pytest.mark.parametrize("use", [
    lambda document: with_password(document, ANNA, "x", NOW),
    lambda document: with_passkey(document, ANNA, passkey("new")),
    lambda document: with_identity(document, ANNA, identity()),
    lambda document: with_invitation(document, ANNA, invitation("another")),
    lambda document: without_person(document, ANNA),
])  # fmt: skip
def test_an_invitation_is_used_up(use):
    after = use(with_invitation(EMPTY, ANNA, invitation()))
    with pytest.raises(NotFound) as over:
        person_of_invitation(after, "s", NOW)
    assert over.value.code == "invitation_over"


def test_an_invitation_is_one_persons_and_ends():
    document = with_invitation(EMPTY, ANNA, invitation())
    check_invited(document, ANNA, "s", NOW)
    check_invited(document, BEN, "", NOW)
    for mail, secret, now in ((BEN, "s", NOW), (ANNA, "x", NOW), (ANNA, "s", NOW + 60)):
        with pytest.raises(NotFound):
            check_invited(document, mail, secret, now)


@pytest.mark.parametrize("change", [
    lambda document: with_password(document, ANNA, "x", NOW),
    lambda document: without_passkey(document, ANNA, f"of {ANNA}"),
    lambda document: signed_out(document, ANNA),
])  # fmt: skip
def test_what_ends_sessions_ends_tokens_of_terminals_too(change):
    before = everything()
    held = credentials_of(change(before), ANNA)
    assert held.era != credentials_of(before, ANNA).era and held.terminals == ()


def test_an_era_never_comes_back():
    """Who is removed and added again has none of the former sessions."""
    eras = {credentials_of(signed_out(everything(), ANNA), ANNA).era for _ in range(10)}
    assert len(eras) == 10 and credentials_of(EMPTY, ANNA).era == ""


def test_what_does_not_change_is_the_same_document():
    document = everything()
    assert with_rehashed(document, ANNA, "another", "new") is document
    assert with_passkey_used(document, ANNA, f"of {ANNA}", 0, 0) is document
    assert with_identity(document, ANNA, identity(ANNA)) is document
    assert without_terminal(document, ANNA, "unknown") is document
    for change in (signed_out, without_person):
        assert change(document, BEN) is document
    assert credentials_of(with_rehashed(document, ANNA, "sealed", "new"), ANNA).password == "new"


@pytest.mark.parametrize(("change", "code"), [
    (lambda d: with_passkey(d, BEN, passkey(f"of {ANNA}")), "passkey_exists"),
    (lambda d: with_identity(d, BEN, identity(ANNA)), "identity_taken"),
    (lambda d: with_identity(d, ANNA, identity("another")), "other_identity"),
    (lambda d: without_passkey(d, ANNA, "unknown"), "unknown_passkey"),
    (lambda d: without_passkey(with_passkey(EMPTY, BEN, passkey()), BEN, "p"), "last_credential"),
])  # fmt: skip
def test_what_is_refused(change, code):
    with pytest.raises(EdgeError) as refused:
        change(everything())
    assert refused.value.code == code


def test_numbers_are_bounded():
    document = EMPTY
    for each in range(PASSKEYS_LIMIT):
        document = with_passkey(document, ANNA, passkey(str(each)))
    with pytest.raises(Conflict):
        with_passkey(document, ANNA, passkey("more"))
    for each in range(TERMINALS_LIMIT + 5):
        document = with_terminal(document, ANNA, terminal(str(each)), NOW)
    held = credentials_of(document, ANNA).terminals
    assert len(held) == TERMINALS_LIMIT and held[-1].hash == hash_of(str(TERMINALS_LIMIT + 4))
    assert len(credentials_of(with_terminal(document, ANNA, terminal("x"), NOW + 60), ANNA).terminals) == 1


def test_people_are_found_by_what_they_have():
    document = everything()
    assert person_of_passkey(document, f"of {ANNA}")[0] == ANNA
    assert person_of_identity(document, "https://a.example", ANNA) == ANNA
    assert person_of_identity(document, "https://b.example", ANNA) is None, "another provider's"
    assert person_of_terminal(document, hash_of(ANNA))[0] == ANNA
    assert person_of_passkey(document, "x") is person_of_terminal(document, "x") is None


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\x00b"])
def test_names_of_passkeys(name):
    with pytest.raises(Invalid):
        passkey_name(name)
    assert passkey_name("  my   phone ") == "my phone"
