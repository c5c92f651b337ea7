"""Messages through a double of Apple's service that checks everything it can see."""

import asyncio

import pytest
from certificates import a_certificate
from push.apns_double import ApnsDouble, apns_error
from push.sending import SILENT, Clock, a_message, apns_credentials, local_rules
from push.verdicts import CUT, SILENCE, Scripted

from benchmarks.ports import free_port
from edge.domain.pushing.payload import ProviderKind, PushAttempt, PushTarget, PushVerdict
from edge.push.providers.apple.apns import ApnsProvider

SENT, DEAD, LATER = PushVerdict.SENT, PushVerdict.DEAD, PushVerdict.LATER
OURS, STOP, UNKNOWN = PushVerdict.OURS, PushVerdict.STOP, PushVerdict.UNKNOWN


def device(number=0):
    return PushTarget(ProviderKind.APNS, f"{number:064x}")


class World:
    """A provider on its double."""

    def __init__(self, double, provider, clock):
        self.double, self.provider, self.clock = double, provider, clock

    async def send(self, target=None, payload=None):
        return await self.provider.send(target or device(), payload or a_message(), self.clock.now)


@pytest.fixture
async def start(tmp_path):
    """Starts a world; what the double is made with may be given."""
    made, files = [], a_certificate(tmp_path)

    async def begin(answer_seconds=60.0, port=0, **options):
        clock = Clock()
        double = ApnsDouble(clock, **options)
        await double.start(*files, port)
        provider = ApnsProvider(apns_credentials(double), local_rules(files.certificate), double.url, answer_seconds)
        made.extend([provider, double])
        return World(double, provider, clock)

    yield begin
    for each in made:
        await each.close()


async def test_a_message_arrives_as_apple_wants_it(start):
    world = await start()
    attempt = await world.send(payload=a_message(collapse="offers", ttl_seconds=60))
    assert attempt.verdict is SENT and attempt.provider_id
    [seen] = world.double.seen.received
    assert seen["payload"] == {
        "aps": {"alert": {"title": "Hello", "body": "Text"}, "sound": "default"},
        "screen": "offers",
        "edge_message": "m1",
    }
    headers = seen["headers"]
    assert headers["apns-push-type"] == "alert" and headers["apns-priority"] == "10"
    assert headers["apns-expiration"] == str(int(world.clock.now) + 60) and headers["apns-collapse-id"] == "offers"
    assert world.double.seen.faults == [] and world.double.alpn == ["h2"]


async def test_a_silent_message_is_a_background_one_of_priority_5(start):
    world = await start()
    assert (await world.send(payload=SILENT)).verdict is SENT
    [seen] = world.double.seen.received
    assert seen["payload"] == {"aps": {"content-available": 1}, "edge_message": "m2"}
    assert (seen["headers"]["apns-push-type"], seen["headers"]["apns-priority"]) == ("background", "5")


async def test_many_share_a_connection_and_a_token_and_keep_to_the_stream_limit(start):
    world = await start(streams=7)
    attempts = await asyncio.gather(*(world.send(device(number)) for number in range(150)))
    assert {each.verdict for each in attempts} == {SENT}
    assert len(world.double.seen.taken) == 150 and set(world.double.seen.taken.values()) == {1}
    assert (world.double.connections, len(world.double.provider_tokens)) == (1, 1)
    assert world.double.most_at_once <= 7 and world.double.seen.faults == []
    assert world.provider.link._link.open_streams == 0  # nothing is left of what was answered


async def test_bodies_beyond_the_window_wait_for_it(start):
    world = await start()
    large = a_message(body="x" * 3_500)
    attempts = await asyncio.gather(*(world.send(device(number), large) for number in range(60)))  # 210 kB
    assert {each.verdict for each in attempts} == {SENT} and world.double.seen.faults == []


async def test_the_token_is_kept_for_40_minutes_and_restarts_do_not_change_it(start):
    world = await start()
    world.clock.now -= world.clock.now % 2_400
    await world.send()
    again = ApnsProvider(apns_credentials(world.double), local_rules(), world.double.url)
    assert again.token.header(world.clock.now + 2_399) == world.provider.token.header(world.clock.now)
    world.clock.now += 2_400
    await world.send()
    assert len(world.double.provider_tokens) == 2 and world.double.seen.faults == []
    assert world.double.connections == 1  # the same connection, with another token


async def test_a_token_that_apple_calls_expired_is_changed_once(start):
    world = await start()
    world.clock.now += 1_300 - world.clock.now % 2_400
    node_now, world.clock.now = world.clock.now, world.clock.now + 2_500  # Apple's clock
    refused = world.provider.token.header(node_now)
    attempt = await world.provider.send(device(), a_message(), node_now)
    assert attempt.verdict is SENT and world.provider.token.header(node_now) != refused
    assert world.double.seen.requests == 2
    world.double.seen.script[device().token] = apns_error(403, "ExpiredProviderToken")
    assert await world.provider.send(device(), a_message(), node_now) == PushAttempt(
        STOP, "ExpiredProviderToken", whole=True
    )
    assert world.double.seen.requests == 3  # too young to be changed again


async def test_words_reach_the_caller(start):
    world = await start()
    await world.send()
    script = world.double.seen.script
    script[device(1).token] = apns_error(410, "Unregistered", timestamp=1_790_000_000_000)
    script[device(2).token] = apns_error(400, "BadDeviceToken")
    script[device(3).token] = apns_error(403, "InvalidProviderToken")
    script[device(4).token] = Scripted(503, b"", (("retry-after", "17"),))
    script[device(5).token] = Scripted(400)  # without a body
    assert [await world.send(device(number)) for number in range(1, 6)] == [
        PushAttempt(DEAD, "Unregistered", dead_since=1_790_000_000.0),
        PushAttempt(DEAD, "BadDeviceToken"),
        PushAttempt(STOP, "InvalidProviderToken", whole=True),
        PushAttempt(LATER, "http_503", 17.0, whole=True),
        PushAttempt(OURS, "http_400", whole=True, of_target=True),
    ]


async def test_the_wrong_environment_kills_no_token(start):
    world = await start()
    world.double.seen.script[device().token] = apns_error(400, "BadDeviceToken")
    for _ in range(3):
        assert await world.send() == PushAttempt(OURS, "BadDeviceToken", whole=True, of_target=True)


@pytest.mark.parametrize("token", ["", "xyz", "a", "../../x", "00 11", "0" * 500])
async def test_a_token_that_is_none_is_never_sent(start, token):
    world = await start()
    attempt = await world.send(PushTarget(ProviderKind.APNS, token))
    assert attempt == PushAttempt(DEAD, "malformed_token") and world.double.connections == 0


async def test_a_connection_that_is_cut_leaves_what_was_sent_unknown_and_the_next_goes_on(start):
    world = await start()
    world.double.seen.script[device(1).token] = CUT
    assert await world.send(device(1)) == PushAttempt(UNKNOWN, "no_answer")
    assert (await world.send(device(2))).verdict is SENT and world.double.connections == 2


async def test_a_peer_that_leaves_answers_what_it_has_begun_and_the_next_goes_elsewhere(start):
    world = await start()
    await world.send()
    world.double.seen.script[device(1).token] = SILENCE
    waiting = asyncio.create_task(world.send(device(1)))
    while world.double.seen.requests < 2:
        world.double.seen.asked.clear()
        await world.double.seen.asked.wait()
    [talk] = world.double.talks
    world.double.go_away()
    assert (await world.send(device(2))).verdict in (SENT, LATER)  # it may have begun before it heard
    assert (await world.send(device(3))).verdict is SENT
    assert world.double.connections == 2
    talk.answer(3, Scripted(200))
    assert (await waiting).verdict is SENT


async def test_a_stream_that_a_leaving_peer_did_not_work_on_can_be_sent_again(start):
    world = await start()
    await world.send()
    world.double.seen.script[device(1).token] = SILENCE
    waiting = asyncio.create_task(world.send(device(1)))
    while world.double.seen.requests < 2:
        world.double.seen.asked.clear()
        await world.double.seen.asked.wait()
    world.double.go_away(worked_on=1)
    assert await waiting == PushAttempt(LATER, "no_connection", whole=True)


async def test_nobody_there_is_for_later_and_found_when_it_comes_back(start, tmp_path):
    port = free_port()
    world = await start(port=port)
    await world.double.close()
    attempts = await asyncio.gather(*(world.send(device(number)) for number in range(20)))
    assert set(attempts) == {PushAttempt(LATER, "no_connection", whole=True)}
    await world.double.start(str(tmp_path / "pair.pem"), str(tmp_path / "pair.key"), port)
    assert (await world.send()).verdict is SENT


async def test_a_certificate_of_nobody_is_refused(start, tmp_path):
    world = await start()
    strict = ApnsProvider(apns_credentials(world.double), local_rules(), world.double.url)
    assert await strict.send(device(), a_message(), world.clock.now) == PushAttempt(LATER, "no_connection", whole=True)
    assert world.double.seen.requests == 0
    await strict.close()


async def test_a_name_that_leads_into_the_network_is_not_followed(start):
    world = await start()
    strict = ApnsProvider(apns_credentials(world.double), local_rules()._replace(allowed=()), world.double.url)
    assert (await strict.send(device(), a_message(), world.clock.now)).code == "no_connection"
    assert world.double.connections == 0
    await strict.close()


async def test_silence_ends_and_what_was_sent_is_unknown(start):
    world = await start(answer_seconds=0.05)
    world.double.seen.script[device(1).token] = SILENCE
    attempts = await asyncio.gather(*(world.send(device(1)) for _ in range(3)))
    # Before the first good token Apple offers one stream: those that got none did not arrive.
    assert {each.verdict for each in attempts} <= {UNKNOWN, LATER} and UNKNOWN in {each.verdict for each in attempts}
    assert world.provider.link._link.open_streams == 0


async def test_a_caller_that_gives_up_leaves_no_stream(start):
    world = await start()
    world.double.seen.script[device(1).token] = SILENCE
    waiting = asyncio.create_task(world.send(device(1)))
    await world.double.seen.asked.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert world.provider.link._link.open_streams == 0
    assert (await world.send(device(2))).verdict is SENT and world.double.connections == 1
