import pytest
from small_disk import a_small_disk

from edge.telemetry.spool.disk_budget import LOOK_SECONDS, SPARE_BYTES, DiskBudget, NoRoom, held_bytes
from edge.telemetry.spool.spool import Spool


def test_what_is_taken_counts_at_once_and_what_others_wrote_at_the_next_look(tmp_path):
    budget = DiskBudget(tmp_path, 1_000)
    budget.take(600, 0.0)
    with pytest.raises(NoRoom):
        budget.take(401, 0.1)
    budget.take(400, 0.1)
    (tmp_path / "theirs.seg").write_bytes(b"x" * 900)
    budget.take(100, LOOK_SECONDS)
    with pytest.raises(NoRoom):
        budget.take(1, LOOK_SECONDS)


def test_deleted_segments_make_room_again(tmp_path):
    (tmp_path / "old.sealed").write_bytes(b"x" * 1_000)
    budget = DiskBudget(tmp_path, 1_000)
    with pytest.raises(NoRoom):
        budget.take(1, 0.0)
    (tmp_path / "old.sealed").unlink()
    budget.take(1_000, LOOK_SECONDS)


def test_a_clock_set_back_does_not_stop_the_looks(tmp_path):
    budget = DiskBudget(tmp_path, 1_000)
    budget.take(1_000, 100.0)
    budget.take(1_000, 50.0)  # nothing was written: the next look finds it out


async def test_a_spool_without_room_refuses_and_goes_on_when_there_is_some(tmp_path):
    now = [1_000.0]
    directory = tmp_path / "spool"
    directory.mkdir()
    (directory / "old-0-0-0.sealed").write_bytes(b"x" * 4_000)
    spool = Spool(directory, "node", 0, clock=lambda: now[0], budget=DiskBudget(directory, 5_000))
    await spool.append([b"a" * 500])
    with pytest.raises(NoRoom):
        await spool.append([b"b" * 500])
    assert (spool.acknowledged, spool.failed) == (1, 1)
    assert held_bytes(directory) < 5_000
    (directory / "old-0-0-0.sealed").unlink()
    now[0] += LOOK_SECONDS
    await spool.append([b"b" * 500])
    await spool.close()
    assert spool.acknowledged == 2


def test_a_directory_that_is_not_there_yet_holds_nothing(tmp_path):
    assert held_bytes(tmp_path / "spool") == 0


def test_events_leave_room_for_what_counts_them(tmp_path):
    with a_small_disk(tmp_path / "disk") as disk:
        budget = DiskBudget(disk.path)
        disk.fill(spare=SPARE_BYTES + 8192)
        budget.take(8192, 0.0)
        with pytest.raises(NoRoom) as caught:
            budget.take(8193, 0.0)
        assert caught.value.code == "disk_full"
        disk.make_room()
        budget.take(8193, 0.0)
