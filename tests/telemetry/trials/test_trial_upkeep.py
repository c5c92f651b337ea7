"""What is forgotten of experiments: 90 days after their end, and single devices at once."""

from contextlib import closing

import pytest
from telemetry_lines import APP, DAY, NOW
from trial_world import TrialWorld, an_experiment, device

from edge.domain.statistics.device_key import device_key
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.trials import experiment_book
from edge.telemetry.trials.trials_schema import KEPT_DAYS
from edge.telemetry.upkeep.ageing import age
from edge.telemetry.upkeep.erased_rows import erase_rows

TABLES = ("experiments", "trials", "trial_events", "trial_points")


@pytest.fixture
def world(tmp_path):
    found = TrialWorld(tmp_path, an_experiment("event:paid"))
    found.fold(found.check(1), found.check(2), found.event(1, "paid", 3), found.event(2, "paid", 3))
    return found


def sizes(world):
    return [world.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]


def test_an_experiment_is_kept_for_90_days_after_its_end_and_not_longer(world):
    world.running = ()
    world.fold(world.check(1, "", 20), after=20)
    for days, kept in ((KEPT_DAYS - 1, [1, 2, 2, 1]), (KEPT_DAYS + 1, [0, 0, 0, 0])):
        with closing(open_for_folding(world.database)) as connection:
            age(connection, NOW + days * DAY)
        assert sizes(world) == kept


def test_an_erased_device_is_out_of_every_experiment_and_every_figure(world):
    with closing(open_for_folding(world.database)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        erase_rows(connection, APP, device(1), int((NOW + 60) * 1000))
    assert world.rows("SELECT key FROM trials") == world.rows("SELECT key FROM trial_events")
    assert world.rows("SELECT key FROM trials") == [(device_key(APP, device(2)),)]
    assert world.figures(60)["event:paid"]["new"] == (1, 1, 1.0)
    assert world.rows("SELECT devices FROM experiments") == [(1,)]


def test_of_those_that_ended_only_so_many_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment_book, "EXPERIMENTS_LIMIT", 2)
    world = TrialWorld(tmp_path)
    for number in range(5):
        world.running = (an_experiment("sessions", salt=f"s{number}"),)
        world.fold(world.check(number, after=20 * number, salt=f"s{number}"), after=20 * number)
    salts = [salt for (salt,) in world.rows("SELECT salt FROM experiments ORDER BY id")]
    assert salts == ["s2", "s3", "s4"]
