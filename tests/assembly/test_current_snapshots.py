"""The supervisor builds an app's snapshot once per revision, and keeps few of them."""

import hashlib
import time

import pytest
from factories import APP, a_change, a_manifest
from node_world import a_truth, publish

from edge.assembly.current_snapshots import CurrentSnapshots
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import CreateApp, DeleteApp, SetOverride
from edge.domain.errors import NotFound
from edge.domain.model import AppId
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.store.objects.port import blob_key


@pytest.fixture
def truth(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    return truth


def kept(truth, **options) -> CurrentSnapshots:
    return CurrentSnapshots(truth.releases, SnapshotBuilder(truth.store), **options)


def test_a_revision_is_built_once(truth):
    snapshots = kept(truth)
    first = snapshots.load(APP)
    assert snapshots.load(APP) is first
    publish(truth, "1.0.2")
    second = snapshots.load(APP)
    assert second.revision == first.revision + 1
    assert snapshots.load(APP) is second


def test_a_state_of_the_latest_revision_is_the_kept_one_and_others_are_compiled(truth):
    snapshots = kept(truth)
    before = truth.releases.load(APP)
    assert snapshots.of(before, time.time()) is snapshots.load(APP)
    after = apply(before, a_change(SetOverride(device="00009a6b-eefe-490a-9c60-8e965132ae51", channel="production")))
    assert len(snapshots.compile(after, time.time()).overrides) == 1
    assert not snapshots.load(APP).overrides
    publish(truth, "1.0.2")
    assert snapshots.of(before, time.time()).revision == before.revision


def test_the_app_that_was_asked_about_longest_ago_goes_first(truth):
    others = [AppId(f"com.example.app{n}") for n in range(2)]
    for app in others:
        truth.releases.commit(app, a_change(CreateApp(app=app)))
    snapshots = kept(truth, limit=2)
    first, second = snapshots.load(APP), snapshots.load(others[0])
    assert snapshots.load(APP) is first
    snapshots.load(others[1])
    assert snapshots.load(APP) is first
    assert snapshots.load(others[0]) is not second


def test_a_snapshot_without_a_manifest_is_built_again(truth):
    key = blob_key(hashlib.sha256(a_manifest("1.0.1")).hexdigest())
    truth.store.path(key).unlink()
    snapshots = kept(truth)
    assert snapshots.load(APP).lost
    truth.store.create(key, a_manifest("1.0.1"))
    assert not snapshots.load(APP).lost


def test_a_deleted_app_has_no_latest_revision(truth):
    snapshots, state = kept(truth), truth.releases.load(APP)
    snapshots.load(APP)
    truth.releases.commit(APP, a_change(DeleteApp(app=APP)))
    with pytest.raises(NotFound):
        snapshots.load(APP)
    assert snapshots.of(state, time.time()).revision == state.revision
