"""`/push/register`, `/push/unregister` and `/push/opened`: what is read, and what is refused."""

import json

import pytest

from edge.wire.body import WireError
from edge.wire.push.registrations import (
    PUSH_BODY_LIMIT_BYTES,
    PushOpened,
    PushRegister,
    PushRequest,
    PushUnregister,
    encode_push_answer,
    is_endpoint,
    parse_push_opened,
    parse_push_register,
    parse_push_unregister,
)

APP, DEVICE = "com.acme.app", "00009a6b-eefe-490a-9c60-8e965132ae51"
FCM = "dQw4w9WgXcQ:APA91bH" + "x" * 120
APNS = "A1" * 32
POINT = "BA" + "A" * 85  # 65 bytes, the first is 4
SUBSCRIPTION = {
    "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
    "expirationTime": None,
    "keys": {"p256dh": POINT, "auth": "A" * 22},
}
ASKED = PushRequest(APP, DEVICE, "")
BODY = {"app_id": APP, "device_id": DEVICE.upper(), "provider": "fcm", "token": FCM, "consent": True}


def registered(**changes):
    return parse_push_register(json.dumps(BODY | changes).encode())


def refused(parse, body):
    with pytest.raises(WireError) as error:
        parse(body if isinstance(body, bytes) else json.dumps(body).encode())
    return error.value.status, json.loads(error.value.body)["error"]


def test_a_registration_is_read_with_all_that_the_app_says():
    more = {"timezone": "Europe/Paris", "locale": "pt-BR", "platform": "ios", "custom_id": "user-7", "key": "pk_1"}
    assert registered(**more, provider="apns", token=APNS) == PushRegister(
        PushRequest(APP, DEVICE, "pk_1"), "apns", APNS.lower(), True, "Europe/Paris", "pt-BR", "ios", "user-7"
    )
    assert registered() == PushRegister(ASKED, "fcm", FCM, True)


def test_a_zone_that_the_node_does_not_know_is_none():
    assert [registered(timezone=zone).zone for zone in ("CET", "Mars/Base", "../etc/passwd", "", "UTC")] == [
        *("", "", "", ""),
        "UTC",
    ]
    assert encode_push_answer(registered(timezone="CET")) == b'{"status":"ok","registered":true,"timezone":null}'


def test_a_subscription_is_one_token_however_it_is_spelled():
    once = registered(provider="webpush", token=None, subscription=SUBSCRIPTION).token
    padded = SUBSCRIPTION | {"keys": {"auth": "A" * 22 + "==", "p256dh": POINT + "="}}
    assert registered(provider="webpush", token=None, subscription=dict(reversed(padded.items()))).token == once
    assert json.loads(once)["endpoint"] == SUBSCRIPTION["endpoint"]


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"consent": None}, "invalid_consent"),
        ({"consent": "true"}, "invalid_consent"),
        ({"provider": "sms"}, "invalid_provider"),
        ({"provider": None}, "invalid_provider"),
        ({"token": "short"}, "invalid_token"),
        ({"token": FCM + "\n"}, "invalid_token"),
        ({"token": "x" * 5_000}, "invalid_token"),
        ({"token": None}, "invalid_token"),
        ({"provider": "apns", "token": APNS + "A"}, "invalid_token"),
        ({"provider": "apns", "token": "zz" * 32}, "invalid_token"),
        ({"provider": "webhook", "token": "with blanks"}, "invalid_token"),
        ({"provider": "webpush"}, "invalid_subscription"),
        ({"provider": "webpush", "subscription": []}, "invalid_subscription"),
        ({"provider": "webpush", "subscription": SUBSCRIPTION | {"keys": {"auth": "A" * 22}}}, "invalid_subscription"),
        (
            {"provider": "webpush", "subscription": SUBSCRIPTION | {"keys": {"auth": "AAAA", "p256dh": POINT}}},
            "invalid_subscription",
        ),
        (
            {"provider": "webpush", "subscription": SUBSCRIPTION | {"keys": {"auth": "A" * 22, "p256dh": "A" * 87}}},
            "invalid_subscription",
        ),
        (
            {"provider": "webpush", "subscription": SUBSCRIPTION | {"endpoint": "https://10.0.0.1/"}},
            "invalid_endpoint",
        ),
        ({"timezone": "Z" * 65}, "invalid_timezone"),
        ({"timezone": 2}, "invalid_timezone"),
        ({"locale": "e" * 129}, "invalid_locale"),
        ({"locale": 2}, "invalid_locale"),
        ({"platform": "fridge"}, "invalid_platform"),
        ({"custom_id": "u" * 37}, "invalid_custom_id"),
        ({"app_id": "no app!"}, "invalid_app_id"),
        ({"device_id": "me"}, "invalid_device_id"),
    ],
)
def test_what_is_no_registration_is_refused_with_its_code(changes, code):
    assert refused(parse_push_register, BODY | changes) == (400, code)


@pytest.mark.parametrize(
    ("said", "locale"),
    [
        ("pt-BR", "pt-BR"),
        ("sr-Latn-RS-u-nu-latn", "sr-Latn-RS-u-nu-latn"),
        ("en_US@rg=gbzzzz", "en_US"),  # iOS, where the region is another one
        ("zh_CN_#Hans", "zh_CN"),  # Java's toString
        ("en-US@posix", "en-US"),  # Chromium where the system has none
        ("en_US.UTF-8", "en_US"),
        ("a" * 9, ""),
        ("-".join(["aa"] + ["b" * 8] * 6), ""),  # longer than any tag
        ("עברית", ""),
        ("", ""),
    ],
)
def test_what_a_system_calls_its_locale_keeps_nobody_from_messages(said, locale):
    assert parse_push_register(json.dumps(BODY | {"locale": said}).encode()).locale == locale


@pytest.mark.parametrize("parse", [parse_push_register, parse_push_unregister, parse_push_opened])
def test_what_is_no_body_is_refused(parse):
    assert refused(parse, b"{") == (400, "invalid_json_parse_body")
    assert refused(parse, b"[]") == (400, "invalid_json_body")
    assert refused(parse, b" " * (PUSH_BODY_LIMIT_BYTES + 1)) == (413, "body_too_large")


@pytest.mark.parametrize(
    "url",
    [
        *("http://fcm.googleapis.com/x", "https://192.168.1.1/x", "https://[2001:db8::1]/x", "https://2130706433/x"),
        *("https://0x7f.0.0.1/x", "https://intranet/x", "https://a.example:8443/x", "https://me@a.example/x"),
        *("https://a.example/x#y", "https://a.example\\@b.example/", "https://a.example /", "https://localhost./x"),
        *("ftp://a.example/", "", "https://", "https://a.example/" + "x" * 2_048, "https://0x7f000001.0x1/"),
    ],
)
def test_an_endpoint_that_can_be_no_push_service_is_refused(url):
    assert not is_endpoint(url)


def test_endpoints_of_browsers_and_of_local_doubles_are_taken():
    for url in (
        "https://fcm.googleapis.com/fcm/send/abc:def-_g",
        "https://web.push.apple.com/QA",
        "https://wns2-by3p.notify.windows.com/w/?token=BQ%3d",
        "http://127.0.0.1:8123/push/1",
    ):
        assert is_endpoint(url)


def test_a_device_leaves_at_all_or_one_provider():
    body = {"app_id": APP, "device_id": DEVICE}
    assert parse_push_unregister(json.dumps(body).encode()) == PushUnregister(ASKED)
    assert parse_push_unregister(json.dumps(body | {"provider": "fcm"}).encode()) == PushUnregister(ASKED, "fcm")
    both = body | {"provider": "apns", "token": APNS}
    assert parse_push_unregister(json.dumps(both).encode()) == PushUnregister(ASKED, "apns", APNS.lower())


def test_an_opened_message_is_named():
    body = {"app_id": APP, "device_id": DEVICE, "message_id": "m-12ab"}
    assert parse_push_opened(json.dumps(body).encode()) == PushOpened(ASKED, "m-12ab")
    assert refused(parse_push_opened, body | {"message_id": None}) == (400, "invalid_message_id")
    assert refused(parse_push_opened, body | {"message_id": "a b"}) == (400, "invalid_message_id")
