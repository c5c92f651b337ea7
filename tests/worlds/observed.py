"""Observations, and an outbox with blocks of them."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from edge.domain.statistics.observation import Cohort, Group, Observation, Step
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.outbox import OUTBOX_SCHEMA, Outbox, OutboxTotals, read_outbox_totals

APP = "com.example.app"
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
# Of yesterday (UTC): ClickHouse deletes what is old by its own clock, minutes after 48 hours.
NOON_MS = (int(time.time() * 1000) // DAY_MS - 1) * DAY_MS + 12 * HOUR_MS
NO_LIMIT = 1 << 40

PRODUCTION = Cohort(Group("android", "production", ("beta", "vip")), "14", "DE", "8.51.14")


def seen(device: int, subject: str = "heard", **fields) -> Observation:
    """Of one device at noon of yesterday, which runs 1.0.0 in production."""
    given = {"at_ms": NOON_MS, "app": APP, "cohort": PRODUCTION, "bundle": "1.0.0", "steps": Step(0), **fields}
    return Observation(device=device, subject=subject, **given)


class OutboxWorld:
    """A database with an outbox, as the folding process has it."""

    def __init__(self, folder: Path, limit_bytes: int = NO_LIMIT) -> None:
        self.database = folder / "counts.db"
        self.folder = folder / "outbox"
        self.outbox = Outbox(self.folder, limit_bytes)
        with closing(open_for_folding(self.database)) as connection:
            connection.executescript(OUTBOX_SCHEMA)

    def fold(self, segment: str, offset: int, observations: list[Observation]) -> None:
        """What folding a batch does with the outbox."""
        with closing(open_for_folding(self.database)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                self.outbox.write(connection, segment, offset, observations)

    def change(self, statement: str, parameters: tuple[object, ...] = ()) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement, parameters)

    def rows(self, question: str) -> list[tuple]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(question).fetchall()

    @property
    def totals(self) -> OutboxTotals:
        with closing(sqlite3.connect(self.database)) as connection:
            return read_outbox_totals(connection)

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())
