"""What is believed of a browser that answers with a passkey."""

import json

import pytest
from authenticator import Authenticator, encoded

from edge.control.login.credential_document import Passkey
from edge.control.login.passkeys import (
    ANSWER_LIMIT,
    PasskeyPlace,
    PasskeyUsed,
    check_login,
    id_of,
    login_options,
    no_passkeys_here,
    place_of,
    register,
    registration_options,
)
from edge.domain.errors import Forbidden, Malformed

PLACE = PasskeyPlace("edge.example.com", "https://edge.example.com")
CHALLENGE, HANDLE, NOW = b"c" * 32, encoded(b"h" * 32), 1_800_000_000.0


def made(device, place=PLACE):
    answer = device.create(registration_options(place, "anna@example.com", HANDLE, [], CHALLENGE))
    return register(answer, place, CHALLENGE, "phone", NOW)


def used(device, passkey, handle=HANDLE, **changed):
    answer = device.get(login_options(PLACE, CHALLENGE), **changed)
    return check_login(answer, PLACE, CHALLENGE, passkey, handle)


@pytest.fixture
def device():
    return Authenticator(PLACE.origin)


def test_a_passkey_is_made_and_used(device):
    passkey = made(device)
    assert (passkey.id, passkey.host, passkey.name) == (encoded(device.id), "edge.example.com", "phone")
    assert used(device, passkey) == PasskeyUsed(0, fell=False)
    assert id_of(device.get(login_options(PLACE, CHALLENGE))) == passkey.id


def test_the_options_ask_for_a_passkey_that_verifies_its_user(device):
    passkey = made(device)
    asked = json.loads(registration_options(PLACE, "anna@example.com", HANDLE, [passkey], CHALLENGE))
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert [each["id"] for each in asked["excludeCredentials"]] == [passkey.id]
    assert {each["alg"] for each in asked["pubKeyCredParams"]} == {-8, -7, -257}
    login = json.loads(login_options(PLACE, CHALLENGE))
    assert (login["userVerification"], login["rpId"], login["allowCredentials"]) == ("required", PLACE.host, [])


@pytest.mark.parametrize(
    "changed",
    [
        {"challenge": encoded(b"another")},
        {"rp": "evil.example"},
        {"type": "webauthn.create"},
        {"signature": b"\x30\x00"},
        {"handle": encoded(b"x" * 32)},
        {"handle": None},
    ],
)
def test_an_answer_that_is_wrong_in_one_thing_opens_nothing(device, changed):
    passkey = made(device)
    with pytest.raises(Forbidden) as refused:
        used(device, passkey, **changed)
    assert refused.value.code == "passkey_refused"


def test_an_answer_of_another_page_opens_nothing(device):
    passkey = made(device)
    device.origin = "https://edge.example.com.evil.example"
    with pytest.raises(Forbidden):
        used(device, passkey)


def test_a_device_that_verified_nobody_opens_nothing(device):
    passkey = made(device)
    device.verified = False
    with pytest.raises(Forbidden):
        used(device, passkey)
    with pytest.raises(Forbidden):
        made(device)


def test_another_devices_key_opens_nothing(device):
    passkey, other = made(device), Authenticator(PLACE.origin)
    other.id, other.handle = device.id, device.handle
    with pytest.raises(Forbidden):
        used(other, passkey)


@pytest.mark.parametrize(
    ("before", "now", "fell"), [(0, 0, False), (0, 5, False), (5, 6, False), (5, 5, True), (5, 4, True), (5, 0, True)]
)
def test_a_count_that_falls_is_told_and_not_refused(device, before, now, fell):
    device.count = before
    passkey = made(device)
    device.count = now
    assert used(device, passkey) == PasskeyUsed(now, fell)


@pytest.mark.parametrize("changed", [{"challenge": encoded(b"another")}, {"rp": "evil.example"}])
def test_a_passkey_that_was_not_asked_for_is_not_kept(device, changed):
    answer = device.create(registration_options(PLACE, "a@x.org", HANDLE, [], CHALLENGE), **changed)
    with pytest.raises(Forbidden):
        register(answer, PLACE, CHALLENGE, "phone", NOW)


@pytest.mark.parametrize(
    "answer",
    ["", "{}", "[]", "null", '{"id": "", "response": {}}', "x" * (ANSWER_LIMIT + 1), '{"id": 1}', "[" * 20_000],
)
def test_what_is_no_answer_is_malformed(answer):
    passkey = Passkey(id="a", key="", host="", name="", sign_count=0, made=0.0)
    with pytest.raises(Malformed):
        check_login(answer, PLACE, CHALLENGE, passkey, HANDLE)
    with pytest.raises(Malformed):
        register(answer, PLACE, CHALLENGE, "phone", NOW)


@pytest.mark.parametrize(
    ("origin", "why"),
    [
        ("https://edge.example.com", ""),
        ("https://edge.example.com:8081", ""),
        ("http://localhost:8081", ""),
        ("http://edge.example.com", "plain http"),
        ("http://127.0.0.1:8081", "IP address"),
        ("https://192.0.2.7", "IP address"),
        ("https://[2001:db8::1]:8081", "IP address"),
    ],
)
def test_the_page_says_why_there_are_none(origin, why):
    assert why in no_passkeys_here(origin) and bool(why) == bool(no_passkeys_here(origin))
    if why:
        with pytest.raises(Forbidden):
            place_of(origin)
