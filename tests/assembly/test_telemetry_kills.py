"""A short run of the drill that kills everything under load."""

import pytest

from tests.drills.telemetry_kills import drill


@pytest.mark.long
async def test_what_was_acknowledged_is_accounted_for_after_kills_at_random(tmp_path):
    assert await drill(tmp_path, kills=10, seed=1, workers=2) == []
