"""The supervisor's own spool."""

import pytest
from telemetry_lines import stored

from edge.assembly.counting.outcome_spool import OutcomeSpool
from edge.domain.errors import Unavailable
from edge.telemetry.spool.app_records import Outcome, Outcomes, OutcomesLine
from edge.telemetry.spool.record import parse_line

OUTCOMES = Outcomes("com.acme.app", [Outcome("ticket", "T-1", 1_795_000_000_000, custom_id="user-7", value=2.0)])


async def test_outcomes_are_on_disk_when_they_are_kept(tmp_path):
    spool = OutcomeSpool(tmp_path, "node", 1 << 30)
    assert list(tmp_path.iterdir()) == []
    await spool.keep(OUTCOMES, 1_795_000_001.0)
    (segment,) = tmp_path.iterdir()
    assert segment.name.startswith("node-999-")
    (line,) = stored(tmp_path)
    assert parse_line(line) == OutcomesLine(1_795_000_001_000, OUTCOMES)
    await spool.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".sealed"]
    with pytest.raises(Unavailable):
        await spool.keep(OUTCOMES, 1_795_000_001.0)


async def test_without_room_nothing_is_kept(tmp_path):
    spool = OutcomeSpool(tmp_path, "node", 10)
    with pytest.raises(Unavailable) as refused:
        await spool.keep(OUTCOMES, 1_795_000_001.0)
    assert refused.value.code == "no_room"
    await spool.close()


async def test_one_that_was_never_needed_closes(tmp_path):
    await OutcomeSpool(tmp_path, "node", 10).close()
