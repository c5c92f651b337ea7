"""What a node remembers of its store: written after the store, made up for later, rebuilt when damaged."""

import os
import shutil

import pytest
from factories import APP, NOW
from truths import Truth, a_channel, a_released_truth

from edge.domain.errors import Conflict, Unavailable
from edge.regions.following.followed_releases import FollowedReleases
from edge.store.disk.seen import SeenDocuments, with_checksum, without_checksum
from edge.store.disk.set_aside import count_set_aside
from edge.store.heads import shard_of
from edge.store.key_set import KEY_SET_KEY


@pytest.fixture
def truth(tmp_path):
    return a_released_truth(tmp_path / "node")


def again(truth):
    return Truth(truth.top)


def seen_head(truth):
    return truth.top / "seen" / "heads" / f"{shard_of(APP)}.json"


def test_a_commit_is_remembered_by_its_very_bytes(truth):
    assert seen_head(truth).read_bytes() == truth.head_file().read_bytes()


def test_a_shard_that_is_only_signed_again_costs_no_write(truth):
    before = seen_head(truth).read_bytes()
    truth.releases.refresh(NOW + 1_000)
    assert truth.head_file().read_bytes() != before
    assert seen_head(truth).read_bytes() == before


def test_another_writers_commit_is_remembered_when_it_is_read(truth):
    other = again(truth)
    shutil.rmtree(truth.top / "seen")
    other.releases.heads()
    assert seen_head(truth).read_bytes() == truth.head_file().read_bytes()


def test_a_head_that_goes_back_between_two_starts_is_refused(truth):
    older = truth.head_file().read_bytes()
    truth.commit(a_channel("beta"))
    truth.head_file().write_bytes(older)
    restarted = again(truth)
    assert restarted.releases.heads()[APP].revision == 4
    assert list(restarted.releases.unserved) == [shard_of(APP)]
    with pytest.raises(Conflict, match="was rolled back from sequence 4 to 3"):
        restarted.commit(a_channel("gamma"))
    assert restarted.releases.refresh(NOW + 1_000) == 15
    assert truth.head_file().read_bytes() == older


def test_a_missing_shard_is_not_founded_anew(truth):
    truth.head_file().unlink()
    restarted = again(truth)
    assert restarted.releases.refresh(NOW) == 15
    with pytest.raises(Conflict, match="has vanished"):
        restarted.create(APP)
    assert set(restarted.releases.load(APP).bundles) == {"1.0.1"}


def test_a_node_that_remembers_nothing_sees_by_the_revisions_that_a_shard_is_missing(truth):
    truth.head_file().unlink()
    shutil.rmtree(truth.top / "seen")
    restarted = again(truth)
    assert restarted.releases.refresh(NOW) == 15
    with pytest.raises(Conflict, match=f"which has revisions of '{APP}'; restore"):
        restarted.create(APP)
    with pytest.raises(Unavailable, match="may be missing"):
        restarted.releases.load(APP)
    assert list(restarted.releases.unserved) == [shard_of(APP)]


def test_a_copy_that_has_revisions_and_not_yet_their_head_is_no_store_that_lost_one(truth, caplog):
    truth.head_file().unlink()
    shutil.rmtree(truth.top / "seen")
    copy = FollowedReleases(truth.store, Truth(truth.top).trust, "")
    assert copy.heads() == {} and not copy.unserved and not copy.problems
    assert not caplog.records


def test_an_app_with_revisions_and_without_a_head_is_not_created_anew(truth):
    lost = next(app for app in (f"com.example.app{n}" for n in range(200)) if shard_of(app) == shard_of(APP))
    without = truth.head_file().read_bytes()
    truth.create(lost)
    truth.commit(a_channel(), lost)
    truth.head_file().write_bytes(without)
    shutil.rmtree(truth.top / "seen")
    with pytest.raises(Conflict, match=f"has lost app '{lost}'"):
        again(truth).create(lost)


def test_the_first_revision_of_an_app_that_was_never_finished_is_no_past(tmp_path):
    truth = Truth(tmp_path / "node")
    truth.create()
    truth.head_file().unlink()
    shutil.rmtree(truth.top / "seen")
    again(truth).create()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 9])
def test_a_damaged_memory_is_said_and_learned_again(truth, content, caplog):
    seen_head(truth).write_bytes(content)
    restarted = again(truth)
    assert restarted.releases.heads()[APP].revision == 3
    assert restarted.trust.seen.damaged == 1
    assert "cannot be used and is written again" in caplog.text
    assert seen_head(truth).read_bytes() == truth.head_file().read_bytes()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_waited_for_and_gives_way(truth, make):
    seen_head(truth).unlink()
    make(seen_head(truth))
    restarted = again(truth)
    assert restarted.releases.heads()[APP].revision == 3
    assert (restarted.trust.seen.damaged, restarted.trust.seen.unwritten) == (1, 0)
    assert seen_head(truth).read_bytes() == truth.head_file().read_bytes()
    assert count_set_aside(*restarted.trust.seen.folders) == 1


@pytest.mark.parametrize("name", ["tokens.json", "writers.json"])
def test_no_pipe_holds_a_start(truth, name):
    pipe = truth.top / "seen" / name
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    restarted = again(truth)
    seen = SeenDocuments(truth.top)
    assert seen.read(name) == (truth.store.get(KEY_SET_KEY).data if name == "writers.json" else None)
    assert restarted.trust.seen.damaged + seen.damaged > 0


def test_a_memory_that_cannot_be_written_fails_no_change_and_is_made_up_for(truth, caplog):
    folder = truth.top / "seen"
    folder.rename(truth.top / "seen-before")
    folder.write_bytes(b"in the way")
    truth.commit(a_channel("beta"))
    assert truth.trust.seen.unwritten == 1
    assert "cannot remember" in caplog.text
    folder.unlink()
    truth.trust.seen.retry()
    assert truth.trust.seen.unwritten == 0
    assert seen_head(truth).read_bytes() == truth.head_file().read_bytes()


def test_a_start_writes_nothing_and_a_killed_write_leaves_nothing_in_the_way(tmp_path):
    seen = SeenDocuments(tmp_path)
    assert (seen.read("heads/a.json"), os.listdir(tmp_path)) == (None, [])
    seen.keep("heads/a.json", b"one")
    (tmp_path / "seen" / "heads" / f".a.json.{os.getpid()}.new").write_bytes(b"cut o")
    seen.keep("heads/a.json", b"two")
    assert (seen.read("heads/a.json"), os.listdir(tmp_path / "seen" / "heads")) == (b"two", ["a.json"])


def test_a_checksum_shows_every_flipped_bit():
    content = with_checksum(b'{"format":1}')
    assert without_checksum(content) == b'{"format":1}'
    for n in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[n // 8] ^= 1 << n % 8
        assert without_checksum(bytes(flipped)) is None
