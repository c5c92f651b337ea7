"""A small fleet with a diary: its node counts the reports that were sent, and the recount is no fiction."""

import asyncio
from collections import Counter
from typing import NamedTuple

import pytest
import uvloop
from spooled import lines_of

from edge.telemetry.folding.counts import read_counts, read_duplicates
from edge.telemetry.folding.fold import fold
from edge.telemetry.spool.record import DeliveredLine, HeardLine, parse_line
from edge.wire.actions import OF_NODE
from tests.truth.diary import Came, Checked, Diary, HandedOver, Sent, Told, heard_at
from tests.truth.generations import NATIVE
from tests.truth.labels import Labels, labels_at
from tests.truth.recount import NATIVE_WORD, Recount, recount
from tests.truth.scenario import APP, VERSIONS, run

DEVICES, DAYS, SEED = 150, 5, 1


class Lived(NamedTuple):
    diary: Diary
    found: Recount
    counted: Counter
    duplicates: int
    heard: Counter  # checks by when they were handed over, and their labels
    delivered: Counter


async def live(folder) -> Lived:
    async def count(node):
        await asyncio.to_thread(
            fold,
            node.truth.spool_dir,
            node.truth.counts_database,
            now=node.now_ms / 1000,
            names_of=lambda app: frozenset(VERSIONS),
        )

    done = await run(folder, devices=DEVICES, days=DAYS, seed=SEED, each_hour=count, after_deed=count)
    await done.node.close()
    await count(done.node)
    counted = Counter()
    for each in read_counts(done.node.truth.counts_database, APP):
        if each.action not in OF_NODE:
            counted[NATIVE_WORD if each.bundle == NATIVE else each.bundle, each.action, each.platform] += each.n
    heard, delivered = Counter(), Counter()
    for line in map(parse_line, lines_of(done.node.truth.spool_dir)):
        if isinstance(line, HeardLine):
            for each in line.heard.of:
                of = each.cohort
                labels = Labels(*of.group, of.os, of.country, of.plugin)
                heard[line.received_ms, labels, each.runs, each.offered] += each.n
        elif isinstance(line, DeliveredLine):
            for each in line.delivered.of:
                delivered[each.bundle, "complete"] += each.complete
                delivered[each.bundle, "cut"] += each.cut
                delivered[each.bundle, "bytes"] += each.bytes
    duplicates = read_duplicates(done.node.truth.counts_database, APP)
    return Lived(done.diary, recount(done.diary), counted, duplicates, heard, delivered)


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Lived:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(live(tmp_path_factory.mktemp("fleet")))


@pytest.mark.long
def test_reports_are_counted_as_the_devices_sent_them(lived):
    recounted = Counter()
    for key, n in lived.found.sums.items():
        kind, _, action = key.subject.partition(":")
        if kind == "report":
            recounted[key.bundle, action, key.labels.platform] += n
    assert lived.counted == recounted
    assert lived.counted.total() > 20 * DEVICES


@pytest.mark.long
def test_checks_are_handed_over_with_the_labels_of_their_devices(lived):
    recounted, waiting = Counter(), []
    for entry in lived.diary.entries:
        if isinstance(entry, Checked):
            labels = labels_at(lived.diary, lived.diary.devices[entry.device], entry.at_ms)
            waiting.append((entry, labels, NATIVE_WORD if entry.runs == NATIVE else entry.runs, entry.offered))
        elif isinstance(entry, HandedOver):
            recounted.update((heard_at(check, entry), *each) for check, *each in waiting)
            waiting = []
    assert not waiting
    assert lived.heard == recounted


def test_what_was_sent_of_bundles_is_handed_over(lived):
    recounted = Counter()
    for entry in lived.diary.entries:
        if isinstance(entry, Sent):
            recounted[entry.bundle, "complete" if entry.complete else "cut"] += 1
            recounted[entry.bundle, "bytes"] += entry.bytes
    assert lived.delivered == recounted


def test_what_was_acknowledged_is_counted_or_came_again(lived):
    assert lived.diary.refused == 0
    taken = Counter(type(entry) for entry in lived.diary.entries)
    assert lived.diary.sent == taken[Told]
    assert 0 < taken[Told] - lived.counted.total() <= lived.found.again  # events of the app's own code came again, too
    assert lived.duplicates == lived.found.again + taken[Came]  # each outcome was told twice


def test_a_bundle_is_healthy_only_where_it_started(lived):
    journeys = [(device, *each) for device, person in lived.found.persons.items() for each in person.journeys.items()]
    healthy = {(device, bundle) for device, bundle, journey in journeys if journey.healthy}
    assert healthy and healthy <= lived.diary.works


def test_the_fleet_has_what_is_to_be_told_apart(lived):
    found, devices = lived.found, lived.diary.devices
    subjects = {key.subject for key in found.sums}
    assert {"session_crashed", "error", "check:offer", "report:update_fail", "event:purchase:plan"} <= subjects
    assert {each.kind for each in devices} == {"device", "emulator", "development"}
    assert {each.dated for each in devices} == {each.mute for each in devices} == {True, False}
    assert {session.end is None for session in found.sessions} == {True, False}
    sides = {key.labels.side.rpartition("/")[2] for key in found.sums}
    assert {"new", "control", "rest"} <= sides
    assert {key.labels.arm for key in found.sums} == {"", "experiment-1/plain", "experiment-1/bold"}
