"""An erased device has no row of before, whatever it said since; a row that began later stays."""

from contextlib import closing

import pytest
from figures_world import APP, AT_MS, heard, observation, write_figures

from edge.domain.statistics.observation import Step
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.upkeep.erased_rows import erase_rows

WHO, OTHER = "1b9c6ad5-0b5e-4c4c-9c0e-6a1f6d0f2a11", "00000000-0000-4000-8000-000000000001"
HOUR_MS = 3_600_000


def offered(device, at_ms):
    return observation("step", device=device, at_ms=at_ms, n=0, steps=Step.OFFERED)


@pytest.fixture
def rows_after(tmp_path):
    """How many rows of devices and steps there are after an erasure of what was received until AT_MS."""

    def erase(*observations):
        write_figures(tmp_path / "counts.db", [heard(OTHER), *observations])
        with closing(open_for_folding(tmp_path / "counts.db")) as connection, connection:
            erase_rows(connection, APP, WHO, AT_MS)
            return tuple(
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] - 1 for table in ("devices", "steps")
            )

    return erase


def test_what_was_heard_before(rows_after):
    assert rows_after(heard(WHO, at_ms=AT_MS - 1), offered(WHO, AT_MS)) == (0, 0)


def test_a_row_that_goes_on_after_the_request(rows_after):
    assert rows_after(heard(WHO, at_ms=AT_MS - HOUR_MS), heard(WHO, at_ms=AT_MS + HOUR_MS)) == (0, 0)


def test_a_row_with_something_older_that_was_counted_later(rows_after):
    assert rows_after(heard(WHO, at_ms=AT_MS + HOUR_MS), offered(WHO, AT_MS - HOUR_MS)) == (0, 0)


def test_a_device_that_only_steps_tell_of(rows_after):
    assert rows_after(offered(WHO, AT_MS - 1)) == (0, 0)


def test_a_row_that_began_later_stays(rows_after):
    assert rows_after(heard(WHO, at_ms=AT_MS + HOUR_MS), offered(WHO, AT_MS + HOUR_MS)) == (1, 1)
