"""What a collection deletes, keeps and refuses; each world is a store of real releases, looked at days later."""

import os
import time

import pytest
from factories import APP, a_change, a_manifest, digest
from truths import Truth, a_channel, a_published, a_released_truth, exit_code, fork, publish, put_blob

from edge.domain.changes.commands import DeleteBundle, PublishBundle, Undo
from edge.domain.errors import Conflict, Invalid, Unavailable
from edge.store.heads import shard_of
from edge.store.healing import keep_bytes
from edge.store.key_set import read_trust
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key, head_key
from edge.store.stored_document import digest_of
from edge.store.upkeep.collect import Collector

DAY = 86_400.0
RETENTION_DAYS = 90


@pytest.fixture
def truth(tmp_path):
    """Offers 1.0.1; 1.0.2 was deleted at the last change. Changes are dated now, as their files are."""
    truth = a_released_truth(tmp_path / "node")
    truth.commit(PublishBundle(bundle=a_published(truth, "1.0.2")), at=time.time())
    truth.commit(DeleteBundle(version="1.0.2"), at=time.time())
    return truth


def collect(truth, days, *, dry_run=False, retention_days=RETENTION_DAYS):
    now, retention = time.time() + days * DAY, retention_days * DAY
    collector = Collector(
        truth.store, lambda: read_trust(truth.store, truth.top, compare=True), now=now, retention_seconds=retention
    )
    return collector.run(dry_run=dry_run, reach=lambda *progress: None)


def has(truth, version):
    wanted = (digest(f"zip {version}"), digest_of(a_manifest(version)), digest(f"index.html{version}"))
    (held,) = {truth.store.has(blob_key(each)) for each in wanted}
    return held


def test_nothing_is_collected_while_an_undo_can_go_back_to_it(truth):
    assert collect(truth, RETENTION_DAYS - 1).removed == (0, 0)
    truth.commit(Undo(revision=truth.releases.head(APP).revision, latest=True), at=time.time())
    assert has(truth, "1.0.2")


def test_what_was_replaced_before_the_retention_is_collected(truth):
    found = collect(truth, RETENTION_DAYS + 1)
    assert found.removed.files == 6 and found.removed.bytes > 0
    assert not has(truth, "1.0.2") and has(truth, "1.0.1")


def test_an_undo_to_what_was_collected_is_refused_with_the_missing_blobs(truth):
    collect(truth, RETENTION_DAYS + 1)
    before = truth.releases.head(APP)
    with pytest.raises(Invalid, match=r"of bundle '1\.0\.2' is not in the store"):
        truth.commit(Undo(revision=before.revision, latest=True), at=time.time())
    assert truth.releases.head(APP) == before


def test_a_dry_run_deletes_nothing_and_counts_the_same(truth):
    would = collect(truth, RETENTION_DAYS + 1, dry_run=True)
    assert has(truth, "1.0.2")
    assert collect(truth, RETENTION_DAYS + 1).removed == would.removed


def test_an_upload_that_was_never_committed_is_held_for_two_days(truth):
    put_blob(truth, b"abandoned")
    young = collect(truth, 1.9)
    assert (young.removed, young.held) == ((0, 0), (1, 9))
    assert collect(truth, 2.1).removed == (1, 9)


def test_a_promised_blob_is_held(truth):
    """A publisher was told two years later that the old blob is there already."""
    put_blob(truth, b"old")
    now = time.time() + 730 * DAY
    truth.store._promises.add([digest("old")], now)
    assert collect(truth, 731).held.files == 1
    assert collect(truth, 733.5).removed.files > 0
    assert not truth.store.has(blob_key(digest("old")))


def test_a_repeated_upload_is_a_promise(truth):
    put_blob(truth, b"old")
    keep_bytes(truth.store, b"old")
    assert digest("old") in truth.store.promised(time.time())


def test_what_is_committed_between_the_look_and_the_deletion_stays(truth):
    """The publisher comes in the middle: after the first block of deletions."""
    for n in range(FsStore.removal_block + 1):
        put_blob(truth, f"abandoned {n}".encode())
    bundle = a_published(truth, "1.0.9")
    change = a_change(PublishBundle(bundle=bundle, channel="production"), at=time.time())
    refused = []

    def reach(stage, done, total):
        if stage == "blobs collected" and not refused:
            try:
                truth.releases.commit(APP, change)
                refused.append("")
            except Invalid as error:
                refused.append(error.code)

    now = time.time() + 3 * DAY
    collector = Collector(
        truth.store,
        lambda: read_trust(truth.store, truth.top, compare=True),
        now=now,
        retention_seconds=RETENTION_DAYS * DAY,
    )
    collector.run(dry_run=False, reach=reach)
    # Either the commit was first, and every blob stays, or a blob went first, and the commit was refused.
    published = "1.0.9" in truth.releases.load(APP).bundles
    assert refused == ([""] if published else ["missing_blob"])
    assert not published or has(truth, "1.0.9")


def test_commits_of_another_process_never_refer_to_what_was_collected(truth):
    """A process publishes while this one collects as if two days had gone by, again and again."""

    def publisher():
        own = Truth(truth.top)
        for n in range(20):
            try:
                publish(own, f"2.0.{n}", at=time.time())
            except Invalid as error:
                assert error.code == "missing_blob"

    child = fork(publisher)
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        collect(truth, 3)
    assert exit_code(child) == 0
    for version, bundle in truth.releases.load(APP).bundles.items():
        assert truth.store.has(blob_key(bundle.zip)) and truth.store.has(blob_key(bundle.manifest)), version
        assert truth.store.has(blob_key(digest(f"index.html{version}blob")))


DAMAGED = {
    "a head": lambda truth: head_key(shard_of(APP)),
    "the revision": lambda truth: next(truth.store.keys(f"apps/{APP}/revisions/5-")),
    "a manifest": lambda truth: blob_key(digest_of(a_manifest("1.0.1"))),
}


@pytest.mark.parametrize("what", DAMAGED)
@pytest.mark.parametrize("lost", [True, False])
def test_nothing_is_collected_while_something_is_damaged(truth, what, lost):
    path = truth.store.path(DAMAGED[what](truth))
    content = path.read_bytes()
    path.unlink()
    if not lost:
        path.write_bytes(content[:-1] + b"~")
    with pytest.raises(Unavailable, match="edge store verify"):
        collect(truth, RETENTION_DAYS + 1)
    assert has(truth, "1.0.2")


def test_a_lost_manifest_that_only_an_undo_needs_does_not_stop_a_collection(truth):
    truth.store.path(blob_key(digest_of(a_manifest("1.0.2")))).unlink()
    put_blob(truth, b"abandoned")
    assert collect(truth, 3).removed.files == 1 + 4  # the files that it named go, too


def test_nothing_is_collected_from_a_store_that_went_back(truth):
    """Its older head does not refer to what the newer one did."""
    path = truth.head_file()
    old = path.read_bytes()
    truth.commit(PublishBundle(bundle=a_published(truth, "1.0.3"), channel="production"), at=time.time())
    path.write_bytes(old)
    with pytest.raises(Unavailable, match="rolled back"):
        collect(truth, 3)
    assert has(truth, "1.0.3")


def test_one_collection_at_a_time(truth):
    with truth.store.collecting(), pytest.raises(Conflict, match="another process holds"):
        collect(truth, 3)


def test_revisions_are_never_deleted(truth):
    before = list(truth.store.keys("apps/"))
    collect(truth, 10_000, retention_days=7)
    assert list(truth.store.keys("apps/")) == before


def test_a_clock_that_was_behind_at_a_change_does_not_shorten_the_retention(truth):
    truth.commit(a_channel("beta"), at=0.0)
    assert collect(truth, RETENTION_DAYS - 1).removed == (0, 0)
