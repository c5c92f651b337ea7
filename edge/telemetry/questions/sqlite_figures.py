"""The port's answers from the folding process' own database.

Sums are made by SQLite; only what `by` tells apart comes out. A question about counts reads the periods of its time;
one about single devices reads all devices of the app, or all that came into contact with the bundle.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence

from edge.domain.errors import Invalid
from edge.domain.statistics.observation import Step
from edge.domain.statistics.subjects import FAILED
from edge.telemetry.folding.schema import create_schema
from edge.telemetry.questions.port import (
    By,
    Estimate,
    FailureCount,
    Firsts,
    Heard,
    Reached,
    Retained,
    Rollup,
    RowLabels,
    Spread,
    Sum,
    TimeSpan,
    Turn,
    Where,
    check_rows,
)
from edge.telemetry.questions.sketches import Distinct
from edge.telemetry.questions.sqlite_rows import LabelledRows

# A bundle's rows, and what is left of them when they are gone.
_STEPS = (("steps", "count(*)"), ("steps_summary", "sum(t.n)"))
# The row of a device has its latest word.
_ENDED = "(SELECT d.bundle FROM devices d WHERE d.app = t.app AND d.key = t.key) IS NOT t.bundle"


def empty_database() -> sqlite3.Connection:
    """For a node on which nothing was counted yet."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    create_schema(connection)
    return connection


class SqliteFigures:
    """`connection` may be read-only; it belongs to the caller, and to one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def sums(
        self, app: str, subjects: Sequence[str], span: TimeSpan, where: Where, by: Sequence[By], *, each: bool = False
    ) -> list[Sum]:
        """See `Figures`."""
        rows = LabelledRows(self._connection, app, where, by)
        found = rows.counted("sums", "sum(t.n), sum(t.total)", subjects, span, each=each, group="1")
        return sorted(Sum(*row) for row in found)

    def devices(
        self, app: str, subjects: Sequence[str], span: TimeSpan, where: Where, by: Sequence[By], *, each: bool = False
    ) -> list[Estimate]:
        """See `Figures`."""
        _refuse_minutes(span)
        rows = LabelledRows(self._connection, app, where, by)
        merged: defaultdict[tuple[RowLabels, int], Distinct] = defaultdict(Distinct)
        for labels, period_ms, sketch in rows.counted(
            "sketches", "CAST(t.sketch AS BLOB)", subjects, span, each=each, group=""
        ):
            merged[labels, period_ms].add(sketch)
        check_rows(len(merged))
        return sorted(Estimate(*place, distinct.count()) for place, distinct in merged.items())

    def durations(self, app: str, subject: str, span: TimeSpan, where: Where, by: Sequence[By]) -> list[Spread]:
        """See `Figures`."""
        _refuse_minutes(span)
        rows = LabelledRows(self._connection, app, where, by)
        columns = "t.bucket, sum(t.n)"
        found: defaultdict[RowLabels, dict[int, int]] = defaultdict(dict)
        for labels, _, bucket, n in rows.counted("histograms", columns, (subject,), span, each=False, group="t.bucket"):
            if n:  # a session that went on was taken out of its bucket
                found[labels][bucket] = n
        return [Spread(*row) for row in sorted(found.items())]

    def steps(self, app: str, bundle: str, where: Where, by: Sequence[By]) -> list[Reached]:
        """See `Figures`."""
        rows = LabelledRows(self._connection, app, where._replace(bundle=bundle), by)
        found: defaultdict[tuple[RowLabels, int], int] = defaultdict(int)
        for table, n in _STEPS:
            for labels, bits, devices in rows.of_devices(table, f"t.bits, {n}", "t.bits > 0", group="t.bits"):
                found[labels, bits] += devices
        return [Reached(labels, Step(bits), devices) for (labels, bits), devices in sorted(found.items())]

    def causes(self, app: str, bundle: str, where: Where, by: Sequence[By]) -> list[FailureCount]:
        """See `Figures`."""
        rows = LabelledRows(self._connection, app, where._replace(bundle=bundle), by)
        found: defaultdict[tuple[RowLabels, int], int] = defaultdict(int)
        for table, n in _STEPS:
            failed = f"t.bits & {int(FAILED)}"
            for labels, cause, devices in rows.of_devices(table, f"t.cause, {n}", failed, group="t.cause"):
                found[labels, cause or 0] += devices
        counts = [FailureCount(labels, rows.word(cause), devices) for (labels, cause), devices in found.items()]
        return sorted(counts, key=lambda each: (-each.devices, each.labels, each.cause))

    def words(self, app: str, bundle: str, where: Where) -> list[Turn]:
        """See `Figures`."""
        rows = LabelledRows(self._connection, app, where._replace(bundle=bundle), ())
        said = f"t.bits & {int(Step.WORD)}"
        began = _by_minute(rows, "t.word_first_min", said)
        ended = _by_minute(rows, "t.word_last_min", f"{said} AND {_ENDED}")
        return [Turn(each, began.get(each, 0), ended.get(each, 0)) for each in sorted({*began, *ended})]

    def firsts(self, app: str, bundle: str, where: Where) -> Firsts:
        """See `Figures`."""
        rows = LabelledRows(self._connection, app, where._replace(bundle=bundle), ())
        found = list(rows.of_devices("steps", "min(t.offered_min), min(t.failed_min)"))
        return Firsts(*found[0][1:]) if found else Firsts(None, None)

    def heard_since(self, app: str, since_ms: int, where: Where, by: Sequence[By]) -> list[Heard]:
        """See `Figures`."""
        rows = LabelledRows(self._connection, app, where, by)
        return sorted(Heard(*row) for row in rows.of_devices("devices", "count(*)", "t.last_ms >= ?", (since_ms,)))

    def retention(self, app: str, span: TimeSpan, where: Where, by: Sequence[By]) -> list[Retained]:
        """See `Figures`."""
        days = span._replace(rollup=Rollup.DAY)
        rows = LabelledRows(self._connection, app, where, by)
        only, values = "t.day >= ? AND t.day < ?", (days.first_period, days.end_period)
        found = rows.of_days("retention", "t.day, t.age, sum(t.n)", only, values, "t.day, t.age")
        return sorted(Retained(*row) for row in found)

    def totals(self) -> Mapping[str, int]:
        """See `Figures`."""
        return dict(self._connection.execute("SELECT name, n FROM totals"))


def _by_minute(rows: LabelledRows, column: str, only: str) -> dict[int, int]:
    found = rows.of_devices("steps", f"{column}, count(*)", f"{only} AND {column} > 0", group=column, latest=True)
    return {minute: devices for _, minute, devices in found}


def _refuse_minutes(span: TimeSpan) -> None:
    if span.rollup is Rollup.MINUTE:
        raise Invalid("invalid_rollup", "only sums are kept by the minute")
