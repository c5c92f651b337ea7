"""A source that lies in every way: refused by name, counted and said once; the last good copy goes on being served."""

import asyncio
import os
import re
import shutil
import time

import msgspec
import pytest
from factories import APP, a_change
from followed_world import FollowedWorld, TestedSource, copy_of
from node_world import publish
from token_making import make_token

from edge.control.access.tokens import Tokens
from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel, SetChannel
from edge.node.processes.data_directory import DataDirectory
from edge.regions.following.announced import EXPECTED_SECONDS, OVER_BUDGET
from edge.regions.source import BlobsComing, Document
from edge.regions.sources.first_sight import see_first
from edge.store.heads import HEAD_DOMAIN, SHARDS, shard_of
from edge.store.key_set import KEY_SET_KEY
from edge.store.objects.fs import FsStore
from edge.store.objects.port import TOKENS_KEY, blob_key, head_key, revision_key
from edge.store.signing import load_or_create_writer, sign_document
from edge.store.stored_document import Untrusted, digest_of

HEAD = head_key(shard_of(APP))
OTHER_HEAD = head_key(next(shard for shard in SHARDS if shard != shard_of(APP)))


def prepared(folder):
    """A truth with a release, tokens and all heads."""
    truth = DataDirectory(folder, time.time())
    truth.releases.commit(APP, a_change(CreateApp(app=APP)))
    truth.releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
    publish(truth, "1.0.1")
    truth.releases.refresh(time.time())
    make_token(Tokens(truth.store, truth.trust, truth.writer), "ci", now=time.time())
    return truth


class LyingSource(TestedSource):
    """`lies` are shown under their keys, whatever the truth has; `more` come on top."""

    __test__ = False

    def __init__(self, store) -> None:
        super().__init__(store)
        self.lies, self.more, self.known = {}, [], {}

    async def documents(self, known):
        self.known = known
        honest = [each for each in await super().documents(known) if each.key not in self.lies]
        return [*honest, *(Document(key, content, "lie") for key, content in self.lies.items()), *self.more]


class HostileWorld(FollowedWorld):
    def __init__(self, folder):
        super().__init__(folder)
        self.truth = prepared(folder / "truth")
        self.source = LyingSource(self.truth.mirror)

    def serve(self, key, content):
        self.source.lies[key] = content

    def be_honest(self):
        self.source.lies = {}
        self.source.alter_revision = lambda content: content
        self.source.alter_piece = lambda digest, piece: piece

    def change(self, seconds=1):
        settings = ChannelSettings(public=True, spread_seconds=seconds)
        return self.truth.releases.commit(APP, a_change(SetChannel(name="production", settings=settings)))


@pytest.fixture
async def world(tmp_path):
    world = HostileWorld(tmp_path)
    await world.start()
    await world.follower.look()
    await world.settle()
    yield world
    await world.follower.fetcher.close()


def signed_again(world, key, *, writer=None, domain=HEAD_DOMAIN, **changed):
    """The truth's document with other members, signed rightly."""
    payload = msgspec.json.decode(msgspec.json.decode(world.truth.mirror.get(key).data)["payload"])
    return sign_document(writer or world.truth.writer, domain, msgspec.json.encode(payload | changed))


def flipped(content, at):
    """A bit of the next letter or digit, if there is one: what could be read can still be read."""
    at %= len(content)
    at = next((place for place in range(at, len(content)) if content[place : place + 1].isalnum()), at)
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def of_truth(world, key):
    return world.truth.mirror.get(key).data


def another_store(world, key):
    return prepared(world.folder / "another").mirror.get(key).data


LIES = {
    "a head of another place": (HEAD, lambda w: of_truth(w, OTHER_HEAD), "misplaced_document"),
    "a head of another store": (HEAD, lambda w: another_store(w, HEAD), "unknown_writer"),
    "a head that a stranger signed": (
        HEAD,
        lambda w: signed_again(w, HEAD, writer=load_or_create_writer(w.folder / "stranger.key"), sequence=999),
        "unknown_writer",
    ),
    "a head that names another store": (HEAD, lambda w: signed_again(w, HEAD, store="0" * 32), "misplaced_document"),
    "a head of a newer release": (HEAD, lambda w: signed_again(w, HEAD, format=99, sequence=999), "newer_format"),
    "tokens passed off as a head": (HEAD, lambda w: of_truth(w, TOKENS_KEY), "bad_signature"),
    "a head that was signed as something else": (
        HEAD,
        lambda w: signed_again(w, HEAD, domain="edge-tokens", sequence=999),
        "bad_signature",
    ),
    "a head that was cut": (HEAD, lambda w: of_truth(w, HEAD)[:-20], "unreadable_document"),
    "a head with a flipped bit": (HEAD, lambda w: flipped(of_truth(w, HEAD), 200), "bad_signature"),
    "a head that is noise": (HEAD, lambda w: bytes(range(256)) * 40, "unreadable_document"),
    "a head that is deeply nested": (HEAD, lambda w: b'{"payload":' * 50_000, "unreadable_document"),
    "a head that lost the app": (HEAD, lambda w: signed_again(w, HEAD, apps={}, sequence=999), "older_document"),
    "a head that vanished": (HEAD, lambda w: b"", "older_document"),
    "a key set of another store": (KEY_SET_KEY, lambda w: another_store(w, KEY_SET_KEY), "swapped_store"),
    "a key set with a flipped bit": (KEY_SET_KEY, lambda w: flipped(of_truth(w, KEY_SET_KEY), -10), "bad_signature"),
    "a key set of a newer release": (
        KEY_SET_KEY,
        lambda w: signed_again(w, KEY_SET_KEY, domain="edge-writers", format=99, sequence=9),
        "newer_format",
    ),
    "a key set that vanished": (KEY_SET_KEY, lambda w: b"", "older_document"),
    "tokens of another store": (TOKENS_KEY, lambda w: another_store(w, TOKENS_KEY), "unknown_writer"),
    "tokens with a flipped bit": (TOKENS_KEY, lambda w: flipped(of_truth(w, TOKENS_KEY), 90), "bad_signature"),
    "tokens that were cut": (TOKENS_KEY, lambda w: of_truth(w, TOKENS_KEY)[:50], "unreadable_document"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_document_that_lies_is_refused_counted_and_said_once(world, lie, caplog):
    key, make, code = LIES[lie]
    before = copy_of(world.mirror)
    world.serve(key, make(world))
    for _ in range(3):
        await world.follower.look()
    said = [each for each in caplog.records if "refused from" in each.getMessage()]
    assert (dict(world.follower.refused), len(said)) == ({code: 1}, 1), [each.getMessage() for each in said]
    assert copy_of(world.mirror) == before and world.revisions == {APP: 3}
    # Then the truth again, with something new.
    world.be_honest()
    world.change()
    await world.follower.look()
    assert world.revisions == {APP: 4} and not world.follower.standing.refusal


async def test_an_older_head_is_refused_also_by_the_next_process(world):
    older = of_truth(world, HEAD)
    world.change()
    await world.follower.look()
    await world.follower.fetcher.close()
    await world.start()
    world.serve(HEAD, older)
    await world.follower.look()
    assert dict(world.follower.refused) == {"older_document": 1} and world.reader.head(APP).revision == 4


async def test_a_fork_is_refused_for_good(world, caplog):
    """Two histories from one past, signed by the same writer, as of a truth that was restored beside a running one."""
    shutil.copytree(world.folder / "truth", world.folder / "fork")
    world.change(10)
    await world.follower.look()
    fork = DataDirectory(world.folder / "fork", time.time())
    for seconds in (20, 30):
        settings = ChannelSettings(public=True, spread_seconds=seconds)
        fork.releases.commit(APP, a_change(SetChannel(name="production", settings=settings)))
    honest, world.follower.source = world.source, TestedSource(fork.mirror)
    world.follower._bringer._source = world.follower.source
    for _ in range(3):
        await world.follower.look()
    assert dict(world.follower.refused) == {"forked_history": 1}
    assert len([each for each in caplog.records if "has another history" in each.getMessage()]) == 1
    assert world.reader.head(APP).revision == 4
    world.follower.source = world.follower._bringer._source = honest
    world.change(40)
    await world.follower.look()
    assert world.revisions == {APP: 5}


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (lambda content: flipped(content, len(content) // 2), "bad_digest"),
        (lambda content: content[:-1], "bad_digest"),
        (lambda content: content + b" ", "bad_digest"),
        (lambda content: b"", "bad_digest"),
        (lambda content: b"x" * 70_000_000, "bad_digest"),
    ],
    ids=["flipped", "cut", "longer", "empty", "endless"],
)
async def test_a_revision_that_is_altered_is_not_served(world, alter, code):
    world.change()
    world.source.alter_revision = alter
    for _ in range(2):
        await world.follower.look()
    assert world.revisions == {APP: 3} and world.follower.standing.refusal
    world.be_honest()
    await world.follower.look()
    assert world.revisions == {APP: 4} and not world.follower.standing.refusal
    assert code == "bad_digest"


async def test_a_revision_of_a_newer_release_holds_its_app_and_says_so(world):
    newer = msgspec.json.decode(of_truth(world, revision_key(APP, 3, world.told[-1][APP].digest)))
    content = msgspec.json.encode(newer | {"format": 99, "revision": 4, "previous": world.told[-1][APP].digest})
    digest = digest_of(content)
    world.truth.mirror.create(revision_key(APP, 4, digest), content)
    world.serve(HEAD, signed_again(world, HEAD, sequence=999, apps={APP: {"revision": 4, "digest": digest}}))
    await world.follower.look()
    assert "format 99" in world.follower.standing.refusal and world.revisions == {APP: 3}
    assert world.reader.head(APP).revision == 3


KINDS = ["zip", "manifest", "file"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lie", ["flipped", "cut", "longer", "other"])
async def test_a_blob_that_lies_never_gets_its_name(world, kind, lie):
    committed = publish(world.truth, "1.0.2")
    bundle = committed.state.bundles["1.0.2"]
    shown = msgspec.json.decode(of_truth(world, blob_key(bundle.manifest)))
    wanted = {"zip": bundle.zip, "manifest": bundle.manifest}.get(kind) or _file_of(shown)
    other = of_truth(world, blob_key(bundle.manifest if kind != "manifest" else bundle.zip))
    lies = {
        "flipped": lambda p: flipped(p, 0),
        "cut": lambda p: p[:-1],
        "longer": lambda p: p + p,
        "other": lambda p: other,
    }
    world.source.alter_piece = lambda digest, piece: lies[lie](piece) if digest == wanted else piece
    await world.follower.look()
    await world.settle()
    assert not world.mirror.has(blob_key(wanted))
    assert world.follower.refused["bad_digest"] >= 1
    world.be_honest()
    assert await world.follower.puller.pull(wanted, APP)
    assert digest_of(world.mirror.get(blob_key(wanted)).data) == wanted


def _file_of(manifest):
    """The digest of some file's blob: whatever in the manifest is one that the store has."""
    return re.search(r"[0-9a-f]{64}", msgspec.json.encode(manifest).decode())[0]


async def test_what_the_source_names_beyond_what_is_followed_is_neither_kept_nor_remembered(world):
    world.source.more = [Document(f"keys/{n}.json", b"x", "t") for n in range(500)]
    world.source.more += [Document("../../etc/passwd", b"x", "t"), Document("blobs/sha256/00/" + "0" * 64, b"x", "t")]
    before = copy_of(world.mirror)
    for _ in range(2):
        await world.follower.look()
    assert copy_of(world.mirror) == before
    assert len(world.source.known) == 2 + len(SHARDS)


async def announced(world, sizes):
    """The digests of files that the source has, of these sizes, and announces."""
    contents = [os.urandom(size) for size in sizes]
    blobs = [(digest_of(content), len(content)) for content in contents]
    for (digest, _), content in zip(blobs, contents, strict=True):
        world.truth.mirror.create(blob_key(digest), content)
    world.follower.hint(BlobsComing(APP, tuple(blobs)))
    while world.follower.announced._looking:
        await asyncio.sleep(0)
    await world.settle()
    return [digest for digest, _ in blobs]


def here(world, digests):
    return [digest for digest in digests if world.mirror.has(blob_key(digest))]


async def test_what_is_announced_and_nothing_names_takes_no_more_than_its_budget(world, caplog):
    before = copy_of(world.mirror)
    world.follower.announced.limit_bytes = 250_000
    blobs = await announced(world, [100_000] * 5)
    assert len(here(world, blobs)) == 2 and world.follower.announced.outstanding_bytes == 200_000
    blobs += await announced(world, [100_000] * 5)
    assert len(here(world, blobs)) == 2 and world.follower.refused[OVER_BUDGET] == 8
    assert caplog.text.count("files were announced beyond") == 1
    # Nothing named them in time: they go, and others may come.
    world.now += EXPECTED_SECONDS
    world.follower.tending.room.drop(world.follower.announced.take_overdue())
    assert copy_of(world.mirror) == before and not world.follower.announced.outstanding_bytes
    assert len(here(world, await announced(world, [100_000] * 5))) == 2


async def test_what_is_announced_and_nothing_names_goes_before_what_devices_may_still_fetch(world):
    older = digest_of(b"older" * 1000)
    world.mirror.create(blob_key(older), b"older" * 1000)
    blobs, offered = await announced(world, [100_000] * 3), copy_of(world.truth.mirror)
    os.utime(world.mirror.place(blob_key(older)), (1.0, 1.0))
    assert world.follower.tending.room.free(250_000) >= 250_000
    assert here(world, blobs) == [] and here(world, [older]) == [older]
    assert {key for key in copy_of(world.mirror) if key.startswith("blobs/")} >= {
        key for key in offered if key.startswith("blobs/") and key.rpartition("/")[2] not in blobs
    }


async def test_files_that_exist_nowhere_leave_room_in_line_for_those_of_releases(world, monkeypatch):
    monkeypatch.setattr("edge.regions.following.announced.OUTSTANDING_LIMIT", 10)
    for n in range(5):
        world.follower.hint(BlobsComing(APP, tuple((f"{n * 10 + i:064x}", 0) for i in range(10))))
    while world.follower.announced._looking:
        await asyncio.sleep(0)
    await world.settle()
    asked = [digest for digest in world.source.asked if digest.startswith("0" * 60)]
    assert len(asked) == 10 and world.follower.refused[OVER_BUDGET] == 40


async def test_what_is_here_already_is_neither_charged_nor_let_go_of_when_it_is_announced(world):
    older = digest_of(b"older" * 1000)
    world.mirror.create(blob_key(older), b"older" * 1000)
    world.follower.hint(BlobsComing(APP, ((older, 5000),)))
    while world.follower.announced._looking:
        await asyncio.sleep(0)
    assert not world.follower.announced.outstanding_bytes


async def test_what_a_revision_names_is_charged_no_more(world):
    committed = publish(world.truth, "1.0.2")
    bundle = committed.state.bundles["1.0.2"]
    world.follower.hint(BlobsComing(APP, ((bundle.zip, bundle.zip_bytes),)))
    await world.follower.look()
    await world.settle()
    assert world.revisions == {APP: 4} and not world.follower.announced.outstanding_bytes


async def test_a_first_sight_of_another_root_than_the_one_that_joined_is_refused(world):
    node = world.folder / "new-node"
    node.mkdir()
    with pytest.raises(Untrusted, match="does not lead from root"):
        await see_first(world.source, FsStore(world.folder / "new-store"), node, "0" * 16)
    assert not list(node.iterdir())
