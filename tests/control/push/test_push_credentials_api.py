"""Credentials of push providers by the API: kept sealed, shown without what is secret, tried on doubles."""

import json

import pytest
from certificates import a_certificate
from control_world import APP, DEVICE, NOW, OTHER
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from push.apns_double import KEY_ID, TEAM, TOPIC, ApnsDouble, apns_error
from push.fcm_double import FcmDouble
from push.webhook_double import PushReceiver
from push.webpush_double import WebPushDouble

from edge.control.push.push_document import PUSH_KEY
from edge.domain.errors import Unavailable
from edge.domain.pushing.payload import ProviderKind, PushTarget
from edge.store.secrets.key_file import rotate_keys

P8 = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
PATH = f"/v1/apps/{APP}/push/credentials"
APNS = {"key": P8, "key_id": KEY_ID, "team": TEAM, "topic": TOPIC}
WEBPUSH = {"subject": "mailto:push@example.com"}
WEBHOOK = {"url": "https://hooks.example.com/secret-path"}
LOCAL = {"allowed_networks": ("127.0.0.1", "::1"), "allow_http": True}


def clock():
    return NOW


async def test_they_are_sealed_listed_without_secrets_and_removed(acme, world):
    await acme("PUT", f"{PATH}/apns", APNS)
    made = await acme("PUT", f"{PATH}/webpush", WEBPUSH)
    hook = await acme("PUT", f"{PATH}/webhook", WEBHOOK)
    assert len(made["shown"]["public_key"]) == 87 and made["secret"] == ""
    assert hook["secret"].startswith("whsec_") and hook["shown"]["address"] == "https://hooks.example.com/…"
    listed = await acme("GET", PATH, by="viewer")
    assert [each["provider"] for each in listed] == ["apns", "webhook", "webpush"]
    assert all(each["openable"] and each["by"] == "root" for each in listed)
    stored, seen = world.store.get(PUSH_KEY).data, json.dumps(listed).encode()
    for secret in (P8.splitlines()[1], hook["secret"], "secret-path"):
        assert secret.encode() not in stored and secret.encode() not in seen
    assert await acme("DELETE", f"{PATH}/apns") == {"provider": "apns", "removed": True}
    assert await acme("DELETE", f"{PATH}/apns", status=404) == "no_push_credentials"
    assert [each["provider"] for each in await acme("GET", PATH)] == ["webhook", "webpush"]


async def test_setting_again_keeps_what_others_depend_on(acme):
    first = await acme("PUT", f"{PATH}/webpush", WEBPUSH)
    again = await acme("PUT", f"{PATH}/webpush", {"subject": "https://example.com/contact"})
    assert again["shown"]["public_key"] == first["shown"]["public_key"]
    other = await acme("PUT", f"{PATH}/webpush", WEBPUSH | {"new_key": True})
    assert other["shown"]["public_key"] != first["shown"]["public_key"]
    assert (await acme("PUT", f"{PATH}/webhook", WEBHOOK))["secret"]
    assert (await acme("PUT", f"{PATH}/webhook", WEBHOOK | {"per_second": 5}))["secret"] == ""  # it has not changed


@pytest.mark.parametrize(
    ("provider", "body", "code"),
    [
        ("fcm", {}, "invalid_credentials"),
        ("fcm", {"service_account": "{}"}, "invalid_credentials"),
        ("apns", APNS | {"key": "no key"}, "invalid_credentials"),
        ("apns", APNS | {"team": "x"}, "invalid_credentials"),
        ("webpush", {"subject": "you"}, "invalid_credentials"),
        ("webhook", {"url": "http://hooks.example.com/"}, "invalid_webhook_url"),
        ("webhook", WEBHOOK | {"per_second": 0}, "invalid_credentials"),
    ],
)
async def test_what_cannot_work_is_refused(acme, provider, body, code):
    assert await acme("PUT", f"{PATH}/{provider}", body, status=422) == code


async def test_an_unknown_provider_or_app_is_said(acme):
    assert await acme("PUT", f"{PATH}/pigeon", WEBPUSH, status=404) == "unknown_provider"
    assert await acme("GET", PATH.replace(APP, OTHER), status=404) == "unknown_app"


async def test_without_the_key_everything_else_goes_on(acme, world):
    await acme("PUT", f"{PATH}/webhook", WEBHOOK)
    key = world.store.root.parent / "node" / "secrets.key"
    key.rename(key.with_name("away"))
    [listed] = await acme("GET", PATH)
    assert listed["openable"] is False and listed["shown"]
    assert await acme("POST", f"{PATH}/webhook/test", status=503) == "secrets_key"
    assert await acme("PUT", f"{PATH}/webpush", WEBPUSH, status=503) == "secrets_key"
    await acme("GET", f"/v1/apps/{APP}")
    assert world.push().credentials.unreadable() == [f"{APP} webhook"]  # also with a new key
    assert await acme("DELETE", f"{PATH}/webhook")


async def test_after_a_rotation_what_was_sealed_opens_and_what_is_set_has_the_new_key(acme, world):
    await acme("PUT", f"{PATH}/webhook", WEBHOOK)
    credentials = world.push().credentials
    before, (old,) = credentials.all_of(APP), credentials.box.key_ids()
    assert [*before.of] == ["webhook"] and before.faults == {}
    new = rotate_keys(world.store.root.parent / "node" / "secrets.key")
    assert credentials.all_of(APP) == before and credentials.unreadable() == []
    await acme("PUT", f"{PATH}/webpush", WEBPUSH)
    assert {each["provider"]: each["sealed_with"] for each in await acme("GET", PATH)} == {
        "webhook": old,
        "webpush": new,
    }


async def test_a_key_that_is_gone_keeps_back_what_it_sealed_alone(acme, world):
    await acme("PUT", f"{PATH}/webhook", WEBHOOK)
    rotate_keys(key := world.store.root.parent / "node" / "secrets.key")
    await acme("PUT", f"{PATH}/webpush", WEBPUSH)
    lines = key.read_text().splitlines()
    key.write_text("\n".join(lines[:-1]) + "\n")
    credentials = world.push().credentials
    found, (unreadable,) = credentials.all_of(APP), credentials.unreadable()
    assert unreadable == f"{APP} webhook" and [*found.of] == ["webpush"]
    assert [*found.faults] == ["webhook"] and "is sealed with key" in found.faults["webhook"]


async def test_an_older_document_put_back_is_refused(acme, world):
    """A restored bucket brings no withdrawn credentials back."""
    await acme("PUT", f"{PATH}/webhook", WEBHOOK)
    older = world.store.get(PUSH_KEY).data
    await acme("DELETE", f"{PATH}/webhook")
    world.store.swap(PUSH_KEY, older, world.store.get(PUSH_KEY).tag)
    credentials = world.push().credentials
    assert credentials.stored(APP) == {} and credentials.document.problem
    assert await acme("PUT", f"{PATH}/webpush", WEBPUSH, status=409) == "older_store"


async def test_a_value_that_was_moved_to_another_app_does_not_open(acme, world):
    await acme("POST", "/v1/apps", {"app": OTHER})
    await acme("PUT", f"{PATH}/webhook", WEBHOOK)
    credentials = world.push().credentials
    stored = credentials.stored(APP)["webhook"]
    with pytest.raises(Unavailable) as caught:
        credentials.opened(OTHER, ProviderKind.WEBHOOK, stored)
    assert caught.value.code == "secret_damaged"


async def test_an_app_that_is_made_again_sends_by_nothing_of_the_last(acme):
    await acme("PUT", f"{PATH}/webhook", WEBHOOK)
    await acme("DELETE", f"/v1/apps/{APP}?dry_run=true")
    assert len(await acme("GET", PATH)) == 1
    await acme("DELETE", f"/v1/apps/{APP}")
    await acme("POST", "/v1/apps", {"app": APP})
    assert await acme("GET", PATH) == []


async def test_google_is_asked_and_a_message_is_sent(serve, world):
    double = FcmDouble(clock)
    url = await double.start()
    api = await serve(push=world.push(fcm_url=url, token_hosts=(url,), **LOCAL))
    await api("POST", "/v1/apps", {"app": APP})
    await api("PUT", f"{PATH}/fcm", {"service_account": json.dumps(double.account)})
    assert (await api("POST", f"{PATH}/fcm/test"))["good"] is True
    sent = await api("POST", f"{PATH}/fcm/send", {"token": "device:1", "title": "Hello"})
    assert (sent["verdict"], sent["code"]) == ("sent", "sent") and double.seen.taken["device:1"] == 1
    strange = double.account | {"private_key": FcmDouble().account["private_key"]}
    await api("PUT", f"{PATH}/fcm", {"service_account": json.dumps(strange)})
    refused = await api("POST", f"{PATH}/fcm/test")
    assert (refused["good"], refused["code"]) == (False, "oauth_invalid_grant")
    await double.close()


async def test_apple_is_asked_and_a_message_is_sent(serve, world, tmp_path):
    double, files = ApnsDouble(clock), a_certificate(tmp_path)
    url = await double.start(*files)
    api = await serve(push=world.push(apns_url=url, ca_file=files.certificate, **LOCAL))
    await api("POST", "/v1/apps", {"app": APP})
    await api("PUT", f"{PATH}/apns", APNS | {"key": double.p8})
    double.seen.script["0" * 64] = apns_error(400, "BadDeviceToken")
    tested = await api("POST", f"{PATH}/apns/test")
    assert (tested["good"], tested["code"]) == (True, "BadDeviceToken")
    assert (await api("POST", f"{PATH}/apns/send", {"token": "ab" * 32}))["verdict"] == "sent"
    double.seen.script.clear()
    await api("PUT", f"{PATH}/apns", APNS)  # a key that Apple does not know
    assert (await api("POST", f"{PATH}/apns/test"))["good"] is False
    await double.close()


async def test_a_browser_and_a_receiver_get_one(serve, world):
    browsers, receiver = WebPushDouble(clock), PushReceiver(clock)
    place, hook = await browsers.start(), await receiver.start()
    api = await serve(push=world.push(webpush_hosts=(place,), **LOCAL))
    await api("POST", "/v1/apps", {"app": APP})
    browsers.key = (await api("PUT", f"{PATH}/webpush", WEBPUSH))["shown"]["public_key"]
    assert (await api("POST", f"{PATH}/webpush/test"))["good"] is None
    assert (await api("POST", f"{PATH}/webpush/send", {"token": browsers.subscribe()}))["verdict"] == "sent"
    receiver.secret = (await api("PUT", f"{PATH}/webhook", {"url": hook}))["secret"]
    assert (await api("POST", f"{PATH}/webhook/test"))["good"] is True
    assert (await api("POST", f"{PATH}/webhook/send", {"token": "d1", "silent": True}))["verdict"] == "sent"
    assert browsers.seen.faults == receiver.seen.faults == []
    world.targets[APP, DEVICE] = [
        PushTarget(ProviderKind.WEBPUSH, browsers.subscribe("mine")),
        PushTarget(ProviderKind.WEBHOOK, "d1"),
    ]
    done = await api("POST", f"/v1/apps/{APP}/push/test", {"device": DEVICE})
    assert [(each["provider"], each["verdict"]) for each in done] == [("webpush", "sent"), ("webhook", "sent")]
    assert browsers.seen.taken["mine"] == 1
    other = {"device": DEVICE.replace("0", "1")}
    assert await api("POST", f"/v1/apps/{APP}/push/test", other, status=404) == "unregistered_device"
    bad = {"token": "not a subscription"}
    assert await api("POST", f"{PATH}/webpush/send", bad, status=422) == "invalid_push_token"
    long = {"token": "d1", "body": "x" * 20_000}
    assert await api("POST", f"{PATH}/webhook/send", long, status=413) == "message_too_large"
    await browsers.close()
    await receiver.close()
