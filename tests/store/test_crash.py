"""A publish that is killed before any one of its touches of the disk: the old release or the new one, never half."""

import hashlib
import shutil
from itertools import count
from pathlib import Path

import pytest
from factories import APP, NOW, a_change
from truths import KILLED, Truth, a_published, a_released_truth, die_at, exit_code, fork, publish

from edge.domain.changes.commands import PublishBundle
from edge.store.objects.fs import LEFTOVER_SECONDS
from edge.store.objects.port import blob_key

OLD, NEW, NEXT = "1.0.1", "1.0.2", "1.0.3"
CHANGE_ID = "the-publish-that-is-killed"


def killed_publish(top: Path, step: int) -> int:
    """Publish NEW in a child process that dies at `step`; its exit code."""

    def run() -> None:
        truth = Truth(top)
        die_at(step)
        publish(truth, NEW, id=CHANGE_ID)

    return exit_code(fork(run))


def offered(truth: Truth) -> str:
    """The release a reader sees, after looking at all of it."""
    state = truth.releases.load(APP)
    for bundle in state.bundles.values():
        for digest in (bundle.zip, bundle.manifest):
            assert hashlib.sha256(truth.store.path(blob_key(digest)).read_bytes()).hexdigest() == digest
    lines = truth.releases.history(APP, 100)
    assert [line.number for line in lines] == list(range(state.revision, 0, -1))
    version = state.channels["production"].bundle
    assert set(state.bundles) == ({OLD} if version == OLD else {OLD, NEW})
    assert truth.releases.problems == {}
    return version


def made_by(truth: Truth, change_id: str) -> int:
    return sum(1 for line in truth.releases.history(APP, 100) if line.change_id == change_id)


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
def test_a_publish_that_is_killed_anywhere_leaves_the_old_release_or_the_new_one(tmp_path, every):
    template = a_released_truth(tmp_path / "template").top
    seen = []
    for step in count(1, every):
        top = Path(shutil.copytree(template, tmp_path / str(step)))
        outcome = killed_publish(top, step)
        assert outcome in {0, KILLED}
        truth = Truth(top)
        seen.append(offered(truth))
        assert_work_goes_on(truth)
        if outcome == 0:
            break
    assert seen == sorted(seen)  # one commit point: old before it, new from it on
    assert {OLD, NEW} == set(seen)
    assert len(seen) > 40 // every
    assert seen.count(NEW) > 1  # killed after the commit point too


def assert_work_goes_on(truth: Truth) -> None:
    """No lock is held, the publisher's retry lands once, the next publish succeeds, and nothing is left over."""
    retried = a_change(PublishBundle(bundle=a_published(truth, NEW), channel="production"), id=CHANGE_ID)
    truth.releases.commit(APP, retried)
    assert (offered(truth), made_by(truth, CHANGE_ID)) == (NEW, 1)
    publish(truth, NEXT)
    assert truth.releases.load(APP).channels["production"].bundle == NEXT
    truth.store.remove_leftovers(NOW * 2 + LEFTOVER_SECONDS)
    assert list((truth.store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("every", [23, pytest.param(7, marks=pytest.mark.long)])
def test_two_kills_in_a_row_do_no_more_than_one(tmp_path, every):
    template = a_released_truth(tmp_path / "template").top
    for step in range(1, 200, every):
        top = Path(shutil.copytree(template, tmp_path / str(step)))
        outcomes = [killed_publish(top, step), killed_publish(top, step + 3)]
        truth = Truth(top)
        assert offered(truth) in {OLD, NEW}
        assert_work_goes_on(truth)
        if outcomes == [0, 0]:
            break
    assert outcomes == [0, 0]
