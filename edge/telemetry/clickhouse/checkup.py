"""Whether ClickHouse gets what is counted, for `edge doctor`: reads the outbox, asks the server, changes nothing."""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from edge.telemetry.clickhouse.server import ClickHouseFault, ClickHouseServer
from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.folding.outbox import OutboxTotals, read_outbox_totals

NEARLY_FULL_SHARE = 0.5  # of the outbox: days may be left, and somebody has to look


class SinkCheckup(NamedTuple):
    """`fault` is why the server cannot be asked, "" if it can."""

    totals: OutboxTotals
    fault: str

    def is_well(self, limit_bytes: int) -> bool:
        """Whether there is nothing to do."""
        held = self.totals.held_bytes
        return not self.fault and not self.totals.dropped and held < limit_bytes * NEARLY_FULL_SHARE

    def words(self, limit_bytes: int) -> str:
        """For a person."""
        totals = self.totals
        held = f"{totals.held_bytes / 2**20:,.0f} of {limit_bytes / 2**20:,.0f} MiB"
        said = f"{totals.sent:,} rows sent, {totals.waiting:,} wait ({held}), {totals.dropped:,} dropped"
        return f"{self.fault}; {said}" if self.fault else said


def check_sink(database: Path, server: ClickHouseServer) -> SinkCheckup:
    """Raises NewerSchema, sqlite3.Error."""
    try:
        server.ask("SELECT 1")
        fault = ""
    except ClickHouseFault as error:
        fault = str(error)
    connection = open_for_reading(database)
    if connection is None:
        return SinkCheckup(OutboxTotals(), fault)
    with closing(connection):
        return SinkCheckup(read_outbox_totals(connection), fault)
