"""Messages through a double of Google's two endpoints that checks tokens, bodies and sizes."""

import asyncio
import json

import pytest
from push.fcm_double import FcmDouble, fcm_error
from push.sending import SILENT, Clock, a_message, local_rules
from push.verdicts import CUT, SILENCE, Scripted

from edge.domain.pushing.payload import ProviderKind, PushAttempt, PushTarget, PushVerdict
from edge.push.providers.credentials import parse_fcm_file
from edge.push.providers.google.fcm import FcmProvider

SENT, DEAD, LATER = PushVerdict.SENT, PushVerdict.DEAD, PushVerdict.LATER
OURS, STOP, UNKNOWN = PushVerdict.OURS, PushVerdict.STOP, PushVerdict.UNKNOWN


def device(name="device:1"):
    return PushTarget(ProviderKind.FCM, name)


class World:
    """A provider on its double."""

    def __init__(self, double, clock, **rules):
        self.double, self.clock = double, clock
        place = double.url.removeprefix("https://")
        credentials = parse_fcm_file(json.dumps(double.account), (place,))
        self.provider = FcmProvider(credentials, local_rules(**rules), double.url)

    async def send(self, target=None, payload=None):
        return await self.provider.send(target or device(), payload or a_message(), self.clock.now)


@pytest.fixture
async def double():
    clock = Clock()
    made = FcmDouble(clock)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def start(double):
    made = []

    async def begin(**rules):
        made.append(World(double, double.seen.clock, **rules))
        return made[-1]

    yield begin
    for each in made:
        await each.provider.close()


@pytest.fixture
async def world(start):
    return await start()


async def test_a_message_arrives_as_google_wants_it(world):
    attempt = await world.send(payload=a_message(collapse="offers", ttl_seconds=60))
    assert attempt.verdict is SENT and attempt.provider_id.startswith("projects/example-project/messages/")
    [seen] = world.double.seen.received
    assert seen["notification"] == {"title": "Hello", "body": "Text"}
    assert seen["data"] == {"screen": "offers", "edge_message": "m1"}
    assert seen["android"] == {"priority": "high", "ttl": "60s", "collapse_key": "offers"}
    assert world.double.seen.faults == []


async def test_a_silent_message_is_data_alone(world):
    assert (await world.send(payload=SILENT)).verdict is SENT
    [seen] = world.double.seen.received
    assert "notification" not in seen and seen["apns"]["payload"] == {"aps": {"content-available": 1}}
    assert seen["apns"]["headers"] == {"apns-push-type": "background", "apns-priority": "5"}
    assert world.double.seen.faults == []


async def test_one_token_serves_all_and_is_renewed_after_50_minutes(world):
    await asyncio.gather(*(world.send(device(f"d:{number}")) for number in range(50)))
    assert world.double.tokens == 1
    world.clock.now += 2_998
    await world.send()
    assert world.double.tokens == 1
    world.clock.now += 2
    await world.send()
    assert world.double.tokens == 2 and world.double.seen.faults == []


async def test_a_token_that_is_withdrawn_is_renewed_once_for_all(world):
    await world.send()
    world.double.withdraw_tokens()
    attempts = await asyncio.gather(*(world.send(device(f"d:{number}")) for number in range(50)))
    assert {each.verdict for each in attempts} == {SENT} and world.double.tokens == 2
    assert set(world.double.seen.taken.values()) == {1}


async def test_credentials_that_stay_refused_stop_after_one_renewal(world):
    world.double.life_seconds = 0  # every token is refused
    assert await world.send() == PushAttempt(STOP, "UNAUTHENTICATED", whole=True)
    assert (world.double.tokens, world.double.seen.requests) == (2, 2)


async def test_a_wrong_key_for_apple_at_google_asks_for_no_other_token(world):
    world.double.seen.script[device().token] = fcm_error(401, "THIRD_PARTY_AUTH_ERROR")
    assert await world.send() == PushAttempt(STOP, "THIRD_PARTY_AUTH_ERROR", whole=True)
    assert (world.double.tokens, world.double.seen.requests) == (1, 1)


async def test_all_that_wait_for_an_access_token_share_what_came_of_it(start):
    """One after the other they would wait for longer than an attempt may take, and be in doubt without being sent."""
    world = await start(total_seconds=0.2)
    world.double.oauth = SILENCE
    found = await asyncio.gather(*(world.send(device(f"device:{n}")) for n in range(50)))
    assert {each.code for each in found} == {"no_access_token"} and {each.verdict for each in found} == {LATER}
    assert world.provider.access.made == 1
    world.double.oauth = None
    while (await world.send()).verdict is not SENT:  # no failure is remembered
        pass


@pytest.mark.parametrize(
    ("oauth", "attempt"),
    [
        (Scripted(400, b'{"error":"invalid_grant"}'), PushAttempt(STOP, "oauth_invalid_grant", whole=True)),
        (Scripted(401, b""), PushAttempt(STOP, "oauth_401", whole=True)),
        (Scripted(503, b"", (("Retry-After", "9"),)), PushAttempt(LATER, "no_access_token", 9.0, whole=True)),
        (Scripted(429, b""), PushAttempt(LATER, "no_access_token", whole=True)),
        (Scripted(200, b"no"), PushAttempt(LATER, "no_access_token", whole=True)),
        (Scripted(200, b'{"access_token":"a\\nb"}'), PushAttempt(LATER, "no_access_token", whole=True)),
        (CUT, PushAttempt(LATER, "no_access_token", whole=True)),
    ],
)
async def test_without_an_access_token_nothing_is_sent(world, oauth, attempt):
    world.double.oauth = oauth
    assert await world.send() == attempt
    assert world.double.seen.requests == 0
    world.double.oauth = None
    world.clock.now += 61
    assert (await world.send()).verdict is SENT


async def test_an_account_that_is_refused_is_not_asked_for_each_message(world):
    world.double.oauth = Scripted(400, b'{"error":"invalid_grant"}')
    await asyncio.gather(*(world.send() for _ in range(20)))
    assert world.provider.access.made == 1


async def test_words_reach_the_caller(world):
    await world.send()
    for name, scripted in (
        ("dead", fcm_error(404, "UNREGISTERED")),
        ("other", fcm_error(403, "SENDER_ID_MISMATCH")),
        ("busy", fcm_error(429, "QUOTA_EXCEEDED", headers=(("Retry-After", "90"),))),
        ("wrong", fcm_error(404, rpc="NOT_FOUND")),
        ("cut", CUT),
    ):
        world.double.seen.script[name] = scripted
    assert [await world.send(device(name)) for name in ("dead", "other", "busy", "wrong", "cut")] == [
        PushAttempt(DEAD, "UNREGISTERED"),
        PushAttempt(DEAD, "SENDER_ID_MISMATCH"),
        PushAttempt(LATER, "QUOTA_EXCEEDED", 90.0, whole=True),
        PushAttempt(STOP, "NOT_FOUND", whole=True),
        PushAttempt(UNKNOWN, "no_answer"),
    ]
    assert world.double.seen.requests == 6  # one attempt each


async def test_silence_ends_and_is_unknown(start):
    world = await start(total_seconds=0.5)
    await world.provider.access.token(world.clock.now)
    world.double.seen.script[device().token] = SILENCE
    assert (await world.send()).verdict in (UNKNOWN, LATER)  # a machine that is busy may not even get it out


async def test_another_project_kills_no_token(world):
    world.double.seen.script["d"] = fcm_error(403, "SENDER_ID_MISMATCH")
    for number in range(3):
        found = await world.send(device(f"d!{number}"))
        assert found == PushAttempt(OURS, "SENDER_ID_MISMATCH", whole=True, of_target=True)


async def test_nobody_there_is_for_later(world):
    await world.send()
    await world.double.close()
    assert (await world.send()).verdict in (LATER, UNKNOWN)  # a kept connection may have been open still
    assert await world.send() == PushAttempt(LATER, "no_connection", whole=True)
