"""Messages through a double of a push service that verifies, checks and decrypts."""

import asyncio
import json
import socket

import pytest
from push.sending import SILENT, Clock, a_message, local_rules
from push.verdicts import CUT, SILENCE, Scripted
from push.webpush_double import WebPushDouble

from edge.domain.pushing.payload import ProviderKind, PushAttempt, PushTarget, PushVerdict
from edge.messages.addresses import parse_networks
from edge.push.providers.browsers.webpush import WebPushProvider
from edge.push.providers.credentials import make_webpush

SENT, DEAD, LATER = PushVerdict.SENT, PushVerdict.DEAD, PushVerdict.LATER
OURS, STOP, UNKNOWN = PushVerdict.OURS, PushVerdict.STOP, PushVerdict.UNKNOWN
CREDENTIALS = make_webpush("mailto:push@example.com")


class World:
    """A provider on its double."""

    def __init__(self, double, clock, **rules):
        self.double, self.clock = double, clock
        self.provider = WebPushProvider(CREDENTIALS, local_rules(**rules), (double.url,))
        double.key = self.provider.vapid.public_text

    def device(self, name=""):
        return PushTarget(ProviderKind.WEBPUSH, self.double.subscribe(name))

    async def send(self, target=None, payload=None):
        return await self.provider.send(target or self.device(), payload or a_message(), self.clock.now)


@pytest.fixture
async def start():
    made = []

    async def begin(**rules):
        clock = Clock()
        double = WebPushDouble(clock)
        await double.start()
        world = World(double, clock, **rules)
        made.extend([world.provider, double])
        return world

    yield begin
    for each in made:
        await each.close()


@pytest.fixture
async def world(start):
    return await start()


async def test_a_message_is_decrypted_by_the_browser(world):
    assert (await world.send(payload=a_message(collapse="offers"))).verdict is SENT
    shown = {"title": "Hello", "body": "Text", "data": {"screen": "offers"}, "edge_message": "m1"}
    assert world.double.seen.received == [shown] and world.double.seen.faults == []


async def test_a_silent_message_has_nothing_to_show(world):
    assert (await world.send(payload=SILENT)).verdict is SENT
    assert world.double.seen.received == [{"data": {}, "edge_message": "m2"}]


async def test_the_largest_message_is_taken(world):
    largest = a_message(
        body="x" * (3_993 - len('{"title":"Hello","body":"","data":{"screen":"offers"},"edge_message":"m1"}'))
    )
    assert (await world.send(payload=largest)).verdict is SENT and world.double.seen.faults == []


async def test_one_signature_serves_an_origin_for_hours(world):
    await asyncio.gather(*(world.send() for _ in range(30)))
    assert world.provider.vapid.signed == 1
    world.clock.now += 6 * 3_600 - 1
    await world.send()
    assert world.provider.vapid.signed == 1
    world.clock.now += 1
    await world.send()
    assert world.provider.vapid.signed == 2 and world.double.seen.faults == []


async def test_each_origin_has_a_token_of_its_own(world):
    other = WebPushDouble(world.clock, world.double.key)
    await other.start()
    provider = WebPushProvider(CREDENTIALS, local_rules(), (world.double.url, other.url))
    for target in (world.device(), PushTarget(ProviderKind.WEBPUSH, other.subscribe())):
        assert (await provider.send(target, a_message(), world.clock.now)).verdict is SENT
    assert provider.vapid.signed == 2 and world.double.seen.faults == other.seen.faults == []
    await provider.close()
    await other.close()


async def test_words_reach_the_caller(world):
    await world.send()
    gone = world.device("gone")
    del world.double.browsers["gone"]
    script = world.double.seen.script
    script |= {"busy": Scripted(429, b"", (("Retry-After", "30"),)), "down": Scripted(503), "cut": CUT}
    script |= {"large": Scripted(413), "moved": Scripted(307, b"", (("Location", "http://127.0.0.1:1/"),))}
    found = [await world.send(gone)]
    found += [await world.send(world.device(name)) for name in ("busy", "down", "cut", "large", "moved")]
    assert found == [
        PushAttempt(DEAD, "http_404"),
        PushAttempt(LATER, "http_429", 30.0),
        PushAttempt(LATER, "http_503"),
        PushAttempt(UNKNOWN, "no_answer"),
        PushAttempt(OURS, "http_413", of_target=True),
        PushAttempt(OURS, "http_307", of_target=True),
    ]
    assert world.double.seen.requests == 7  # one attempt each, and no redirect followed


async def test_subscriptions_of_another_key_stop_nothing_for_the_others(world):
    await world.send()
    key, world.double.key = world.double.key, "another"
    found = [await world.send() for _ in range(120)]
    assert {each.verdict for each in found} == {OURS} and {each.code for each in found} == {"http_403"}
    world.double.key = key
    assert (await world.send()).verdict is SENT


async def test_a_key_that_nobody_takes_kills_no_subscription(world):
    world.double.key = "another"
    for _ in range(3):
        assert await world.send() == PushAttempt(OURS, "http_403", whole=True, of_target=True)


@pytest.mark.parametrize(
    ("token", "code", "verdict"),
    [
        ("", "malformed_token", DEAD),
        ("{}", "malformed_token", DEAD),
        ('{"endpoint":"https://x","keys":{"p256dh":"AA","auth":"AA"}}', "malformed_token", DEAD),
    ],
)
async def test_what_is_no_subscription_is_dead(world, token, code, verdict):
    assert await world.send(PushTarget(ProviderKind.WEBPUSH, token)) == PushAttempt(verdict, code)


async def test_a_key_that_is_no_point_is_dead(world):
    subscription = json.loads(world.double.subscribe())
    subscription["keys"]["p256dh"] = "BA" + subscription["keys"]["p256dh"][2:4] * 42 + "A"
    found = await world.send(PushTarget(ProviderKind.WEBPUSH, json.dumps(subscription)))
    assert found.verdict is DEAD and world.double.seen.requests == 0


async def test_an_endpoint_elsewhere_gets_nothing(world):
    moved = world.double.subscribe().replace("localhost", "127.0.0.1")
    found = await world.send(PushTarget(ProviderKind.WEBPUSH, moved))
    assert found == PushAttempt(OURS, "endpoint_not_allowed", of_target=True)
    assert world.double.seen.requests == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"])
async def test_a_known_host_that_resolves_into_the_network_gets_nothing(world, address):
    """DNS rebinding: the name was good when the device registered."""
    asked = []

    async def resolve(host, port):
        asked.append(host)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        place = (address, port, 0, 0) if ":" in address else (address, port)
        return [(family, socket.SOCK_STREAM, 6, "", place)]

    rules = local_rules(resolve=resolve)._replace(allowed=parse_networks([]))
    strict = WebPushProvider(CREDENTIALS, rules)
    subscription = json.loads(world.double.subscribe())
    subscription["endpoint"] = "https://fcm.googleapis.com/fcm/send/x"
    target = PushTarget(ProviderKind.WEBPUSH, json.dumps(subscription))
    assert await strict.send(target, a_message(), world.clock.now) == PushAttempt(LATER, "no_connection")
    assert asked and set(asked) == {"fcm.googleapis.com"} and world.double.seen.requests == 0
    await strict.close()


async def test_silence_ends(start):
    world = await start(total_seconds=0.5)
    world.double.seen.script["quiet"] = SILENCE
    assert (await world.send(world.device("quiet"))).verdict in (UNKNOWN, LATER)
