"""The way to the spool: in order, again if it was refused, and all of it before a worker leaves."""

import errno
from array import array
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from decision_world import a_view
from factories import APP, a_check
from histories import a_history
from telemetry_lines import no_sync, stored

from edge.domain.decision.decide import decide
from edge.domain.facts import NO_FACTS
from edge.domain.schedule.rollout import Moment
from edge.node.service.heard import hand_over as hand_over_module
from edge.node.service.heard.check_notes import CheckNotes, TakenChecks
from edge.node.service.heard.delivery_counts import DeliveryCounts, SentBlob
from edge.node.service.heard.hand_over import HandOver, TakenCounts, lines_of
from edge.node.service.heard.kinds import labels_of_check
from edge.telemetry.spool.record import DeliveredLine, HeardLine, parse_line
from edge.telemetry.spool.spool import RECORD_LIMIT_BYTES, Spool

NOW = 1_760_000_000.0
MOMENT = Moment(NOW, NOW)
SNAPSHOT = a_view(a_history(()).state)


class World:
    def __init__(self, folder, sync, now):
        self.folder, self.counts, self.now = folder, Counter(), now
        self.spool = Spool(folder, "node", 1, sync=sync)
        self.notes = CheckNotes(self.counts, NOW)
        self.deliveries = DeliveryCounts(lambda app: SNAPSHOT, self.counts)
        self.hand_over = HandOver(
            self.notes, self.deliveries, self.spool, self.counts, worker="node-1", now=lambda: self.now
        )

    def check(self, **changes):
        check = a_check(**changes)
        self.notes.note(SNAPSHOT, check, decide(SNAPSHOT, check, MOMENT), NO_FACTS, MOMENT)

    def lines(self):
        return [parse_line(line) for line in stored(self.folder)]


@asynccontextmanager
async def a_world(folder, sync=no_sync, now=NOW):
    world = World(folder, sync, now)
    try:
        yield world
    finally:
        await world.spool.close()


async def test_what_was_counted_is_in_the_spool_with_its_stream_and_sequence(tmp_path):
    async with a_world(tmp_path) as world:
        world.check()
        world.check(app="com.example.other")
        world.deliveries.note(SentBlob(APP, "zip", "0" * 64, ""), 10, 10, 0.5)
        await world.hand_over.hand_over()
        world.now += 10
        world.check()
        await world.hand_over.hand_over()
    lines = world.lines()
    named = [line.heard if isinstance(line, HeardLine) else line.delivered for line in lines]
    assert [(each.stream, each.sequence, each.app) for each in named] == [
        (f"node-1-{int(NOW * 1000)}", 1, APP),
        (f"node-1-{int(NOW * 1000)}", 2, "com.example.other"),
        (f"node-1-{int(NOW * 1000)}", 3, APP),
        (f"node-1-{int(NOW * 1000)}", 4, APP),
    ]
    assert [line.received_ms - int(NOW * 1000) for line in lines] == [0, 0, 0, 10_000]
    assert isinstance(lines[2], DeliveredLine)
    assert [each.n for line in (lines[0], lines[3]) for each in line.heard.of] == [1, 1]
    assert world.counts == {"heard_lines": 4}


async def test_where_nothing_happened_nothing_is_written(tmp_path):
    async with a_world(tmp_path) as world:
        await world.hand_over.hand_over()
        await world.hand_over.finish()
    assert world.lines() == []


async def test_what_a_disk_refuses_is_sent_again_before_anything_newer(tmp_path):
    """The sequence has neither a gap nor two meanings, and no check is lost."""
    fails = [True, True, False]

    def sync(fd):
        if fails and fails.pop(0):
            raise OSError(errno.EIO, "bad disk")

    async with a_world(tmp_path, sync) as world:
        for _ in range(4):
            world.check()
            await world.hand_over.hand_over()
        await world.hand_over.finish()
    heard = [line.heard for line in world.lines()]
    assert [each.sequence for each in heard] == [*range(1, len(heard) + 1)]
    assert sum(count.n for each in heard for count in each.of) == 4
    assert world.counts["heard_lines_not_stored"] == 2 and world.counts["heard_lines"] == len(heard)


async def test_a_worker_that_leaves_hands_over_what_waited_and_what_came_since(tmp_path):
    fails = [True]

    def sync(fd):
        if fails:
            fails.pop()
            raise OSError(errno.EIO, "bad disk")

    async with a_world(tmp_path, sync) as world:
        world.check()
        await world.hand_over.hand_over()
        world.check()
        await world.hand_over.finish()
    assert sum(count.n for line in world.lines() for count in line.heard.of) == 2


async def test_two_runs_of_a_worker_are_two_streams(tmp_path):
    streams = set()
    for begun in (NOW, NOW + 1):
        async with a_world(tmp_path / str(begun), now=begun) as world:
            world.check()
            await world.hand_over.hand_over()
        streams.update(line.heard.stream for line in world.lines())
    assert len(streams) == 2


def noted(devices: int, n: int = 7, segments=()) -> TakenChecks:
    check = a_check()
    labels = labels_of_check(SNAPSHOT, check, decide(SNAPSHOT, check, MOMENT), NO_FACTS, NOW)
    return TakenChecks(NOW, [None, (labels, segments)], [0, n], array("q", range(devices)), array("H", [1]) * devices)


@pytest.mark.parametrize("checks", [[noted(200_000)], [noted(1, segments=("x" * 64,) * 100)] * 300, [noted(0)]])
def test_every_line_is_below_the_limit_of_a_record(checks):
    lines = list(lines_of(TakenCounts(NOW, checks, []), "s", iter(range(1, 1_000))))
    assert max(map(len, lines)) < RECORD_LIMIT_BYTES
    counts = [each for line in lines for each in parse_line(line).heard.of]
    assert sum(each.n for each in counts) == sum(sum(each.counts) for each in checks)
    assert sum(len(each.devices) for each in counts) == 8 * sum(len(each.keys) for each in checks)


async def test_many_lines_go_in_several_appends_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(hand_over_module, "APPEND_LIMIT_BYTES", 2_000)
    async with a_world(tmp_path) as world:
        for number in range(30):
            world.check(app=f"com.example.app{number}")
        await world.hand_over.hand_over()
    assert [line.heard.sequence for line in world.lines()] == [*range(1, 31)]
