"""The port's answers from ClickHouse: what every node sent, added up there.

The SQL is built from this module's own words: labels and rollups are enumerations. Whatever is asked for by name (an
app, a bundle, a channel, a subject) is a parameter. Answers are those of `SqliteFigures`, from the same observations.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from edge.domain.errors import Invalid
from edge.domain.statistics.observation import Step
from edge.telemetry.clickhouse.server import ClickHouseServer
from edge.telemetry.clickhouse.tables import NEVER_FIRST
from edge.telemetry.questions.port import (
    ROWS_LIMIT,
    SUBJECTS_LIMIT,
    By,
    Estimate,
    FailureCount,
    Firsts,
    Heard,
    Reached,
    Retained,
    Rollup,
    Spread,
    Sum,
    TimeSpan,
    Turn,
    Where,
    check_rows,
)

_OF_ROWS = (By.BUNDLE, By.SUBJECT)
_OF_DEVICES = (By.OS, By.COUNTRY, By.PLUGIN, By.REGION)
_OF_MINUTES = (By.CHANNEL, By.KIND)
_LABELS = ("channel", "platform", "side", "arm", "kind")  # of Where, beside segment and bundle
_AGES = (0, 1, 7, 30)
_BEGINS_WITH_ANY = "arrayExists(prefix -> startsWith(subject, prefix), {prefixes:Array(String)})"
_LIMIT = f"LIMIT {ROWS_LIMIT + 1}"


class ClickHouseFigures:
    """Safe among threads. `totals` are this node's own, which ClickHouse does not have."""

    def __init__(self, server: ClickHouseServer, totals: Callable[[], Mapping[str, int]]) -> None:
        self._server = server
        self._totals = totals

    def sums(
        self, app: str, subjects: Sequence[str], span: TimeSpan, where: Where, by: Sequence[By], *, each: bool = False
    ) -> list[Sum]:
        """See `Figures`."""
        question = _rolled_up("sums", "sum(n) AS counted, sum(total) AS added", app, subjects, span, where, by, each)
        return sorted(Sum(*row) for row in self._ask(question, "HAVING counted != 0 OR added != 0"))

    def devices(
        self, app: str, subjects: Sequence[str], span: TimeSpan, where: Where, by: Sequence[By], *, each: bool = False
    ) -> list[Estimate]:
        """See `Figures`."""
        _refuse_minutes(span)
        columns = "uniqCombined64Merge(devices)"
        question = _rolled_up("devices", columns, app, subjects, span, where, by, each)
        return sorted(Estimate(*row) for row in self._ask(question))

    def durations(self, app: str, subject: str, span: TimeSpan, where: Where, by: Sequence[By]) -> list[Spread]:
        """See `Figures`."""
        _refuse_minutes(span)
        question = _rolled_up("durations", "bucket, sum(n) AS counted", app, (subject,), span, where, by, False)
        found: dict[tuple[str, ...], dict[int, int]] = {}
        for labels, _, bucket, n in self._ask(question, ", bucket HAVING counted != 0"):
            found.setdefault(labels, {})[bucket] = n
        return [Spread(*row) for row in sorted(found.items())]

    def steps(self, app: str, bundle: str, where: Where, by: Sequence[By]) -> list[Reached]:
        """See `Figures`."""
        question = _of_bundle(app, bundle, where, by, "reached, count()")
        found = self._ask(question, ", reached")
        return sorted(Reached(labels, Step(bits), devices) for labels, bits, devices in found)

    def causes(self, app: str, bundle: str, where: Where, by: Sequence[By]) -> list[FailureCount]:
        """See `Figures`."""
        question = _of_bundle(app, bundle, where, by, "why, count()", "bitAnd(reached, {failed:UInt16}) != 0")
        found = [FailureCount(*row) for row in self._ask(question, ", why")]
        return sorted(found, key=lambda each: (-each.devices, each.labels, each.cause))

    def words(self, app: str, bundle: str, where: Where) -> list[Turn]:
        """See `Figures`."""
        said = "bitAnd(reached, {word:UInt16}) != 0"
        first = _of_bundle(app, bundle, where, (), "word_first, count()", said, latest=True)
        over = f"{said} AND known.device NOT IN ({_RUN_IT})"
        last = _of_bundle(app, bundle, where, (), "word_last, count()", over, latest=True)
        began, ended = dict(self._minutes(first, "word_first")), dict(self._minutes(last, "word_last"))
        return [Turn(each, began.get(each, 0), ended.get(each, 0)) for each in sorted({*began, *ended})]

    def firsts(self, app: str, bundle: str, where: Where) -> Firsts:
        """See `Figures`."""
        found = self._ask(_of_bundle(app, bundle, where, (), "min(offered), min(failed_first)"))
        if not found:
            return Firsts(None, None)
        _, offered, failed = found[0]
        return Firsts(*(None if each == NEVER_FIRST else each for each in (offered, failed)))

    def heard_since(self, app: str, since_ms: int, where: Where, by: Sequence[By]) -> list[Heard]:
        """See `Figures`."""
        scope = _Scope(app, where, by, has_bundle=True)
        bundle = "device IN (SELECT device FROM words WHERE word = {bundle:String})" if where.bundle else "1"
        words = "word" if By.BUNDLE in by else "''"
        joined = "LEFT JOIN words ON words.device = known.device" if By.BUNDLE in by else ""
        # `words` is read only where it is needed: it has a row for each device, too.
        sql = (
            "WITH words AS (SELECT device, argMaxMerge(latest_words.word) AS word FROM latest_words"
            " WHERE app = {app:String} GROUP BY device),"
            " known AS (SELECT device, argMaxMerge(last_cohort) AS cohort FROM devices WHERE app = {app:String}"
            " GROUP BY device HAVING max(last_at) >= fromUnixTimestamp64Milli({since:Int64}, 'UTC'))"
            f" SELECT {scope.labels(bundle=words)}, count() FROM known {joined} {_COHORTS}"
            f" WHERE {bundle} AND {scope.conditions} GROUP BY label"
        )
        return sorted(Heard(*row) for row in self._ask(_Question(sql, {**scope.parameters, "since": since_ms})))

    def retention(self, app: str, span: TimeSpan, where: Where, by: Sequence[By]) -> list[Retained]:
        """See `Figures`."""
        _refuse_devices(by)
        days = span._replace(rollup=Rollup.DAY)
        scope = _Scope(app, where, by, has_bundle=False)
        sql = (
            f"SELECT {scope.labels()}, toUInt16(first_day) AS began, toUInt16(day) - toUInt16(first_day) AS age,"
            " count() FROM (SELECT device, toDate(min(first_at)) AS first_day, argMinMerge(first_cohort) AS cohort"
            " FROM devices WHERE app = {app:String} GROUP BY device"
            " HAVING first_day >= toDate({first:UInt16}) AND first_day < toDate({end:UInt16})) AS known"
            " INNER JOIN (SELECT DISTINCT device, day FROM device_days WHERE app = {app:String}"
            " AND day >= toDate({first:UInt16}) AND day < toDate({end:UInt16}) + {most:UInt16}) AS heard"
            f" ON heard.device = known.device {_COHORTS}"
            f" WHERE age IN {{ages:Array(UInt16)}} AND {scope.conditions} GROUP BY label, began, age"
        )
        given = {"first": days.first_period, "end": days.end_period, "most": _AGES[-1], "ages": list(_AGES)}
        return sorted(Retained(*row) for row in self._ask(_Question(sql, {**scope.parameters, **given})))

    def totals(self) -> Mapping[str, int]:
        """See `Figures`."""
        return self._totals()

    def _minutes(self, question: "_Question", column: str) -> list[tuple[int, int]]:
        return [(minute, devices) for _, minute, devices in self._ask(question, f", {column}")]

    def _ask(self, question: "_Question", ending: str = "") -> list[tuple[Any, ...]]:
        """Rows, whose first column is the labels. `ending` follows the columns that rows are grouped by."""
        rows = self._server.ask(f"{question.sql} {ending} {_LIMIT}", question.parameters)
        check_rows(len(rows))
        return [(tuple(labels), *columns) for labels, *columns in rows]


class _Question(NamedTuple):
    sql: str
    parameters: dict[str, Any]


# A device's cohort, as words.
_COHORTS = (
    "INNER JOIN (SELECT DISTINCT cohort_key, channel, platform, kind, side, arm, segments, os, country, plugin, region"
    " FROM cohorts WHERE app = {app:String}) AS labels ON labels.cohort_key = cohort"
)
_LATEST = (
    "INNER JOIN (SELECT device, argMaxMerge(last_cohort) AS cohort FROM devices WHERE app = {app:String}"
    " GROUP BY device) AS latest ON latest.device = known.device"
)
_RUN_IT = (
    "SELECT device FROM latest_words WHERE app = {app:String} GROUP BY device"
    " HAVING argMaxMerge(word) = {bundle:String}"
)


class _Scope:
    """What `where` and `by` mean in SQL."""

    def __init__(self, app: str, where: Where, by: Sequence[By], *, has_bundle: bool) -> None:
        """`has_bundle`: rows have a bundle, or devices one that they run; the caller's SQL sees to it."""
        self._by = by
        self._has_bundle = has_bundle
        asked = {name: getattr(where, name) for name in _LABELS}
        known = [name for name, word in asked.items() if word]
        parts = [f"{name} = {{{name}:String}}" for name in known]
        if where.segment:
            parts.append("has(segments, {segment:String})")
        self.conditions = " AND ".join(parts) or "1"
        self.parameters: dict[str, Any] = {"app": app, "segment": where.segment, "bundle": where.bundle, **asked}

    def labels(self, *, bundle: str = "''", subject: str = "''", only: Sequence[By] = ()) -> str:
        """The array of labels, as `label`; a row for each segment. `only`: the labels that rows have, if not all."""
        columns = []
        for by in self._by:
            if by is By.BUNDLE:
                columns.append(f"toString({bundle})" if self._has_bundle else "''")
            elif by is By.SUBJECT:
                columns.append(f"toString({subject})")
            elif only and by not in only:
                columns.append("''")
            elif by is By.SEGMENT:
                columns.append("toString(arrayJoin(if(empty(segments), [''], segments)))")
            else:
                columns.append(f"toString({by.value})")
        return f"CAST([{', '.join(columns)}], 'Array(String)') AS label"


def _rolled_up(
    table: str,
    columns: str,
    app: str,
    subjects: Sequence[str],
    span: TimeSpan,
    where: Where,
    by: Sequence[By],
    each: bool,
) -> _Question:
    """Of a table with periods."""
    if len(subjects) > SUBJECTS_LIMIT:
        raise Invalid("too_many_subjects", f"{len(subjects)} subjects; at most {SUBJECTS_LIMIT} in one question")
    _refuse_devices(by)
    scope = _Scope(app, where, by, has_bundle=True)
    conditions: str = scope.conditions
    only: tuple[By, ...] = ()
    if span.rollup is Rollup.MINUTE:
        only = _OF_MINUTES
        if where.platform or where.segment or where.side or where.arm:
            conditions = "0"  # no row by the minute has these
    period = f"period * {span.rollup.value}" if each else "0"
    bundle = "bundle = {bundle:String}" if where.bundle else "1"
    sql = (
        f"SELECT {scope.labels(bundle='bundle', subject='subject', only=only)}, toInt64({period}) AS begins, {columns}"
        f" FROM {table}_{span.rollup.name.lower()} WHERE app = {{app:String}}"
        f" AND (subject IN {{subjects:Array(String)}} OR {_BEGINS_WITH_ANY})"
        f" AND period >= {{first:UInt32}} AND period < {{end:UInt32}} AND {bundle} AND {conditions}"
        " GROUP BY label, begins"
    )
    given = {
        "subjects": [each for each in subjects if not each.endswith("*")],
        "prefixes": [each[:-1] for each in subjects if each.endswith("*")],
        "first": span.first_period,
        "end": span.end_period,
    }
    return _Question(sql, {**scope.parameters, **given})


def _of_bundle(
    app: str, bundle: str, where: Where, by: Sequence[By], columns: str, only: str = "1", *, latest: bool = False
) -> _Question:
    """Of the devices that came into contact with the bundle, by their labels then, or by their `latest` ones."""
    if By.SUBJECT in by:
        raise Invalid("invalid_by", "single devices have no subject")
    scope = _Scope(app, where._replace(bundle=bundle), by, has_bundle=True)
    sql = (
        f"SELECT {scope.labels(bundle='{bundle:String}')}, {columns} FROM (SELECT device, groupBitOr(bits) AS reached,"
        f" argMinMerge(cohort) AS {'first_labels' if latest else 'cohort'},"
        " min(offered_minute) AS offered, min(failed_minute) AS failed_first,"
        " min(word_first_minute) AS word_first, max(word_last_minute) AS word_last,"
        " replaceRegexpOne(argMinIfMerge(cause), '^report:', '') AS why"
        " FROM steps WHERE app = {app:String} AND bundle = {bundle:String} GROUP BY device)"
        f" AS known {_LATEST if latest else ''} {_COHORTS} WHERE {only} AND {scope.conditions} GROUP BY label"
    )
    failed = int(Step.FAILED_BOOT | Step.FAILED_INSTALL)
    return _Question(sql, {**scope.parameters, "failed": failed, "word": int(Step.WORD)})


def _refuse_minutes(span: TimeSpan) -> None:
    if span.rollup is Rollup.MINUTE:
        raise Invalid("invalid_rollup", "only sums are kept by the minute")


def _refuse_devices(by: Sequence[By]) -> None:
    if wrong := [each.value for each in by if each in _OF_DEVICES]:
        raise Invalid("invalid_by", f"counts are not kept by {wrong[0]}: only figures of devices are")
