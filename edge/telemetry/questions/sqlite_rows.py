"""Queries to the figures' database that add rows up under labels, bounded in what they return and read."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from edge.domain.errors import Invalid
from edge.telemetry.folding.words import WordKind
from edge.telemetry.questions.labels import (
    app_number,
    choose_cohorts,
    choose_groups,
    number_of,
    subject_numbers,
)
from edge.telemetry.questions.port import (
    ROWS_LIMIT,
    SUBJECTS_LIMIT,
    By,
    Rollup,
    RowLabels,
    TimeSpan,
    TooManyFigures,
    Where,
    check_rows,
)

SKETCHES_LIMIT = 200_000  # read for one answer, some 10 µs each; 90 days of 2,000 groups

_SUFFIX = {Rollup.MINUTE: "minute", Rollup.HOUR: "hour", Rollup.DAY: "day"}
_ROWS, _SKETCHES = f" LIMIT {ROWS_LIMIT + 1}", f" LIMIT {SKETCHES_LIMIT + 1}"


class LabelledRows:
    """Rows of one app under labels. Every row is (labels, column, ...), in no order."""

    def __init__(self, connection: sqlite3.Connection, app: str, where: Where, by: Sequence[By]) -> None:
        self._connection = connection
        self._app = app_number(connection, app)
        self._where, self._by = where, by
        self._words: dict[int, str] = {}

    def counted(
        self, kind: str, columns: str, subjects: Sequence[str], span: TimeSpan, *, each: bool, group: str
    ) -> Iterator[tuple[Any, ...]]:
        """Of the table `<kind>_<rollup>`: (labels, period_ms, column, ...). `group` has the columns by which rows are
        added up, beside the labels and periods; `""`: they are not added up. Raises TooManyFigures, Invalid."""
        if len(subjects) > SUBJECTS_LIMIT:
            raise Invalid("too_many_subjects", f"{len(subjects)} subjects; at most {SUBJECTS_LIMIT} in one question")
        conditions = self._conditions()
        numbers = subject_numbers(self._connection, self._app, subjects) if self._app is not None else []
        if conditions is None or not numbers:
            return
        labels = choose_groups(self._connection, int(self._app or 0), self._where, self._by)
        period = f"t.period * {span.rollup.value}" if each else "0"
        places = ", ".join("?" * len(numbers))
        sql = (  # of our own words alone
            f"SELECT c.label, {self._columns()}, {period}, {columns} FROM {kind}_{_SUFFIX[span.rollup]} t"  # noqa: S608
            f" CROSS JOIN chosen c ON c.id = t.grp WHERE t.app = ? {conditions[0]}"
            f" AND t.period >= ? AND t.period < ? AND t.subject IN ({places}) {_grouped(4, group)}"
        )
        values = (self._app, *conditions[1], span.first_period, span.end_period, *numbers)
        yield from self._read(sql, values, labels, grouped=bool(group))

    def of_devices(
        self,
        table: str,
        columns: str,
        only: str = "",
        values: Sequence[Any] = (),
        group: str = "1",
        *,
        latest: bool = False,
    ) -> Iterator[tuple[Any, ...]]:
        """Of a table with a row a device: (labels, column, ...), for the rows for which `only` holds. Labels are the
        table's, or the `latest` ones of each device."""
        conditions = self._conditions()
        if conditions is None:
            return
        labels = choose_cohorts(self._connection, int(self._app or 0), self._where, self._by)
        devices = "CROSS JOIN devices d ON d.app = t.app AND d.key = t.key" if latest else ""
        sql = (
            f"SELECT c.label, {self._columns()}, {columns} FROM {table} t {devices}"  # noqa: S608
            f" CROSS JOIN chosen c ON c.id = {'d' if latest else 't'}.cohort"
            f" WHERE t.app = ? {conditions[0]} {f'AND {only}' if only else ''} {_grouped(3, group)}"
        )
        yield from self._read(sql, (self._app, *conditions[1], *values), labels, grouped=True)

    def of_days(
        self, table: str, columns: str, only: str, values: Sequence[Any], group: str
    ) -> Iterator[tuple[Any, ...]]:
        """Of a table with a group and neither bundle nor subject."""
        if self._app is None:
            return
        labels = choose_groups(self._connection, self._app, self._where, self._by)
        sql = (
            f"SELECT c.label, 0, 0, {columns} FROM {table} t CROSS JOIN chosen c ON c.id = t.grp"  # noqa: S608
            f" WHERE t.app = ? AND {only} {_grouped(3, group)}"
        )
        yield from self._read(sql, (self._app, *values), labels, grouped=True)

    def word(self, number: int) -> str:
        """What a number stands for; 0 for nothing."""
        if number and number not in self._words:
            row = self._connection.execute("SELECT word FROM words WHERE id = ?", (number,)).fetchone()
            self._words[number] = row[0] if row else ""
        return self._words.get(number, "")

    def _conditions(self) -> tuple[str, tuple[int, ...]] | None:
        """For the bundle; None: no row can match."""
        if self._app is None:
            return None
        if not self._where.bundle:
            return "", ()
        bundle = number_of(self._connection, self._app, WordKind.BUNDLE, self._where.bundle)
        return None if bundle is None else ("AND t.bundle = ?", (bundle,))

    def _columns(self) -> str:
        bundle = "t.bundle" if By.BUNDLE in self._by else "0"
        return f"{bundle}, {'t.subject' if By.SUBJECT in self._by else '0'}"

    def _read(
        self, sql: str, values: Sequence[Any], labels: list[RowLabels], *, grouped: bool
    ) -> Iterator[tuple[Any, ...]]:
        count = 0
        for label, bundle, subject, *columns in self._connection.execute(
            sql + (_ROWS if grouped else _SKETCHES), values
        ):
            count += 1
            yield (self._named(labels[label], bundle, subject), *columns)
        if grouped:
            check_rows(count)
        elif count > SKETCHES_LIMIT:
            raise TooManyFigures("too_many_figures", "too many devices to estimate: ask for a shorter time")

    def _named(self, labels: RowLabels, bundle: int, subject: int) -> RowLabels:
        if not (bundle or subject):
            return labels
        words = {By.BUNDLE: bundle, By.SUBJECT: subject}
        return tuple(self.word(words[by]) if by in words else label for by, label in zip(self._by, labels, strict=True))


def _grouped(first: int, group: str) -> str:
    """`first` is how many columns come before the caller's own."""
    if not group:
        return ""
    own = ", ".join(str(number + 1) for number in range(first))
    return f"GROUP BY {own}" + (f", {group}" if group != "1" else "")
