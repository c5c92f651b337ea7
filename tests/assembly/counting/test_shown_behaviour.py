"""What workers see of how devices are used follows the rows, whatever happens to the table."""

from contextlib import closing

import pytest

from edge.assembly.counting.figures_file import FiguresFile
from edge.assembly.counting.shown_behaviour import KEPT_DAYS, ShownBehaviour
from edge.config import Telemetry
from edge.domain.behaviour.daily_counts import NO_SEGMENTS, Judging, Use
from edge.domain.facts import DAY_SECONDS, NOT_JUDGED
from edge.node.processes.data_paths import DataPaths
from edge.telemetry.behaviour.rows import erase_device, note_batch
from edge.telemetry.behaviour.table import BehaviourTable
from edge.telemetry.folding.database import open_for_folding

APP, DEVICE = "com.example.app", 7
DAY = 20_000
NOW = DAY * DAY_SECONDS + 60.0
USE = Use(APP, DEVICE, DAY, sessions=11)


class Node:
    def __init__(self, folder):
        self.database, self.path = folder / "counts.sqlite", folder / "behaviour.table"
        self.table = BehaviourTable(self.path)
        self.start()

    def start(self):
        self.shown = ShownBehaviour(self.database, self.path)

    def fold(self, *uses, now=NOW, judging=NO_SEGMENTS):
        with closing(open_for_folding(self.database)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                noted = note_batch(connection, uses, lambda app: judging)
            self.shown.show(noted)
        self.shown.bring_up(now)

    @property
    def sessions(self):
        return self.table.of_device(APP, DEVICE).sessions_7d


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def test_a_first_fold_shows_and_the_next_ones_too(node):
    node.fold(USE)
    assert node.sessions == 11
    node.fold(USE._replace(day=DAY + 1), USE._replace(device=8), now=NOW + DAY_SECONDS)
    assert node.sessions == 22
    assert node.table.of_device(APP, 8).sessions_7d == 11


def test_a_process_that_starts_shows_what_the_one_before_did_not(node):
    node.fold(USE)
    with closing(open_for_folding(node.database)) as connection, connection:
        note_batch(connection, [USE._replace(day=DAY + 1)])  # killed between the commit and the table
    assert node.sessions == 11
    node.start()
    node.fold(now=NOW + DAY_SECONDS)
    assert node.sessions == 22


def test_a_table_that_cannot_be_written_is_shown_later(node):
    node.path.with_suffix(".new").mkdir()
    node.fold(USE)
    assert node.sessions is None and node.shown.failures == 1
    node.path.with_suffix(".new").rmdir()
    node.fold()
    assert node.sessions == 11


def test_evictions_and_failures_are_told(tmp_path):
    figures = FiguresFile(DataPaths(tmp_path), Telemetry(), lambda app: None)
    table = DataPaths(tmp_path).behaviour_table
    table.parent.mkdir(parents=True)
    DataPaths(tmp_path).spool_dir.mkdir(parents=True)
    table.with_suffix(".new").mkdir()
    figures.fold()
    assert (figures.behaviour_evicted, figures.behaviour_failures) == (0, 1)


def test_a_name_that_took_the_bit_of_another_is_never_mistaken_for_it(node):
    node.fold(USE._replace(features=[f"f{at}" for at in range(64)]))
    node.fold(USE._replace(device=8, features=["pay"]), judging=Judging(features=frozenset({"pay"})))
    assert "pay" not in node.table.of_device(APP, DEVICE).features
    assert "pay" in node.table.of_device(APP, 8).features


def test_another_database_is_shown_in_place_of_one_that_was_set_aside(node):
    node.fold(USE)
    node.database.rename(node.database.with_suffix(".damaged"))
    node.shown.begin_again()
    node.fold(USE._replace(device=8))
    assert node.sessions is None and node.table.of_device(APP, 8).sessions_7d == 11


def test_devices_of_long_ago_are_forgotten_once_a_day(node):
    node.fold(USE)
    node.fold(USE._replace(device=8, day=DAY + KEPT_DAYS), now=NOW + KEPT_DAYS * DAY_SECONDS)
    assert node.sessions == 11
    node.fold(now=NOW + (KEPT_DAYS + 1) * DAY_SECONDS)
    assert node.table.of_device(APP, DEVICE) == NOT_JUDGED
    assert node.table.of_device(APP, 8).sessions_7d == 11


def test_an_erasure_is_shown(node):
    node.fold(USE)
    with closing(open_for_folding(node.database)) as connection, connection:
        gone = erase_device(connection, DEVICE)
    node.shown.show_all([gone])
    assert node.table.of_device(APP, DEVICE) == NOT_JUDGED
