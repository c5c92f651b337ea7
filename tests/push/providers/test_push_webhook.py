"""Messages to a receiver of one's own, which verifies them."""

import asyncio

import pytest
from push.sending import SILENT, Clock, a_message, local_rules
from push.verdicts import CUT, Scripted
from push.webhook_double import PushReceiver

from edge.domain.pushing.payload import ProviderKind, PushAttempt, PushTarget, PushVerdict
from edge.push.providers.credentials import make_push_webhook
from edge.push.providers.webhook import PushWebhookProvider

APP = "com.example.app"


def device(name="d1"):
    return PushTarget(ProviderKind.WEBHOOK, name)


@pytest.fixture
async def world():
    clock = Clock()
    receiver = PushReceiver(clock)
    credentials = make_push_webhook(await receiver.start(), allow_http=True)
    receiver.secret = credentials.secret
    provider = PushWebhookProvider(credentials, local_rules(), APP)
    yield provider, receiver, clock
    await provider.close()
    await receiver.close()


async def test_a_message_arrives_signed(world):
    provider, receiver, clock = world
    found = await provider.send(device(), a_message(collapse="offers", ttl_seconds=60), clock.now)
    assert found == PushAttempt(PushVerdict.SENT, "sent")
    assert receiver.seen.received == [
        {
            "type": "push",
            "version": 1,
            "app": APP,
            "message": "m1",
            "device_token": "d1",
            "silent": False,
            "ttl_seconds": 60,
            "data": {"screen": "offers"},
            "title": "Hello",
            "body": "Text",
            "collapse": "offers",
        }
    ]
    assert (await provider.send(device(), SILENT, clock.now)).verdict is PushVerdict.SENT
    assert "title" not in receiver.seen.received[1] and receiver.seen.faults == []


async def test_many_have_an_id_each(world):
    provider, receiver, clock = world
    await asyncio.gather(*(provider.send(device(f"d{number}"), a_message(), clock.now) for number in range(60)))
    assert len(receiver.ids) == 60 and receiver.seen.faults == []


async def test_another_secret_stops(world):
    provider, receiver, clock = world
    receiver.secret = make_push_webhook("https://example.com/", allow_http=False).secret
    assert (await provider.send(device(), a_message(), clock.now)).verdict is PushVerdict.STOP


@pytest.mark.parametrize(
    ("scripted", "verdict"),
    [
        (Scripted(410), PushVerdict.DEAD),
        (Scripted(404), PushVerdict.OURS),
        (Scripted(503), PushVerdict.LATER),
        (Scripted(400), PushVerdict.OURS),
        (Scripted(301, b"", (("Location", "/elsewhere"),)), PushVerdict.STOP),
        (CUT, PushVerdict.UNKNOWN),
        (Scripted(200, b"<html>" + bytes(1 << 20)), PushVerdict.SENT),  # what it says beside the status is not read
    ],
)
async def test_what_it_answers_is_the_verdict(world, scripted, verdict):
    provider, receiver, clock = world
    receiver.seen.script["d1"] = scripted
    assert (await provider.send(device(), a_message(), clock.now)).verdict is verdict
    assert receiver.seen.requests == 1


@pytest.mark.parametrize(
    ("drips", "verdict"),
    [
        (b"HTTP/1.1 200 OK\r\nX-More: ", PushVerdict.UNKNOWN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", PushVerdict.SENT),  # the status said it
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 9999\r\n\r\n", PushVerdict.LATER),
    ],
)
async def test_an_answer_that_drips_ends_with_the_attempts_time(world, drips, verdict):
    _, receiver, clock = world
    credentials = make_push_webhook(receiver.url, allow_http=True)
    hasty = PushWebhookProvider(credentials, local_rules(total_seconds=0.3), APP)
    receiver.seen.script["d1"] = Scripted(drips=drips)
    while (await hasty.send(device(), a_message(), clock.now)).verdict is not verdict:
        pass  # on a busy machine not even the head came in time
    await hasty.close()


async def test_an_address_in_the_network_gets_nothing(world):
    _, receiver, clock = world
    credentials = make_push_webhook(receiver.url, allow_http=True)
    strict = PushWebhookProvider(credentials, local_rules()._replace(allowed=()), APP)
    assert (await strict.send(device(), a_message(), clock.now)).code == "no_connection"
    assert receiver.seen.requests == 0
    await strict.close()
