"""Bounds the database of figures: what is too fine or too old is deleted, or kept as a sum.

Sums by minute stay for two days, everything by the hour for ninety, by the day for ever. Rows about single devices stay
while the device, and the bundle, are heard of; experiments for ninety days after their end. Labels give their places
back: cohorts that no device has, groups that nobody was counted under.
"""

import sqlite3
from dataclasses import dataclass

from edge.telemetry.folding.batches.custom_ids import forget_custom_ids
from edge.telemetry.folding.device_room import recount_devices
from edge.telemetry.folding.device_rows import ENDED_COHORT
from edge.telemetry.folding.label_numbers import COHORTS_LIMIT
from edge.telemetry.folding.words import NO_APP, WordKind
from edge.telemetry.push.push_upkeep import age_push
from edge.telemetry.trials.trial_upkeep import age_experiments
from edge.telemetry.upkeep.group_ageing import free_groups

MINUTE_SUMS_HOURS = 48
HOUR_SUMS_DAYS = 90
DEVICE_DAYS = 90  # one that was not heard of for so long counts as new when it comes back
STEP_DAYS = 90  # for the steps of devices with a bundle that nobody was offered, or said it runs, for so long
STEP_BUNDLES = 50  # of an app: of others, only sums of their steps are kept
STREAM_DAYS = 30  # a worker's run that is older hands over nothing any more

_BY_HOUR = ("sums_hour", "sketches_hour", "histograms_hour")
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


@dataclass(slots=True)
class AgeReport:
    """How many rows were deleted, and of how many bundles the steps became sums."""

    rows: int = 0
    bundles: int = 0


def age(connection: sqlite3.Connection, now: float) -> AgeReport:
    """Each app in transactions of its own; `now` in seconds since the epoch. Raises sqlite3.Error."""
    report = AgeReport()
    query = "SELECT id FROM words WHERE app = ? AND kind = ?"
    for (app,) in connection.execute(query, (NO_APP, WordKind.APP)).fetchall():
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            report.rows += _delete_periods(connection, app, int(now))
            report.rows += _delete_devices(connection, app, int(now))
            report.rows += _free_cohorts(connection, app)
            report.rows += free_groups(connection, app)
            recount_devices(connection, app)
        for bundle in _old_bundles(connection, app, int(now)):
            report.rows += _sum_up(connection, app, bundle)
            report.bundles += 1
    with connection:
        before = (int(now) - STREAM_DAYS * _DAY) * 1000
        report.rows += age_experiments(connection, int(now) * 1000)
        report.rows += age_push(connection, int(now) * 1000)
        report.rows += connection.execute("DELETE FROM streams WHERE received_ms < ?", (before,)).rowcount
    return report


def _delete_periods(connection: sqlite3.Connection, app: int, now: int) -> int:
    first_minute, first_hour = now // _MINUTE - MINUTE_SUMS_HOURS * 60, now // _HOUR - HOUR_SUMS_DAYS * 24
    periods = [("sums_minute", first_minute), *((table, first_hour) for table in _BY_HOUR)]
    return sum(
        connection.execute(f"DELETE FROM {table} WHERE app = ? AND period < ?", (app, first)).rowcount  # noqa: S608
        for table, first in periods
    )


def _delete_devices(connection: sqlite3.Connection, app: int, now: int) -> int:
    before = (now - DEVICE_DAYS * _DAY) * 1000
    gone = connection.execute("DELETE FROM devices WHERE app = ? AND last_ms < ?", (app, before)).rowcount
    return gone + forget_custom_ids(connection, app, before)


def _free_cohorts(connection: sqlite3.Connection, app: int) -> int:
    """Cohorts that no device has any more, once an app has used half of its places."""
    place = (app, WordKind.COHORT)
    (n,) = connection.execute("SELECT count(*) FROM words WHERE app = ? AND kind = ?", place).fetchone()
    if n < COHORTS_LIMIT // 2:
        return 0
    used: set[int] = set()
    for query in (
        "SELECT DISTINCT cohort FROM devices WHERE app = ?",
        "SELECT DISTINCT first_cohort FROM devices WHERE app = ?",
        "SELECT DISTINCT cohort FROM steps WHERE app = ?",
        "SELECT DISTINCT cohort FROM steps_summary WHERE app = ?",
        "SELECT DISTINCT cohort FROM votes JOIN watches ON watches.id = votes.watch"
        " WHERE watches.app = (SELECT word FROM words WHERE id = ?)",
    ):
        used.update(number for (number,) in connection.execute(query, (app,)))
    ended = f"SELECT DISTINCT substr(state, {ENDED_COHORT.start + 1}, 8) FROM devices WHERE app = ? AND state NOT NULL"  # noqa: S608
    used.update(int.from_bytes(number, "little") for (number,) in connection.execute(ended, (app,)))
    cohorts = connection.execute("SELECT id FROM words WHERE app = ? AND kind = ?", place).fetchall()
    free = [(number,) for (number,) in cohorts if number not in used]
    connection.executemany("DELETE FROM words WHERE id = ?", free)
    return len(free)


def _old_bundles(connection: sqlite3.Connection, app: int, now: int) -> list[int]:
    """Those without any time go by their number alone."""
    rows = connection.execute(
        "SELECT bundle, max(max(coalesce(offered_min, 0), coalesce(word_last_min, 0), coalesce(failed_min, 0))) AS at"
        " FROM steps WHERE app = ? GROUP BY bundle ORDER BY at DESC",
        (app,),
    ).fetchall()
    first = now // _MINUTE - STEP_DAYS * 24 * 60
    return [bundle for place, (bundle, at) in enumerate(rows) if place >= STEP_BUNDLES or 0 < at < first]


def _sum_up(connection: sqlite3.Connection, app: int, bundle: int) -> int:
    """The steps of a bundle as numbers of devices. One that tells of it later is not followed any more."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO steps_summary SELECT app, bundle, cohort, bits, coalesce(cause, 0), count(*) FROM steps"
            " WHERE app = ? AND bundle = ? GROUP BY cohort, bits, coalesce(cause, 0)"
            " ON CONFLICT DO UPDATE SET n = n + excluded.n",
            (app, bundle),
        )
        return connection.execute("DELETE FROM steps WHERE app = ? AND bundle = ?", (app, bundle)).rowcount
