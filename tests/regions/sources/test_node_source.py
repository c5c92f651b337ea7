"""A node as a source: a follower gets it whole from a real control port, and no more than bounded from a lying one."""

import asyncio
import hashlib
import os
from contextlib import aclosing

import pytest
from aiohttp import web
from control_world import APP, NOW, Secrets, World

from edge.control.access.tokens import Tokens
from edge.control.app import build_control_app
from edge.domain.changes.commands import Change, CreateApp, CreateChannel, SetOverride
from edge.domain.errors import NotFound
from edge.regions.feed.events import HEARTBEAT, encode_event
from edge.regions.feed.framing import FrameWriter
from edge.regions.source import BlobsComing, HeadsMoved, SourceLost, SourceRefuses
from edge.regions.sources.node import RESUMES, NodeSource
from edge.regions.upstream import Upstream
from edge.store.heads import Head
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key
from edge.store.releases import Releases
from edge.store.signing import load_or_create_writer
from edge.store.stored_document import digest_of

LARGE = os.urandom(2_500_000)
DIGEST = hashlib.sha256(LARGE).hexdigest()


@pytest.fixture
def world(tmp_path):
    store, node_dir = FsStore(tmp_path / "store"), tmp_path / "node"
    node_dir.mkdir()
    writer = load_or_create_writer(node_dir / "writer.pem")
    trust = open_trust(store, node_dir, NOW, writer)
    tokens = Tokens(store, trust, writer)
    made = World(store, Releases(store, writer, trust), tokens, Secrets(tokens))
    made.commit(CreateApp(app=APP))
    return made


def commit(self, command):
    change = Change(id=os.urandom(8).hex(), at=NOW, by="test", command=command)
    return self.releases.commit(APP, change).head


World.commit = commit


@pytest.fixture
async def following(world, aiohttp_server, tmp_path):
    """The ports of a node, and a source that follows it."""
    ports = world.ports()
    server = await aiohttp_server(build_control_app(ports))
    token = tmp_path / "token"
    token.write_text(world.secrets["node"])
    source = NodeSource(Upstream(f"http://127.0.0.1:{server.port}", token))
    yield ports, source, token
    await source.close()


async def test_documents_are_read_once_and_then_only_what_changed(following, world):
    ports, source, _ = following
    known = {each.key: each.tag for each in await source.documents({})}
    assert await source.documents(known) == []
    world.commit(CreateChannel(name="beta"))
    await ports.feed.documents.look()  # what was looked at a moment ago would stand
    (changed,) = await source.documents(known)
    assert changed.content == world.store.get(changed.key).data


async def test_the_same_question_is_asked_once(following):
    _, source, _ = following
    first, second = await asyncio.gather(source.documents({}), source.documents({}))
    assert first is second


async def test_revisions_come_newest_first_with_a_whole_chain(following, world):
    _, source, _ = following
    for number in range(30):
        head = world.commit(CreateChannel(name=f"channel-{number}"))
    wanted = head.digest
    documents = [each async for each in source.revisions(APP, head, 0)]
    assert len(documents) == head.revision and digest_of(documents[0]) == wanted
    assert [each async for each in source.revisions(APP, head, head.revision - 2)] == documents[:2]


async def test_revisions_may_be_left_early(following, world):
    _, source, _ = following
    head = world.commit(CreateChannel(name="beta"))
    for _ in range(40):  # more than there may be streams at once
        async with aclosing(source.revisions(APP, head, 0)) as revisions:
            assert digest_of(await anext(revisions)) == head.digest


async def test_a_revision_that_is_not_there_is_a_lost_source(following, world):
    _, source, _ = following
    with pytest.raises(SourceLost):
        assert [each async for each in source.revisions(APP, Head(9, "0" * 64), 0)]


@pytest.mark.parametrize("start", [0, 1_000_000])
async def test_a_blob_is_read_from_any_byte_on(following, world, start):
    _, source, _ = following
    world.store.create(blob_key(DIGEST), LARGE)
    assert b"".join([piece async for piece in source.blob(DIGEST, start)]) == LARGE[start:]


async def test_a_blob_that_is_not_there_is_missing(following):
    _, source, _ = following
    with pytest.raises(NotFound) as raised:
        assert [piece async for piece in source.blob(DIGEST)]
    assert raised.value.code == "missing_blob"


async def test_what_moves_is_heard_blobs_first(following):
    ports, source, _ = following
    running = asyncio.create_task(ports.feed.run())
    async with aclosing(source.events()) as events:
        assert await anext(events) == HeadsMoved()
        while not ports.feed.events.is_heard:
            await asyncio.sleep(0)
        ports.feed.events.tell_coming(APP, [("a" * 64, 5)])
        assert await anext(events) == BlobsComing(APP, (("a" * 64, 5),))
        ports.feed.hear()
        moved = await anext(events)
        assert isinstance(moved, HeadsMoved) and moved.shards
    running.cancel()


async def test_the_end_of_the_node_above_ends_events(following):
    ports, source, _ = following
    with pytest.raises(SourceLost, match="ended the connection"):
        async for _ in source.events():
            ports.feed.events.end()


async def test_a_token_that_may_not_follow_is_a_refusal(following, world):
    _, source, token = following
    token.write_text(world.secrets["reader"])
    with pytest.raises(SourceRefuses, match="may not follow this node"):
        await source.documents({})
    with pytest.raises(SourceRefuses):
        assert [event async for event in source.events()]


class Lying:
    """A node above that answers every request by `answer`."""

    def __init__(self):
        self.seen, self.paused = [], []

    async def pause(self, seconds):
        self.paused.append(seconds)

    async def handle(self, request):
        self.seen.append(request.headers.get("Range", ""))
        return await self.answer(request)


@pytest.fixture
async def lying(aiohttp_server, tmp_path):
    made, app = Lying(), web.Application()
    app.router.add_route("*", "/{rest:.*}", made.handle)
    server = await aiohttp_server(app)
    (tmp_path / "token").write_text("edge_x")
    upstream = Upstream(f"http://127.0.0.1:{server.port}", tmp_path / "token")
    made.source = NodeSource(upstream, draw=lambda: 1.0, sleep=made.pause, silent_seconds=0.05)
    yield made
    await made.source.close()


async def streamed(request, *pieces, status=200, length=None, cut=False):
    response = web.StreamResponse(status=status, headers={"Content-Length": str(length)} if length else {})
    await response.prepare(request)
    for piece in pieces:
        await response.write(piece)
    if cut:
        request.transport.close()
    return response


async def test_a_blob_that_breaks_off_goes_on_where_it_stopped(lying):
    async def answer(request):
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        part, status = LARGE[start : start + 1_000_000], 206 if start else 200
        return await streamed(
            request, part, status=status, length=len(LARGE) - start, cut=start + len(part) < len(LARGE)
        )

    lying.answer = answer
    assert b"".join([piece async for piece in lying.source.blob(DIGEST)]) == LARGE
    assert lying.seen[0] == "" and len(lying.seen) >= 3 and all(each.startswith("bytes=") for each in lying.seen[1:])
    assert lying.paused and set(lying.paused) == {1.0}  # each followed new bytes


async def test_a_blob_without_progress_is_given_up(lying):
    lying.answer = lambda request: streamed(request, length=100, cut=True)
    with pytest.raises(SourceLost):
        assert [piece async for piece in lying.source.blob(DIGEST)]
    assert lying.paused == [1.0 * 2**number for number in range(RESUMES)]


async def test_another_part_than_asked_for_is_not_taken(lying):
    lying.answer = lambda request: streamed(request, b"from the start", status=200)
    with pytest.raises(SourceLost, match="another part"):
        assert [piece async for piece in lying.source.blob(DIGEST, 5)]


async def test_more_revisions_than_there_can_be_are_not_taken(lying):
    writer = FrameWriter()
    for _ in range(10):
        writer.add(b"{}")
    content, taken = writer.take(last=True), []
    lying.answer = lambda request: streamed(request, content)
    with pytest.raises(SourceLost, match="more revisions than there can be"):
        async for each in lying.source.revisions(APP, Head(5, "0" * 64), 2):
            taken.append(each)
    assert len(taken) == 3


async def test_a_stream_of_revisions_that_is_cut_is_lost(lying):
    writer = FrameWriter()
    writer.add(b"{}")
    lying.answer = lambda request: streamed(request, writer.take(), length=10_000, cut=True)
    taken = []
    with pytest.raises(SourceLost):
        async for each in lying.source.revisions(APP, Head(5, "0" * 64), 2):
            taken.append(each)
    assert taken == [b"{}"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"documents":[{}]}', b'{"documents":[{"key":"","tag":"","content":"*"}]}']
)
async def test_documents_that_cannot_be_read_are_a_lost_source(lying, content):
    lying.answer = lambda request: streamed(request, content)
    with pytest.raises(SourceLost, match="cannot be read"):
        await lying.source.documents({})


async def test_events_that_cannot_be_read_are_skipped(lying):
    said = (
        b"event: mood\ndata: {}\n\nevent: heads\ndata: [\n\nnonsense\n\n" + HEARTBEAT + encode_event(HeadsMoved(("a",)))
    )
    lying.answer = lambda request: streamed(request, said)
    heard = []
    with pytest.raises(SourceLost):
        async for event in lying.source.events():
            heard.append(event)
    assert heard == [HeadsMoved(), HeadsMoved(("a",))]


async def test_an_event_without_end_is_a_lost_source(lying):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    lying.answer = endless
    with pytest.raises(SourceLost, match="does not end"):
        assert [event async for event in lying.source.events()]


async def test_events_without_a_sign_of_life_are_lost(lying):
    held = asyncio.Event()

    async def silent(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(HEARTBEAT)
        await held.wait()
        return response

    lying.answer = silent
    with pytest.raises(SourceLost, match="did not answer in time"):
        assert [event async for event in lying.source.events()]
    held.set()


async def test_an_override_is_in_a_blob_that_can_be_followed(following, world):
    _, source, _ = following
    world.commit(CreateChannel(name="beta"))
    head = world.commit(SetOverride(device="00009a6b-eefe-490a-9c60-8e965132ae51", channel="beta"))
    blobs = [key.rpartition("/")[2] for key in world.store.keys("blobs/")]
    assert blobs and head.revision == 3
    for digest in blobs:
        content = b"".join([piece async for piece in source.blob(digest)])
        assert hashlib.sha256(content).hexdigest() == digest
