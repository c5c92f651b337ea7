"""One flipped bit in each kind of stored document, then a restart: what devices get, and that no known app is unknown.

| Document | What devices get |
|---|---|
| a manifest | what comes before that bundle, and that bundle only as a zip; everything else |
| the latest revision | the last good one |
| every revision | nothing new |
| an id set | those who reach its segment nothing new, the others what they are to get |
| a part of the overrides | its devices nothing new, the others what they are to get |
| a head shard, a key set | what the node saw of it |
| tokens | everything: no device needs one |
"""

import hashlib
import shutil

import aiohttp
import pytest
from factories import APP, DEVICE, a_change, a_manifest
from node_world import WORKERS, a_config, a_truth, check, info, publish, running

from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    PutIdSet,
    SegmentSettings,
    SetOverride,
    SetSegment,
)
from edge.domain.model import Policy
from edge.domain.targeting.id_sets import encode_id_set
from edge.node.processes.data_directory import DataDirectory
from edge.store.disk.seen import SEEN_DIRECTORY
from edge.store.heads import shard_of
from edge.store.objects.port import blob_key, head_key, revision_key, revisions_prefix
from edge.store.revisions import Revisions

VIP = "11111111-1111-4111-8111-111111111111"
HELD = "22222222-2222-4222-8222-222222222222"
SILENT = "no_new_version_available"


def flip(path, place: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def a_store(folder) -> DataDirectory:
    """1.0.2 for all, 1.0.1 before it; 2.0.0 for the ids of a set; one device is held on a channel by override."""
    truth = a_truth(folder)
    for version, channel in (("1.0.1", "production"), ("2.0.0", None)):
        publish(truth, version, channel=channel)
    ids = encode_id_set([VIP])
    truth.store.create(blob_key(hashlib.sha256(ids).hexdigest()), ids)
    commands = (
        CreateChannel(name="vip", settings=ChannelSettings(bundle="2.0.0", policy=Policy.NONE)),
        PutIdSet(name="vips", blob=hashlib.sha256(ids).hexdigest(), ids=1),
        SetSegment(name="vips", settings=SegmentSettings(where='in_set("vips")', channel="vip")),
        SetOverride(device=HELD, channel="vip"),
    )
    for command in commands:
        truth.releases.commit(APP, a_change(command))
    publish(truth, "1.0.2")
    return truth


def blob_of(truth, content: bytes):
    return truth.store.path(blob_key(hashlib.sha256(content).hexdigest()))


def latest(truth):
    head = truth.releases.head(APP)
    return truth.store.path(revision_key(APP, head.revision, head.digest))


def a_manifest_of(version):
    return lambda truth: [blob_of(truth, a_manifest(version))]


def every_revision(truth):
    return [truth.store.path(key) for key in truth.store.keys(revisions_prefix(APP))]


def the_override(truth):
    head = truth.releases.head(APP)
    shards = Revisions(truth.store).read(APP, head.revision, head.digest).shards
    return [truth.store.path(blob_key(digest)) for digest in shards.values()]


CASES = {
    "nothing": (lambda truth: [], "1.0.2", "2.0.0"),
    "a manifest that is offered": (a_manifest_of("1.0.2"), "1.0.1", "2.0.0"),
    "a manifest that is not": (a_manifest_of("1.0.1"), "1.0.2", "2.0.0"),
    "the latest revision": (lambda truth: [latest(truth)], "1.0.1", "2.0.0"),
    "every revision": (every_revision, SILENT, SILENT),
    "an id set": (lambda truth: [blob_of(truth, encode_id_set([VIP]))], SILENT, SILENT),
    "an override": (the_override, "1.0.2", "2.0.0"),
    "a head shard": (lambda truth: [truth.store.path(head_key(shard_of(APP)))], "1.0.2", "2.0.0"),
    "the key set": (lambda truth: [truth.store.path(key) for key in truth.store.keys("keys/")], "1.0.2", "2.0.0"),
    "tokens": (lambda truth: [truth.store.path(key) for key in truth.store.keys("access/")], "1.0.2", "2.0.0"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
async def test_after_a_restart_no_known_app_is_unknown(tmp_path, name):
    damaged, usual, vip = CASES[name]
    truth = a_store(tmp_path)
    for path in damaged(truth):
        flip(path)
    again = DataDirectory(tmp_path, 0.0)
    async with running(a_config(tmp_path), again) as (supervisor, address), aiohttp.ClientSession() as session:
        held = SILENT if name == "an override" else vip if name != "an id set" else "2.0.0"
        for asked, expected in ((DEVICE, usual), (VIP, vip), (HELD, held)):
            async with session.post(f"{address}/updates", json=info(device_id=asked)) as answer:
                told = await answer.json()
            assert told.get("error", told.get("version")) == expected, told
        async with session.get(f"{address}/readyz") as answer:
            assert (answer.status == 200) == (name != "every revision")
        workers = await supervisor.statuses()
        assert len(workers) == WORKERS and all("on_premise_app" not in each.counts.decisions for each in workers)
        assert await check(session, address)


@pytest.mark.long
async def test_apps_of_a_head_shard_that_nobody_can_read_are_not_unknown(tmp_path):
    truth = a_store(tmp_path)
    flip(truth.store.path(head_key(shard_of(APP))))
    shutil.rmtree(truth.node_dir / SEEN_DIRECTORY)
    event = info(action="set", version="1.0.1", old_version_name="1.0.0")
    async with (
        running(a_config(tmp_path), DataDirectory(tmp_path, 0.0)) as (_, address),
        session_to(address) as session,
    ):
        async with session.post("/updates", json=info()) as answer:
            assert (await answer.json())["error"] == SILENT
        for asked in (
            session.post("/stats", json=event),
            session.put("/channel_self", json=info()),
            session.get(f"/bundles/{APP}/zip/{'0' * 64}"),
        ):
            async with asked as answer:
                assert (answer.status, answer.headers.get("Retry-After")) == (503, "10")
        async with session.get("/readyz") as answer:
            assert [each["grain"] for each in (await answer.json())["damaged"]] == ["head"]


def session_to(address):
    return aiohttp.ClientSession(address)
