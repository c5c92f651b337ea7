"""What a worker serves follows the heads that it is sent, as far as they can be read."""

import asyncio
import contextlib
import hashlib

from factories import APP, a_change, a_manifest
from node_world import PROMPT_SECONDS, a_truth, publish

from edge.domain.changes.commands import CreateApp, DeleteApp
from edge.domain.forms.choice import FILES_ALWAYS, FormTerms
from edge.domain.plugin import Prefer
from edge.node.processes.snapshot_loader import ANNOUNCED_LIMIT, EAGER_SECONDS, SnapshotLoader
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.first_asks import FirstAsks
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.heads import Head
from edge.store.objects.port import blob_key, revision_key


def a_loader(truth, **options) -> tuple[SnapshotLoader, ServedSnapshots]:
    served = ServedSnapshots(truth.store, FirstAsks(PROMPT_SECONDS))
    return SnapshotLoader(SnapshotBuilder(truth.store), served, **options), served


def many_apps(truth, count: int) -> dict:
    for number in range(count):
        app = f"com.example.n{number}"
        truth.releases.commit(app, a_change(CreateApp(app=app)))
    return {app: head for app, head in truth.releases.heads().items() if app != APP}


@contextlib.asynccontextmanager
async def at_work(loader, **options):
    running = asyncio.create_task(loader.run(**options))
    try:
        async with asyncio.timeout(PROMPT_SECONDS):
            yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


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
    async with at_work(loader, retry_seconds=0.01):
        while served.snapshot(APP).lost:
            await asyncio.sleep(0)
    assert served.snapshot(APP).revision == heads[1].revision


async def test_every_app_is_known_before_any_is_loaded(tmp_path):
    truth = a_truth(tmp_path)
    loader, served = a_loader(truth)
    heads = many_apps(truth, 3)
    await loader.start(heads, limit=1)
    assert (set(served.apps), served.loaded, loader.unread) == (set(heads), 1, 2)
    assert (len(served), served.hopeless) == (3, False)


async def test_a_slow_disk_does_not_keep_a_worker_from_serving(tmp_path):
    truth = a_truth(tmp_path)
    times = iter([0.0, EAGER_SECONDS - 0.1, EAGER_SECONDS])
    loader, served = a_loader(truth, clock=lambda: next(times))
    await loader.start(many_apps(truth, 4))
    assert (served.loaded, loader.unread) == (2, 2)


async def test_the_background_reads_every_app_and_keeps_only_so_many(tmp_path):
    truth = a_truth(tmp_path)
    loader, served = a_loader(truth, kept_limit=2)
    heads = many_apps(truth, 4)
    rotten = truth.store.path(revision_key("com.example.n3", 1, heads["com.example.n3"].digest))
    rotten.unlink()
    await loader.start(heads, limit=0)
    async with at_work(loader):
        while loader.unread:
            await asyncio.sleep(0)
    assert served.loaded == 2
    assert served.unserved == {"com.example.n3"}
    assert [each.app for each in served.damages] == ["com.example.n3"]


async def test_an_app_that_is_asked_for_is_loaded_first_and_stays(tmp_path):
    truth = a_truth(tmp_path)
    loader, served = a_loader(truth, kept_limit=0)
    heads = many_apps(truth, 4)
    await loader.start(heads, limit=0)
    asked = asyncio.create_task(served.wait_for("com.example.n3"))
    await served.asks.arrive(PROMPT_SECONDS)
    async with at_work(loader):
        await asked
        assert served.snapshot("com.example.n3")
        while loader.unread:
            await asyncio.sleep(0)
    assert served.loaded == 1
    await served.wait_for("com.example.n3")  # returns: it is loaded


async def test_a_damaged_app_that_is_asked_for_is_given_up_at_once(tmp_path):
    truth = a_truth(tmp_path)
    loader, served = a_loader(truth)
    await loader.start({APP: Head(1, "0" * 64)}, limit=0)
    async with at_work(loader):
        await served.wait_for(APP)
        assert served.unserved == {APP} and served.is_unserved(APP) and not served.is_awaited(APP)
        await served.wait_for(APP)  # returns: waiting would not help


async def test_a_newer_revision_of_an_app_that_was_let_go_is_what_the_next_ask_gets(tmp_path):
    truth = a_truth(tmp_path)
    loader, served = a_loader(truth, kept_limit=0)
    await loader.start({APP: truth.releases.head(APP)})
    newer = publish(truth, "1.0.1").head
    assert await loader.load({APP: newer}) == []
    assert served.snapshot(APP) is None
    async with at_work(loader):
        await served.wait_for(APP)
    assert served.snapshot(APP).revision == newer.revision


async def test_of_many_announced_apps_the_loaded_ones_are_current_at_once(tmp_path):
    truth = a_truth(tmp_path)
    loader, served = a_loader(truth)
    heads = many_apps(truth, ANNOUNCED_LIMIT + 2)
    last = list(heads)[-1]
    await loader.load({last: heads[last]})
    truth.releases.commit(last, a_change(DeleteApp(app=last)))
    heads[last] = truth.releases.last_head(last)
    await loader.load(heads)
    assert served.snapshot(last).revision == heads[last].revision
    assert loader.unread == 1


async def test_a_bug_with_one_app_keeps_no_other_from_being_loaded(tmp_path, caplog):
    truth = a_truth(tmp_path)
    heads = {"com.example.gone": Head(3, "0" * 64), APP: truth.releases.head(APP)}
    truth.store.create(revision_key("com.example.gone", 2, "1" * 64), b"not a revision")

    def withdrawn_of(app):
        raise RuntimeError("a bug")

    served = ServedSnapshots(truth.store, FirstAsks(PROMPT_SECONDS))
    loader = SnapshotLoader(SnapshotBuilder(truth.store, withdrawn_of=withdrawn_of), served)
    await loader.start(heads, limit=0)
    async with at_work(loader):
        await served.wait_for("com.example.gone")
        await served.wait_for(APP)
    assert served.snapshot(APP) and served.unserved == {"com.example.gone"}
    assert "a bug" in caplog.text


async def test_new_terms_reach_every_loaded_app(tmp_path):
    truth = a_truth(tmp_path)
    served, terms = ServedSnapshots(truth.store, FirstAsks(PROMPT_SECONDS)), [FILES_ALWAYS]
    loader = SnapshotLoader(SnapshotBuilder(truth.store, terms=lambda: terms[0]), served)
    await loader.load({APP: publish(truth, "1.0.1").head})
    before = served.snapshot(APP)
    terms[0] = FormTerms(Prefer.ZIP)
    loader.choose_again()
    async with at_work(loader):
        while served.snapshot(APP) is before:
            await asyncio.sleep(0)
    assert served.snapshot(APP).terms == terms[0]
    assert next(served.snapshot(APP).channels["production"].offers()).forms.others
