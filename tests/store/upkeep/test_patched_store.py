"""Patches in the upkeep of a store: found, exported, kept and collected with their bundle, and no reason to stop."""

import time
from dataclasses import replace

import msgspec
import pytest
from factories import APP, digest
from test_collect import RETENTION_DAYS, collect
from test_export import exported, imported
from test_verify_store import verified
from truths import a_published, a_released_truth, put_blob

from edge.domain.changes.commands import DeleteBundle, PublishBundle
from edge.domain.errors import Invalid
from edge.domain.patches.document import Patch, encode_patches
from edge.node.proving.scrub_messages import ScrubApp
from edge.node.proving.scrub_process import Pacer, Scrub
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.store.objects.files import StoreFiles
from edge.store.objects.port import blob_key
from edge.store.upkeep.damaged import ObjectKind

STREAM = b"stands for a dcz stream"
PATCH = Patch(digest("new"), digest("old"), digest("stands for a dcz stream"), len(STREAM))
DOCUMENT = encode_patches([PATCH])


@pytest.fixture
def truth(tmp_path):
    """Offers 1.0.2, which has a patch."""
    truth = a_released_truth(tmp_path / "node")
    bundle = replace(a_published(truth, "1.0.2"), patches=put_blob(truth, DOCUMENT))
    put_blob(truth, STREAM)
    truth.commit(PublishBundle(bundle=bundle, channel="production"), at=time.time())
    truth.commit(PublishBundle(bundle=a_published(truth, "1.0.3"), channel="production"), at=time.time())
    truth.releases.refresh(time.time())
    truth.store.create("access/tokens.json", b"tokens")
    return truth


def has_patch(truth):
    (held,) = {truth.store.has(blob_key(each)) for each in (PATCH.blob, digest(DOCUMENT.decode()))}
    return held


def lose(truth, content):
    truth.store.path(blob_key(digest(content.decode()))).unlink()


def test_patches_stay_as_long_as_their_bundle(truth):
    assert verified(truth, now=time.time()).damages == ()
    collect(truth, RETENTION_DAYS + 1)
    assert has_patch(truth)
    truth.commit(PublishBundle(bundle=a_published(truth, "1.0.4"), channel="production"), at=time.time())
    truth.commit(DeleteBundle(version="1.0.2"), at=time.time())
    collect(truth, RETENTION_DAYS + 1)
    assert not has_patch(truth)


@pytest.mark.parametrize("lost", [STREAM, DOCUMENT], ids=["a patch", "their document"])
def test_a_lost_patch_is_said_and_stops_neither_collection_nor_export(truth, tmp_path, lost):
    lose(truth, lost)
    (damage,) = verified(truth, now=time.time()).damages
    assert (damage.kind, damage.fault, damage.name) == (ObjectKind.PATCHES, "missing", "1.0.2")
    collect(truth, RETENTION_DAYS + 1)
    imported(exported(truth), tmp_path / "other")


def test_an_altered_patch_is_found(truth):
    truth.store.path(blob_key(PATCH.blob)).write_bytes(b"x" * len(STREAM))
    (damage,) = verified(truth, now=time.time()).damages
    assert (damage.kind, damage.fault) == (ObjectKind.PATCHES, "bad_digest")


def test_an_export_has_the_patches(truth, tmp_path):
    imported(exported(truth), tmp_path / "other")
    other = StoreFiles(tmp_path / "other" / "store")
    assert other.get(blob_key(PATCH.blob)).data == STREAM


def test_a_bundle_whose_patches_were_never_uploaded_is_not_committed(truth):
    missing = replace(a_published(truth, "1.0.4"), patches=digest("nowhere"))
    with pytest.raises(Invalid, match=r"patches of bundle 1\.0\.4"):
        truth.commit(PublishBundle(bundle=missing))
    document = encode_patches([PATCH._replace(blob=digest("nowhere"))])
    with pytest.raises(Invalid, match="patch to"):
        truth.commit(PublishBundle(bundle=replace(missing, patches=put_blob(truth, document))))


def offered(truth):
    return SnapshotBuilder(truth.store).build(APP, truth.releases.head(APP), time.time())


def test_a_snapshot_finds_the_patches_of_what_it_can_offer(truth):
    """1.0.2 is a way back."""
    assert offered(truth).patch_to(PATCH.new, PATCH.old) == PATCH.blob
    lose(truth, DOCUMENT)
    assert offered(truth).patch_to(PATCH.new, PATCH.old) is None


def test_a_damaged_patch_is_left_out(truth):
    builder = SnapshotBuilder(truth.store, damaged=lambda: frozenset({PATCH.blob}))
    snapshot = builder.build(APP, truth.releases.head(APP), time.time())
    assert snapshot.patch_to(PATCH.new, PATCH.old) is None
    assert snapshot.names_blob(PATCH.blob)


def test_a_revision_from_before_patches_has_none(truth):
    bundle = truth.releases.load(APP).bundles["1.0.3"]
    document = msgspec.json.decode(msgspec.json.encode(bundle))
    del document["patches"]
    assert msgspec.convert(document, type(bundle)) == bundle


@pytest.mark.parametrize("lost", [STREAM, DOCUMENT], ids=["a patch", "their document"])
def test_the_daily_scrub_reads_patches(truth, lost):
    lose(truth, lost)
    head = truth.releases.head(APP)
    scrub = Scrub(truth.store, Pacer(1e12, time.monotonic, lambda seconds: None), time.time())
    (report,) = scrub.reports(ScrubApp(APP, head.revision, head.digest))
    assert report.suspects == [digest(lost.decode())]
