"""What a worker serves follows the heads that it is sent, as far as they can be read."""

import asyncio
import contextlib
import hashlib

from factories import APP, a_manifest
from node_world import PROMPT_SECONDS, a_truth, publish

from edge.node.processes.snapshot_loader import SnapshotLoader
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.heads import Head
from edge.store.objects.port import blob_key


def a_loader(truth) -> tuple[SnapshotLoader, ServedSnapshots]:
    served = ServedSnapshots(truth.store)
    return SnapshotLoader(SnapshotBuilder(truth.store), served), served


async def test_a_lost_manifest_is_looked_for_again_and_others_are_not(tmp_path):
    truth = a_truth(tmp_path)
    head = publish(truth, "1.0.1").head
    key = blob_key(hashlib.sha256(a_manifest("1.0.1")).hexdigest())
    truth.store.path(key).unlink()
    loader, served = a_loader(truth)
    await loader.load({APP: head})
    assert served.snapshot(APP).lost
    truth.store.create(key, a_manifest("1.0.1"))
    await loader.load({APP: head})
    mended = served.snapshot(APP)
    assert not mended.lost
    await loader.load({APP: head})
    assert served.snapshot(APP) is mended


async def test_an_app_stays_at_its_last_good_revision_when_the_next_one_cannot_be_read(tmp_path):
    truth = a_truth(tmp_path)
    first = publish(truth, "1.0.1").head
    loader, served = a_loader(truth)
    await loader.load({APP: first})
    await loader.load({APP: Head(first.revision + 1, first.digest)})
    assert (served.snapshot(APP).revision, dict(served.damages.found)) == (first.revision, {"revision": 1})


async def test_a_late_retry_of_an_older_revision_leaves_the_newer_one_to_be_looked_for(tmp_path):
    truth = a_truth(tmp_path)
    loader, served = a_loader(truth)
    heads = []
    for version in ("1.0.1", "1.0.2"):
        heads.append(publish(truth, version).head)
        truth.store.path(blob_key(hashlib.sha256(a_manifest(version)).hexdigest())).unlink()
        await loader.load({APP: heads[-1]})
    await loader.load({APP: heads[0]})
    for version in ("1.0.1", "1.0.2"):
        truth.store.create(blob_key(hashlib.sha256(a_manifest(version)).hexdigest()), a_manifest(version))
    retrying = asyncio.create_task(loader.retry(0.01))
    async with asyncio.timeout(PROMPT_SECONDS):
        while served.snapshot(APP).lost:
            await asyncio.sleep(0)
    retrying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await retrying
    assert served.snapshot(APP).revision == heads[1].revision
