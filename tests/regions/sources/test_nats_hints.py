"""Changes that are told and heard through NATS servers from the examples: killed and back, slow, hostile, with TLS."""

import asyncio
import random
from contextlib import suppress

import pytest
from certificates import a_certificate
from nats_servers import PASSWORDS, a_hub, a_leaf

from edge.domain.errors import Unavailable
from edge.regions.feed.events import FeedEvents
from edge.regions.source import BlobsComing, HeadsMoved
from edge.regions.sources.nats_hints import COMING_BURST, NatsHearing, NatsTelling
from edge.regions.sources.nats_link import UNREAD_LIMIT_BYTES, NatsLink

STORE = "0123456789abcdef0123456789abcdef"
DIGEST = "ab" * 32
PROMPT_SECONDS = 60


def credentials(folder, user):
    file = folder / f"{user}.txt"
    file.write_text(f"{user}:{PASSWORDS[f'NATS_{user.upper()}_PASSWORD']}\n")
    return str(file)


class Wire:
    """An origin that tells, a region that hears, and what it heard."""

    def __init__(self, tells_at, hears_at, tells_as="", hears_as=""):
        self.events, self.orders, self.known = FeedEvents(), {}, {}
        self.heard = asyncio.Queue()
        self.telling_link = NatsLink(tells_at, tells_as, STORE)
        self.hearing_link = NatsLink(hears_at, hears_as, STORE)
        self.telling = NatsTelling(self.telling_link, self.events, lambda shard: self.orders.get(shard, (0, 0)))
        self.hearing = NatsHearing(
            self.hearing_link, self.heard.put_nowait, lambda shard: self.known.get(shard, (0, 0)), clock=lambda: 0.0
        )

    async def __aenter__(self):
        self.tasks = [asyncio.create_task(each.run()) for each in (self.telling, self.hearing)]
        return self

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def move(self, shard, order):
        self.orders[shard] = order
        self.events.tell(HeadsMoved((shard,)))

    async def until(self, wanted):
        """The first event that is `wanted`."""
        async with asyncio.timeout(PROMPT_SECONDS):
            while True:
                event = await self.heard.get()
                if wanted(event):
                    return event

    async def connected(self):
        async with asyncio.timeout(PROMPT_SECONDS):
            while not (self.telling_link.connected and self.hearing_link.connected and self.events.is_heard):
                await asyncio.sleep(0.01)


def moved(shard):
    return lambda event: isinstance(event, HeadsMoved) and shard in event.shards


async def test_a_change_is_heard_through_the_regions_leaf_node(tmp_path):
    """Both examples as they are: the origin at the hub, the region at its leaf, which has no credentials in it."""
    with a_hub(tmp_path / "hub") as hub, a_leaf(tmp_path / "leaf", hub) as leaf:
        async with Wire(hub.url, leaf.url, credentials(tmp_path, "origin")) as wire:
            await wire.connected()
            wire.events.tell_coming("com.example.app", [(DIGEST, 5)])
            wire.move("a", (0, 7))
            assert await wire.until(lambda event: isinstance(event, BlobsComing)) == BlobsComing(
                "com.example.app", ((DIGEST, 5),)
            )
            await wire.until(moved("a"))


async def test_blobs_are_announced_before_the_head_and_what_is_known_is_no_news(tmp_path):
    with a_hub(tmp_path) as hub:
        origin, region = credentials(tmp_path, "origin"), credentials(tmp_path, "region")
        async with Wire(hub.url, hub.url, origin, region) as wire:
            await wire.connected()
            wire.known["b"] = (0, 9)
            wire.move("b", (0, 9))
            wire.move("c", (0, 1))
            event = await wire.until(lambda event: isinstance(event, HeadsMoved) and event.shards)
            assert event.shards == ("c",)
            wire.events.tell(HeadsMoved(("keys/writers.json",)))
            await wire.until(lambda event: event == HeadsMoved(()))


@pytest.mark.long
async def test_a_server_that_is_killed_and_back_is_heard_again(tmp_path, caplog):
    with a_hub(tmp_path) as hub:
        async with Wire(hub.url, hub.url, credentials(tmp_path, "origin"), credentials(tmp_path, "region")) as wire:
            for number in range(1, 4):
                await wire.connected()
                wire.move("d", (0, 2 * number))
                await wire.until(moved("d"))
                wire.known["d"] = (0, 2 * number)
                await asyncio.to_thread(hub.kill)
                wire.move("d", (0, 2 * number + 1))  # while nobody takes it
                await asyncio.to_thread(hub.start)
                await wire.until(moved("d"))
                wire.known["d"] = (0, 2 * number + 1)
            assert wire.hearing_link.losses >= 3
    said = [each for each in caplog.records if "no hints by NATS" in each.getMessage()]
    assert 2 <= len(said) <= 8  # once a link and loss, however many attempts


@pytest.mark.long
async def test_a_server_that_says_nothing_any_more_is_left_and_found_again(tmp_path):
    with a_hub(tmp_path) as hub:
        async with Wire(hub.url, hub.url, credentials(tmp_path, "origin"), credentials(tmp_path, "region")) as wire:
            await wire.connected()
            hub.stop()
            async with asyncio.timeout(PROMPT_SECONDS):
                while wire.hearing_link.connected or wire.telling_link.connected:
                    await asyncio.sleep(0.05)
            hub.go_on()
            await wire.connected()
            wire.move("e", (0, 3))
            await wire.until(moved("e"))


async def test_without_a_server_nothing_waits_and_it_is_said_once(tmp_path, caplog):
    tries = []

    async def sleep(seconds):
        tries.append(seconds)
        await asyncio.sleep(0)

    link = NatsLink("nats://127.0.0.1:9", "", STORE, sleep=sleep, draw=lambda: 1.0)
    hearing = NatsHearing(link, lambda event: None, lambda shard: (0, 0), clock=lambda: 0.0)
    task = asyncio.create_task(hearing.run())
    async with asyncio.timeout(PROMPT_SECONDS):
        while len(tries) < 5:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert max(tries) <= 0.4 and not link.connected
    assert len([each for each in caplog.records if "no hints by NATS" in each.getMessage()]) == 1


@pytest.mark.parametrize(
    "content", ["nobody:wrong", "", "a\nb", "x" * 5_000], ids=["wrong", "empty", "two lines", "too long"]
)
async def test_credentials_that_are_not_taken_are_said_and_read_again(tmp_path, content, caplog):
    with a_hub(tmp_path) as hub:
        file = tmp_path / "given.txt"
        file.write_text(content)
        async with Wire(hub.url, hub.url, credentials(tmp_path, "origin"), str(file)) as wire:
            async with asyncio.timeout(PROMPT_SECONDS):
                while not any("no hints by NATS" in each.getMessage() for each in caplog.records):
                    await asyncio.sleep(0.01)
            file.write_text(f"region:{PASSWORDS['NATS_REGION_PASSWORD']}")
            await wire.connected()
        assert "region-secret" not in caplog.text


async def test_a_regions_credentials_put_no_hints(tmp_path):
    from nats.aio.client import Client
    from nats.errors import Error

    with a_hub(tmp_path) as hub:
        async with Wire(hub.url, hub.url, credentials(tmp_path, "origin"), credentials(tmp_path, "region")) as wire:
            await wire.connected()
            thief = Client()
            refused = asyncio.Event()

            async def note(error):
                refused.set()

            await thief.connect(hub.url, user="region", password=PASSWORDS["NATS_REGION_PASSWORD"], error_cb=note)
            bucket = await thief.jetstream(timeout=0.3).key_value(f"edge-{STORE}")
            with pytest.raises((Error, TimeoutError)):
                await bucket.put("heads.f", b"[0,99]")
            async with asyncio.timeout(PROMPT_SECONDS):
                await refused.wait()
            await thief.close()
            wire.move("a", (0, 1))
            assert "f" not in (await wire.until(moved("a"))).shards


INFO = b'INFO {"server_id":"x","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576}\r\n'


@pytest.mark.parametrize("begun", [b"MSG x 1 999999999999\r\n", b"HMSG x 1 9 999999999999\r\n", b"-", b"INFO "])
async def test_a_server_that_sends_without_end_is_left_before_it_takes_memory(begun):
    sent, left = 0, asyncio.Event()

    async def forever(seconds):
        await asyncio.Event().wait()

    async def flood(reader, writer):
        nonlocal sent
        writer.write(INFO)
        while not (await reader.readline()).startswith(b"PING"):
            pass
        writer.write(b"PONG\r\n" + begun)
        with suppress(ConnectionError):
            while sent < 8 * UNREAD_LIMIT_BYTES:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent += 1 << 16
        writer.transport.abort()
        left.set()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        link = NatsLink(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}", "", STORE, sleep=forever)
        hearing = asyncio.create_task(NatsHearing(link, print, lambda shard: (0, 0), clock=lambda: 0.0).run())
        async with asyncio.timeout(PROMPT_SECONDS):
            await left.wait()
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
    assert sent < 4 * UNREAD_LIMIT_BYTES  # with what both ends of the line hold


STRANGE = [
    ("heads.a", b""),
    ("heads.a", b"[1]"),
    ("heads.a", b'{"order":1}'),
    ("heads.a", b"\xff" * 100),
    ("heads.a", b"[" * 100_000),
    ("heads.zz", b"[0,1]"),
    ("heads", b"[0,1]"),
    ("coming.x", b"{}"),
    ("coming.x", b'{"app":"a","blobs":[["x"]]}'),
    ("coming.x", b"x" * 300_000),
    ("elsewhere.x", b"[0,1]"),
    ("", b""),
]


def a_hearing(heard, clock=lambda: 0.0):
    link = NatsLink("nats://127.0.0.1:9", "", STORE)
    return link, NatsHearing(link, heard.append, lambda shard: (0, 0), clock=clock)


@pytest.mark.parametrize(("key", "value"), STRANGE)
def test_a_hint_that_means_nothing_is_counted_and_dropped(key, value):
    heard = []
    link, hearing = a_hearing(heard)
    hearing.take(key, value)
    assert (heard, link.strange) == ([], 1)


def test_noise_breaks_nothing():
    heard, noise = [], random.Random(7)
    _, hearing = a_hearing(heard)
    for _ in range(2_000):
        hearing.take(noise.choice(["heads.a", "coming.b", "other.c", "x"]), noise.randbytes(noise.randrange(60)))
    assert heard == []


def test_a_flood_of_announcements_is_bounded():
    heard, now = [], [0.0]
    link, hearing = a_hearing(heard, lambda: now[0])
    for _ in range(1_000):
        hearing.take("coming.x", b'{"app":"com.example.app","blobs":[["' + DIGEST.encode() + b'",5]]}')
    assert (len(heard), link.strange) == (COMING_BURST, 1_000 - COMING_BURST)
    now[0] = 1.0
    hearing.take("coming.x", b'{"app":"com.example.app","blobs":[]}')
    assert len(heard) == COMING_BURST + 1


async def test_a_flood_of_heads_causes_few_looks():
    looks, pauses = [], []
    link = NatsLink("nats://127.0.0.1:9", "", STORE)
    turn = asyncio.Event()

    async def sleep(seconds):
        pauses.append(seconds)
        await turn.wait()

    hearing = NatsHearing(link, looks.append, lambda shard: (0, 0), clock=lambda: 0.0, sleep=sleep)
    passing = asyncio.create_task(hearing._pass_on())
    for number in range(10_000):
        hearing.take("heads.a", b"[0,%d]" % (number + 1))
        if number % 100 == 0:
            await asyncio.sleep(0)
    assert looks == [HeadsMoved(("a",))] and min(pauses) >= 0.1
    passing.cancel()
    await asyncio.gather(passing, return_exceptions=True)


@pytest.mark.long
async def test_the_line_is_encrypted_and_the_server_proven(tmp_path, monkeypatch, caplog):
    certificate, key = a_certificate(tmp_path)
    more = f'\ntls {{ cert_file: "{certificate}", key_file: "{key}", timeout: 5 }}\n'
    with a_hub(tmp_path / "hub", more) as hub:
        url = f"tls://localhost:{hub.port}"
        origin, region = credentials(tmp_path, "origin"), credentials(tmp_path, "region")
        async with Wire(url, url, origin, region) as wire:
            async with asyncio.timeout(PROMPT_SECONDS):
                while "certificate verify failed" not in caplog.text:
                    await asyncio.sleep(0.01)
            assert not wire.hearing_link.connected
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            await wire.connected()
            wire.move("a", (0, 1))
            await wire.until(moved("a"))


def test_a_missing_library_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nats", None)
    with pytest.raises(Unavailable, match=r"pip install 'edge-updates\[nats\]'") as refused:
        NatsLink("nats://127.0.0.1:9", "", STORE)
    assert refused.value.code == "missing_extra"
