"""A disk that becomes full is said once in the log, and once when it has room again."""

from edge.assembly.watching_room import ROOM_BYTES, WatchingRoom
from edge.store.disk.room import NoReserve
from edge.telemetry.spool.disk_budget import SPARE_BYTES


def test_one_line_at_each_change(tmp_path, caplog):
    watching = WatchingRoom(tmp_path, NoReserve())

    def said(*looks):
        caplog.clear()
        for free, whole in looks:
            watching.note(free, reserve_whole=whole)
        return [record.getMessage() for record in caplog.records]

    assert said((SPARE_BYTES, True), (1 << 40, True)) == []
    (line,) = said((SPARE_BYTES - 1, True), (0, True), (0, False))
    assert f"the disk of {tmp_path} is full" in line and "downloads" in line and "free some space" in line
    assert said((SPARE_BYTES, True), (ROOM_BYTES - 1, True), (ROOM_BYTES, False)) == []
    (line,) = said((ROOM_BYTES, True), (ROOM_BYTES, True))
    assert f"the disk of {tmp_path} has room again" in line
    (line,) = said((ROOM_BYTES, False))
    assert "is full or read-only" in line
