"""What a message and a device's token must be, for each provider."""

import base64
import json

import pytest

from edge.domain.errors import EdgeError
from edge.domain.pushing.payload import ProviderKind, PushPayload, PushTarget
from edge.wire.providers.apns import encode_apns
from edge.wire.providers.fcm import counted_fcm
from edge.wire.providers.limits import check_payload, parse_target
from edge.wire.providers.webpush import encode_webpush, parse_subscription

FCM, APNS, WEBPUSH, WEBHOOK = ProviderKind.FCM, ProviderKind.APNS, ProviderKind.WEBPUSH, ProviderKind.WEBHOOK


def a_payload(**changes):
    return PushPayload(**{"message_id": "m1", "title": "Hello", **changes})


def code_of(call, *arguments):
    with pytest.raises(EdgeError) as caught:
        call(*arguments)
    return caught.value.code


def subscription(endpoint="https://fcm.googleapis.com/fcm/send/x", public=b"\x04" + b"p" * 64, auth=b"a" * 16):
    def text(value):
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    return json.dumps(
        {"endpoint": endpoint, "expirationTime": None, "keys": {"p256dh": text(public), "auth": text(auth)}}
    )


@pytest.mark.parametrize(
    ("kind", "encode", "limit"),
    [(FCM, counted_fcm, 4_096), (APNS, encode_apns, 4_096), (WEBPUSH, encode_webpush, 3_993)],
)
def test_the_limit_is_exact(kind, encode, limit):
    room = limit - len(encode(a_payload(body="")))
    fits = a_payload(body="x" * room)
    assert len(encode(fits)) == limit
    check_payload(kind, fits)
    assert code_of(check_payload, kind, a_payload(body="x" * (room + 1))) == "message_too_large"
    assert code_of(check_payload, kind, a_payload(body="é" * (room // 2 + 1))) == "message_too_large"


@pytest.mark.parametrize("kind", ProviderKind)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"title": ""}, "invalid_message"),
        ({"silent": True}, "invalid_message"),
        ({"ttl_seconds": -1}, "invalid_message"),
        ({"ttl_seconds": 2_419_201}, "invalid_message"),
        ({"collapse": "x" * 65}, "invalid_message"),
        ({"collapse": "a b"}, "invalid_message"),
        ({"data": {"from": "x"}}, "invalid_message_data"),
        ({"data": {"gcm.x": "x"}}, "invalid_message_data"),
        ({"data": {"google_x": "x"}}, "invalid_message_data"),
        ({"data": {"aps": "x"}}, "invalid_message_data"),
        ({"data": {"edge_message": "x"}}, "invalid_message_data"),
        ({"data": {"": "x"}}, "invalid_message_data"),
        ({"data": {"a b": "x"}}, "invalid_message_data"),
        ({"data": {f"k{n}": "" for n in range(65)}}, "invalid_message_data"),
    ],
)
def test_what_no_provider_would_take_is_refused_when_it_is_made(kind, changes, code):
    assert code_of(check_payload, kind, a_payload(**changes)) == code


@pytest.mark.parametrize("kind", ProviderKind)
def test_ordinary_messages_are_taken(kind):
    check_payload(kind, a_payload(body="Text", data={"screen": "offers/1"}, collapse="offers", ttl_seconds=0))
    check_payload(kind, a_payload(title="", silent=True, data={"check": "now"}))


@pytest.mark.parametrize(
    ("kind", "token"),
    [(FCM, "dT0:APA91b-x_y"), (APNS, "0f" * 32), (APNS, "AB" * 80), (WEBHOOK, "any:thing"), (WEBPUSH, subscription())],
)
def test_tokens_that_providers_give_are_taken(kind, token):
    assert parse_target(kind, token) == PushTarget(kind, token)


@pytest.mark.parametrize(
    ("kind", "token"),
    [
        *((kind, "") for kind in ProviderKind),
        *((kind, "x" * 5_000) for kind in ProviderKind),
        *((kind, "a b") for kind in ProviderKind),
        *((kind, "a\r\nb") for kind in ProviderKind),
        (APNS, "xyz"),
        (APNS, "abc"),
        (APNS, "../" * 20),
        (WEBPUSH, "{}"),
        (WEBPUSH, "[]"),
        (WEBPUSH, subscription(public=b"\x04" + b"p" * 63)),
        (WEBPUSH, subscription(public=b"\x02" + b"p" * 64)),
        (WEBPUSH, subscription(auth=b"a" * 15)),
        (WEBPUSH, subscription().replace("fcm.googleapis.com", "fcm.googleapis.com.example.com")),
    ],
)
def test_what_is_no_token_is_refused_and_not_repeated(kind, token):
    with pytest.raises(EdgeError) as caught:
        parse_target(kind, token)
    assert caught.value.code == "invalid_push_token"
    assert len(caught.value.message) < 300 and "\n" not in caught.value.message


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("standard", [True, False])
def test_browsers_write_keys_in_several_ways(padded, standard):
    public, auth = b"\x04" + b"\xfb\xff" * 32, b"\xfe" * 16
    encode = base64.b64encode if standard else base64.urlsafe_b64encode
    texts = [encode(each).decode() for each in (public, auth)]
    p256dh, secret = texts if padded else [each.rstrip("=") for each in texts]
    endpoint = "https://web.push.apple.com/Q1"
    found = parse_subscription(json.dumps({"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": secret}}))
    assert found == (endpoint, public, auth)
