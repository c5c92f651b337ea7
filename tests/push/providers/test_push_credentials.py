"""Credentials: what a console gives is read, everything else is refused without showing it."""

import json

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from push.fcm_double import FcmDouble

from edge.config import PushOptions
from edge.domain.errors import Invalid
from edge.domain.pushing.payload import ProviderKind
from edge.push.providers.credentials import (
    decode_credentials,
    encode_credentials,
    make_push_webhook,
    make_webpush,
    parse_apns_key,
    parse_fcm_file,
)
from edge.push.providers.opening import open_provider, open_providers


def pem_of(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


ACCOUNT = FcmDouble().account | {"token_uri": "https://oauth2.googleapis.com/token"}
P256 = pem_of(ec.generate_private_key(ec.SECP256R1()))
APPLE = {"key_id": "ABC123DEFG", "team": "DEF123GHIJ", "topic": "com.example.app", "sandbox": False}


def fcm(**changes):
    return json.dumps({**ACCOUNT, **changes})


def code_of(call, *arguments, **named):
    with pytest.raises(Invalid) as caught:
        call(*arguments, **named)
    assert "PRIVATE" not in caught.value.message.replace("-----BEGIN PRIVATE KEY", "")
    return caught.value.code


def test_a_service_accounts_file_is_read():
    found = parse_fcm_file(fcm())
    assert (found.project, found.token_uri) == ("example-project", "https://oauth2.googleapis.com/token")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        fcm(type="authorized_user"),
        fcm(project_id="../../x"),
        fcm(project_id=""),
        fcm(private_key="no key"),
        fcm(private_key=P256),
        fcm(private_key=pem_of(rsa.generate_private_key(65_537, 1_024))),
        fcm(client_email="a b"),
        fcm(private_key_id="x\ny"),
        fcm(token_uri="http://oauth2.googleapis.com/token"),
        fcm(token_uri="https://169.254.169.254/latest"),
        fcm(token_uri="https://oauth2.googleapis.com@127.0.0.1/token"),
        fcm(token_uri="https://oauth2.googleapis.com:8443/token"),
        fcm(token_uri="https://oauth2.googleapis.com.example.com/token"),
        fcm(client_id="x" * 20_000),
    ],
)
def test_what_is_no_service_account_is_refused(text):
    assert code_of(parse_fcm_file, text) == "invalid_credentials"


@pytest.mark.parametrize(
    ("pem", "changes"),
    [
        ("", {}),
        (pem_of(ed25519.Ed25519PrivateKey.generate()), {}),
        (pem_of(ec.generate_private_key(ec.SECP384R1())), {}),
        (P256, {"key_id": "short"}),
        (P256, {"team": "abc123defg"}),
        (P256, {"topic": "com.example.app\r\nx: y"}),
        (P256, {"topic": ""}),
    ],
)
def test_what_is_no_key_of_apple_is_refused(pem, changes):
    assert code_of(parse_apns_key, pem, **(APPLE | changes)) == "invalid_credentials"


@pytest.mark.parametrize(
    "subject", ["", "you@example.com", "mailto:", "mailto:a b@c", "http://example.com", "javascript:1"]
)
def test_a_subject_is_a_way_to_reach_somebody(subject):
    assert code_of(make_webpush, subject) == "invalid_credentials"


def test_another_subject_keeps_the_key_that_browsers_subscribed_with():
    first = make_webpush("mailto:you@example.com")
    second = make_webpush("https://example.com/contact", first)
    assert second.private_key == first.private_key and second.subject == "https://example.com/contact"
    assert make_webpush("mailto:you@example.com").private_key != first.private_key


def test_a_receivers_secret_stays_with_its_address():
    first = make_push_webhook("https://hooks.example.com/a", allow_http=False)
    again = make_push_webhook("https://hooks.example.com/a", allow_http=False, per_second=5.0, earlier=first)
    moved = make_push_webhook("https://hooks.example.com/b", allow_http=False, earlier=first)
    assert again.secret == first.secret != moved.secret
    with pytest.raises(Invalid, match=r"set push\.allow_http in") as caught:
        make_push_webhook("http://hooks.example.com/", allow_http=False)
    assert caught.value.code == "invalid_webhook_url"
    assert code_of(make_push_webhook, "https://x.example/", allow_http=False, per_second=0) == "invalid_credentials"


ALL = [
    parse_fcm_file(fcm()),
    parse_apns_key(P256, **APPLE),
    make_webpush("mailto:you@example.com"),
    make_push_webhook("https://hooks.example.com/secret-path", allow_http=False),
]


@pytest.mark.parametrize("credentials", ALL, ids=lambda each: each.kind.value)
def test_they_are_kept_whole_and_shown_without_what_is_secret(credentials):
    assert decode_credentials(encode_credentials(credentials)) == credentials
    shown = repr(credentials) + str(credentials)
    assert "PRIVATE" not in shown and "whsec" not in shown and "secret-path" not in shown


@pytest.mark.parametrize("credentials", ALL, ids=lambda each: each.kind.value)
async def test_each_opens_a_provider_with_bounds(credentials):
    provider = open_provider(credentials, "com.example.app", PushOptions())
    assert 1 <= provider.at_once <= 1_000 and 0 < provider.per_second <= 10_000
    await provider.close()


async def test_credentials_that_cannot_be_used_keep_no_other_provider_back():
    apns, webpush = ALL[1], ALL[2]
    bad = msgspec.structs.replace(apns, private_key="no key")
    given = {"apns": encode_credentials(bad), "webpush": encode_credentials(webpush), "fcm": b"{}"}
    opened = open_providers(given, {"webhook": "sealed with another key"}, "com.example.app", PushOptions())
    assert [*opened.of] == [ProviderKind.WEBPUSH] and sorted(opened.faults) == ["apns", "fcm", "webhook"]
    await opened.of[ProviderKind.WEBPUSH].close()
    assert open_providers({}, {}, "com.example.app", PushOptions()).of == {}
