"""Reports on their way home: there exactly once, whatever is lost, killed or put back on the way."""

import shutil

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sending_world import NODE, SendingWorld, a_receiving
from telemetry_lines import APP, stored

from edge.domain.errors import Invalid
from edge.regions.sending import outgoing, receiving
from edge.regions.sending.sent_keeping import keep_for_home
from edge.regions.sending.sent_words import ErasureWanted
from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.segment import COMING, KEPT, LIVE, SEALED, SegmentWriter, list_segments
from edge.telemetry.upkeep.keeping import finished_segments


def versions(lines):
    return sorted(line.split(b'"version": "')[1].split(b'"')[0] for line in lines)


@pytest.fixture
def world(tmp_path):
    return SendingWorld(tmp_path)


async def test_what_is_being_written_is_sent_frame_by_frame(world):
    world.write(3)
    await world.sender.round()
    assert versions(world.at_home()) == versions(world.written)
    (coming,) = list_segments(world.home_dir)
    assert coming.suffix == COMING
    world.write(2)
    await world.sender.round()
    assert versions(world.at_home()) == versions(world.written)


def unfinished_bytes(world):
    return [path.stat().st_size for path in world.home_dir.glob(f"*{COMING}")]


async def test_segments_that_are_not_whole_take_a_part_of_the_room_and_all_arrive_in_the_end(world, monkeypatch):
    monkeypatch.setattr(receiving, "COMING_LIMIT_BYTES", 0)
    world.receiving = a_receiving(world.home_dir, world.folder / "reports.json", limit_bytes=100_000)
    most = 100_000 * receiving.UNFINISHED_SHARE
    for _ in range(4):
        for worker in range(12):
            world.write(8, worker=worker)
        await world.try_round()
        held = unfinished_bytes(world)
        assert sum(held) - max(held) <= most < len(world.written) * 300
    for worker in reversed(range(12)):
        world.seal(worker)
    world.now += 3_600
    for _ in range(3):
        await world.try_round()
    assert versions(world.at_home()) == versions(world.written)
    assert unfinished_bytes(world) == []


async def test_what_a_forgotten_node_has_begun_to_send_makes_room_once_it_is_counted(world):
    world.write(5)
    await world.sender.round()
    await world.receiving.forget(NODE)
    assert [path.suffix for path in list_segments(world.home_dir)] == [SEALED]
    world.fold()
    assert finished_segments(world.database)


async def test_a_whole_segment_is_sealed_at_home_and_has_the_same_bytes(world):
    world.write(5)
    world.seal()
    (here,) = list_segments(world.region_dir)
    content = here.read_bytes()
    await world.sender.round()
    (there,) = list_segments(world.home_dir)
    assert (there.suffix, there.stem, there.read_bytes()) == (SEALED, here.stem, content)


async def test_what_home_has_is_kept_compressed(world):
    world.write(5)
    world.seal()
    await world.sender.round()
    world.now += 60
    await world.sender.round()
    assert [path.suffix for path in list_segments(world.region_dir)] == [KEPT]


async def test_a_segment_that_a_killed_worker_left_goes_to_its_end(world):
    world.write(5)
    world.kill_workers()
    await world.sender.round()
    assert [path.suffix for path in list_segments(world.home_dir)] == [SEALED]
    assert [path.suffix for path in list_segments(world.region_dir)] != [LIVE]


async def test_a_lost_answer_changes_nothing(world):
    world.write(5)
    world.breaks = lambda number: "answer" if number == 1 else ""
    assert not await world.try_round()
    assert await world.try_round()
    assert versions(world.at_home()) == versions(world.written)


async def test_a_large_segment_goes_in_pieces(world):
    for _ in range(6):
        world.write(12_000)
    await world.sender.round()
    assert versions(world.at_home()) == versions(world.written)
    assert world.sender.sent_bytes > 2 * outgoing.PIECE_BYTES and world.sender.sent_pieces >= 3


async def test_a_torn_end_at_home_is_cut_off_and_sent_again(world):
    world.write(5)
    await world.sender.round()
    (coming,) = list_segments(world.home_dir)
    with coming.open("ab") as file:
        file.write(b"\x05\0\0\0torn")
    world.restart_home()
    world.write(2)
    await world.finish()
    assert versions(world.at_home()) == versions(world.written)


async def test_damage_at_the_region_keeps_the_offsets(world):
    world.write(1)
    world.write(1)
    world.write(1)
    world.seal()
    (path,) = list_segments(world.region_dir)
    content = bytearray(path.read_bytes())
    second = content.index(b"1.0.2")
    content[second] ^= 0xFF
    path.write_bytes(content)
    await world.finish()
    (there,) = list_segments(world.home_dir)
    assert there.stat().st_size == len(content)
    assert versions(stored(world.home_dir)) == [b"1.0.1", b"1.0.3"]


async def test_home_put_back_to_a_backup_gets_again_what_is_here_and_is_told_what_is_lost(world, caplog):
    world.write(3)
    world.seal()
    await world.sender.round()
    world.copy_home()
    for worker in (1, 2):
        world.write(4, worker=worker)
        world.seal(worker)
    await world.sender.round()
    world.restore_home()
    gone = next(path for path in list_segments(world.region_dir) if f"{NODE}-2-" in path.name)
    gone.unlink()
    await world.finish()
    assert versions(world.at_home()) == sorted(f"1.0.{n}".encode() for n in range(1, 8))
    assert world.sender.lost_segments == 1 and "lost" in caplog.text and gone.stem in caplog.text


async def test_what_was_counted_and_deleted_at_home_is_not_sent_again(world):
    world.write(3)
    world.seal()
    await world.sender.round()
    world.fold()
    for path in list_segments(world.home_dir):
        path.unlink()
    (world.folder / "sent.json").unlink()
    world.restart_home()
    world.restart_region()
    await world.sender.round()
    assert list_segments(world.home_dir) == []


async def test_until_when_all_is_sent_is_told_by_homes_clock(world):
    world.region_skew = -3_600.0
    world.write(3)
    began = world.now
    await world.sender.round()
    (of_node,) = world.receiving.ledger.nodes()
    assert of_node.all_until_ms == int(began * 1000)
    assert of_node.clock_off_ms == -3_600_000


async def test_nobody_is_told_that_all_is_sent_while_something_is_not(world):
    world.write(3)
    await world.sender.round()
    (before,) = world.receiving.ledger.nodes()
    world.now += 30
    world.write(3)
    world.breaks = lambda number: "lost" if world.requests[number][0] == "PUT" else ""
    assert not await world.try_round()
    (after,) = world.receiving.ledger.nodes()
    assert after.all_until_ms == before.all_until_ms


async def test_it_hurries_while_a_guard_may_act(world):
    await world.sender.round()
    assert world.sender.pause_seconds == 10.0
    world.acts = True
    await world.sender.round()
    assert world.sender.pause_seconds == 1.0


async def test_a_segment_that_home_refuses_is_kept_and_named(world, caplog):
    world.write(1)
    answer = world._answer

    async def refuse(method, path, query, body):
        if method == "PUT":
            raise Invalid("newer_segment", "format 4")
        return await answer(method, path, query, body)

    world._answer = refuse
    await world.sender.round()
    (name,) = world.sender.refused
    assert name in caplog.text and world.receiving.ledger.nodes()[0].all_until_ms == 0
    world._answer = answer
    await world.finish()
    assert world.sender.refused == {} and versions(world.at_home()) == versions(world.written)


async def test_a_home_that_never_takes_anything_is_not_asked_for_ever(world):
    world.write(1)
    answer = world._answer

    async def forget(method, path, query, body):
        if method == "PUT":
            query, body = query | {"offset": "5"}, b""
        return await answer(method, path, query, body)

    world._answer = forget
    assert not await world.try_round()
    assert len(world.requests) < 10


def test_what_home_does_not_have_is_never_deleted_and_the_rest_makes_room(tmp_path):
    paths = []
    for worker in range(4):
        writer = SegmentWriter(tmp_path, NODE, worker, now=1e9)
        writer.append([b"x" * 100_000])
        writer.seal()
        paths.append(writer.path.with_suffix(SEALED))
    sent = {paths[0].stem, paths[1].stem}
    kept = keep_for_home(tmp_path, sent, now=1e9, keep_seconds=1e9, limit_bytes=300_000)
    left = {path.stem for path in list_segments(tmp_path)}
    assert left == {paths[2].stem, paths[3].stem} and kept.waiting_bytes >= 200_000
    assert {path.suffix for path in list_segments(tmp_path)} == {KEPT}  # crowded: a tenth of it


async def test_a_device_is_erased_from_what_a_region_keeps_once_home_has_it_whole(world):
    world.write(2)
    world.seal()
    await world.sender.round()
    world.write(1)  # on its way
    asked_ms = int(world.now * 1000)
    world.erasures = [ErasureWanted(app=APP, device="d", asked_ms=asked_ms, until_ms=asked_ms + 15_000)]
    world.now += 30
    await world.sender.round()
    await world.sender.round()
    assert sorted(b"1.0." in _text(path) for path in list_segments(world.region_dir)) == [False, True]
    assert world.receiving.ledger.nodes()[0].erased_until_ms < asked_ms
    world.seal()
    await world.sender.round()
    await world.sender.round()
    assert [b"1.0." in _text(path) for path in list_segments(world.region_dir)] == [False, False]
    assert world.receiving.ledger.nodes()[0].erased_until_ms >= asked_ms


def _text(path):
    with open_segment(path) as file:
        return file.read()


STEPS = st.sampled_from(
    ["write", "write", "seal", "kill workers", "round", "lost", "answer", "restart home", "torn home", "restart region",
     "fold", "forget journal", "compress"]
)  # fmt: skip


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(STEPS, st.integers(0, 2), st.integers(0, 6)), max_size=25))
async def test_every_report_is_at_home_exactly_once(tmp_path_factory, steps):
    world = SendingWorld(tmp_path_factory.mktemp("sending"))
    for step, worker, number in steps:
        world.now += number
        match step:
            case "write":
                world.write(1 + number, worker=worker)
            case "seal":
                world.seal(worker)
            case "kill workers":
                world.kill_workers()
            case "round":
                await world.sender.round()
            case "lost" | "answer":
                at = len(world.requests) + number
                world.breaks = lambda n, at=at, step=step: step if n == at else ""
                await world.try_round()
                world.breaks = lambda n: ""
            case "restart home":
                world.restart_home()
            case "torn home":
                for path in list_segments(world.home_dir):
                    if path.suffix == COMING:
                        with path.open("ab") as file:
                            file.write(bytes(range(number)))
                world.restart_home()
            case "restart region":
                world.restart_region()
            case "fold":
                world.fold()
            case "forget journal":
                (world.folder / "sent.json").unlink(missing_ok=True)
                world.restart_region()
            case "compress":
                world.now += 30
                await world.try_round()
    await world.finish()
    world.fold()
    assert versions(world.at_home()) == versions(world.written)
    assert {path.suffix for path in list_segments(world.home_dir)} <= {SEALED}


@pytest.mark.parametrize("asked", [True, False])
async def test_what_a_copy_of_the_node_ended_at_home_is_not_taken_for_whole(world, asked):
    """A copied data directory has the segment without its writer, and says that it is whole."""
    world.write(3)
    await world.sender.round()
    (path,) = list_segments(world.region_dir)
    end = path.stat().st_size
    await world.receiving.take(NODE, path.stem, end, 0, zstandard.ZstdCompressor().compress(b""), whole=True)
    world.write(2)
    said = world.sender.sent_until_ms
    world.now += 10
    if asked:
        world.restart_region()
    await world.try_round()
    assert "copy of this data directory" in world.sender.refused[path.stem]
    assert world.sender.sent_until_ms in (0, said)
    world.seal()
    await world.try_round()
    assert path.stem in world.sender.refused and len(list_segments(world.region_dir)) == 1


async def test_a_region_put_back_to_an_older_disk_sends_what_is_new_and_home_keeps_what_it_had(world):
    world.write(3)
    await world.sender.round()
    shutil.copytree(world.region_dir, world.folder / "snapshot")
    world.write(2)
    await world.sender.round()
    world.kill_workers()
    shutil.rmtree(world.region_dir)
    shutil.copytree(world.folder / "snapshot", world.region_dir)
    (world.folder / "sent.json").unlink(missing_ok=True)
    world.restart_region()
    world.write(4)
    await world.finish()
    assert versions(world.at_home()) == versions(world.written)
    assert not world.sender.refused


async def test_home_is_asked_again_after_each_round_that_failed(world):
    world.write(3)
    world.seal()
    await world.sender.round()
    world.breaks = lambda number: "lost"
    world.write(1)
    assert not await world.try_round()
    world.breaks = lambda number: ""
    for path in list_segments(world.home_dir):  # home comes back from a backup of before
        path.unlink()
    world.restart_home()
    assert await world.try_round()
    assert versions(world.at_home()) == versions(world.written)
