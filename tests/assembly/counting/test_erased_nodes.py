"""An erasure goes on until every node has sent what it had of the device, and has erased its own."""

import time

import msgspec
import pytest
from telemetry_lines import APP, line, write_segment

from edge.assembly.counting.erasing_devices import ErasingDevices, missing_erasure
from edge.assembly.counting.shown_behaviour import ShownBehaviour
from edge.config import Telemetry
from edge.domain.guarding.reported import ReportedUntil
from edge.node.processes.data_paths import DataPaths
from edge.telemetry.folding.fold import fold
from edge.telemetry.upkeep.erasures import note_erasure, pending_erasures

ASKED = 1_800_000_000.0
EU = ReportedUntil("a1", "eu-1", "eu", int(ASKED * 1000) + 15_000, 0, int(ASKED * 1000))


@pytest.fixture
def paths(tmp_path):
    found = DataPaths(tmp_path)
    for each in (found.node_dir, found.spool_dir.parent, found.spool_dir):
        each.mkdir(exist_ok=True)
    write_segment(found.spool_dir, [line()])
    fold(found.spool_dir, found.counts_database, now=ASKED)
    return found


def test_a_node_is_waited_for_until_it_has_sent_all_and_erased_its_own(paths):
    erasure = note_erasure(paths.erasures_dir, APP, "d", ASKED)
    assert missing_erasure((EU,), erasure) == ()
    behind = msgspec.structs.replace(EU, until_ms=EU.until_ms - 1)
    keeps = msgspec.structs.replace(EU, erased_until_ms=EU.erased_until_ms - 1)
    assert missing_erasure((EU, behind, keeps), erasure) == (behind, keeps)


def test_what_a_node_sends_late_is_erased_too(paths):
    asked = time.time()
    sent = msgspec.structs.replace(EU, until_ms=int(asked * 1000) + 15_000, erased_until_ms=int(asked * 1000))
    note_erasure(paths.erasures_dir, APP, "d", asked)
    erasing(paths, msgspec.structs.replace(sent, until_ms=0)).carry_on()
    assert len([*pending_erasures(paths.erasures_dir)]) == 1
    write_segment(paths.spool_dir, [line()], worker=7)
    fold(paths.spool_dir, paths.counts_database, now=asked)
    later = erasing(paths, sent)
    later.carry_on()
    assert later.rows_erased > 0 and [*pending_erasures(paths.erasures_dir)] == []


def erasing(paths, *nodes):
    """Of a process that just began."""
    found = ErasingDevices(paths, Telemetry(), ShownBehaviour(paths.counts_database, paths.behaviour_table))
    found.nodes = nodes
    return found
