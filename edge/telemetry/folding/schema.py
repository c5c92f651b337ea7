"""The tables of the figures, and how each schema becomes the next.

Words (apps, bundles, subjects, groups, cohorts) are numbers in all tables but `words`. Periods are minutes, hours or
days since 1970-01-01 UTC; times are in milliseconds, by the node's clock, unless they end in `_at`.
"""

import sqlite3
from collections.abc import Callable

from edge.domain.statistics.observation import Group
from edge.domain.statistics.subjects import EXPERIMENT_OFFER, REPORT, WITHHELD
from edge.telemetry.behaviour.rows import BEHAVIOUR_SCHEMA
from edge.telemetry.folding.outbox import OUTBOX_SCHEMA
from edge.telemetry.folding.words import WordKind, Words, encode_group
from edge.telemetry.push.push_schema import PUSH_SCHEMA
from edge.telemetry.trials.trials_schema import TRIALS_SCHEMA
from edge.telemetry.votes.votes_schema import VOTES_SCHEMA, tell_nodes_apart

SCHEMA_NUMBER = 10

_FIRST = """
CREATE TABLE counts (
    app TEXT NOT NULL, day INTEGER NOT NULL, bundle TEXT NOT NULL, action TEXT NOT NULL, platform TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (app, day, bundle, action, platform)
) WITHOUT ROWID;
CREATE TABLE apps (app TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE totals (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (name TEXT PRIMARY KEY, offset INTEGER NOT NULL, finished_ms INTEGER) WITHOUT ROWID;
"""
_SECOND = """
CREATE TABLE seen (key INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL);
CREATE INDEX seen_by_time ON seen (received_ms);
CREATE TABLE duplicates (app TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
"""
_THIRD = """
CREATE TABLE exposed (key INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL);
CREATE INDEX exposed_by_time ON exposed (received_ms);
"""
_FOURTH = """
ALTER TABLE seen ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;
ALTER TABLE exposed ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;
CREATE INDEX seen_by_owner ON seen (owner, received_ms);
CREATE INDEX exposed_by_owner ON exposed (owner, received_ms);
DROP INDEX exposed_by_time;
"""


def _sums(name: str) -> str:
    return f"""
CREATE TABLE sums_{name} (
    app INTEGER NOT NULL, period INTEGER NOT NULL, grp INTEGER NOT NULL, bundle INTEGER NOT NULL,
    subject INTEGER NOT NULL, n INTEGER NOT NULL, total REAL NOT NULL,
    PRIMARY KEY (app, period, grp, bundle, subject)
) WITHOUT ROWID;
"""


def _details(name: str) -> str:
    return f"""
CREATE TABLE sketches_{name} (
    app INTEGER NOT NULL, period INTEGER NOT NULL, grp INTEGER NOT NULL, bundle INTEGER NOT NULL,
    subject INTEGER NOT NULL, sketch BLOB NOT NULL,
    PRIMARY KEY (app, period, grp, bundle, subject)
);
CREATE TABLE histograms_{name} (
    app INTEGER NOT NULL, period INTEGER NOT NULL, grp INTEGER NOT NULL, bundle INTEGER NOT NULL,
    subject INTEGER NOT NULL, bucket INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (app, period, grp, bundle, subject, bucket)
) WITHOUT ROWID;
"""


_FIFTH = f"""
CREATE TABLE words (
    id INTEGER PRIMARY KEY, app INTEGER NOT NULL, kind INTEGER NOT NULL, word TEXT NOT NULL, UNIQUE (app, kind, word)
);
{_sums("minute")}{_sums("hour")}{_sums("day")}{_details("hour")}{_details("day")}
CREATE TABLE devices (
    app INTEGER NOT NULL, key INTEGER NOT NULL, cohort INTEGER NOT NULL, first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL, bundle INTEGER NOT NULL, bundle_ms INTEGER NOT NULL, days INTEGER NOT NULL,
    first_cohort INTEGER NOT NULL, state BLOB,
    PRIMARY KEY (app, key)
) WITHOUT ROWID;
CREATE TABLE steps (
    app INTEGER NOT NULL, bundle INTEGER NOT NULL, key INTEGER NOT NULL, cohort INTEGER NOT NULL,
    bits INTEGER NOT NULL, offered_min INTEGER, failed_min INTEGER, healthy_min INTEGER,
    word_first_min INTEGER, word_last_min INTEGER, cause INTEGER, state BLOB,
    PRIMARY KEY (app, bundle, key)
) WITHOUT ROWID;
CREATE TABLE steps_summary (
    app INTEGER NOT NULL, bundle INTEGER NOT NULL, cohort INTEGER NOT NULL, bits INTEGER NOT NULL,
    cause INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (app, bundle, cohort, bits, cause)
) WITHOUT ROWID;
CREATE TABLE retention (
    app INTEGER NOT NULL, day INTEGER NOT NULL, age INTEGER NOT NULL, grp INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (app, day, age, grp)
) WITHOUT ROWID;
CREATE TABLE streams (stream TEXT PRIMARY KEY, sequence INTEGER NOT NULL, received_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE customs (
    app INTEGER NOT NULL, hash INTEGER NOT NULL, key INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (app, hash)
) WITHOUT ROWID;
CREATE INDEX customs_by_time ON customs (app, at_ms);
CREATE TABLE outcome_ids (key INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL, owner INTEGER NOT NULL);
CREATE INDEX outcome_ids_by_owner ON outcome_ids (owner, received_ms);
DROP TABLE seen;
CREATE TABLE seen (
    id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, last_ms INTEGER NOT NULL, n INTEGER NOT NULL, keys BLOB NOT NULL
);
CREATE INDEX seen_by_owner ON seen (owner, last_ms);
CREATE TABLE secrets (name TEXT PRIMARY KEY, secret BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE segment_counts (
    segment TEXT NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (segment, name)
) WITHOUT ROWID;
CREATE TABLE acknowledged (
    segment TEXT NOT NULL, kind TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (segment, kind)
) WITHOUT ROWID;
{OUTBOX_SCHEMA}{BEHAVIOUR_SCHEMA}"""
_SIXTH = """
CREATE TABLE device_counts (app INTEGER PRIMARY KEY, n INTEGER NOT NULL);
INSERT INTO device_counts SELECT app, count(*) FROM devices GROUP BY app"""
# segments: rows outlive their files (some 24 a day and worker), so that a file that comes back, from a backup or after
# a power cut, is never counted again. exposed, outcome_ids: see `duplicates`; seen: see `seen_reports`. `owner` is a
# hash of the app. devices.days: bit i is the day i days before that of last_ms. steps_summary: of bundles whose rows
# are gone. segment_counts: what became of a segment's records, by "<kind>/<fate>"; segment "" is schema 4's and that of
# deleted ones. acknowledged: a recount of deleted segments, for the audit. secrets:
# the keys of `seen_reports` and `sketches`. device_counts: how many rows each app has in `devices`, see `device_room`.

_FATES = {"folded": "event/counted", "duplicates": "event/duplicate", "malformed": "line/malformed"}


def _keep_counts(connection: sqlite3.Connection) -> None:
    """The counts that schema 4 had by day are sums by day."""
    words = Words(connection)
    rows = connection.execute("SELECT app, day, bundle, action, platform, n FROM counts").fetchall()
    connection.executemany(
        "INSERT INTO sums_day VALUES (?, ?, ?, ?, ?, ?, 0)",
        sorted(
            (
                app_id := words.app(app),
                day,
                words.number(app_id, WordKind.GROUP, encode_group(Group(platform=platform))),
                words.number(app_id, WordKind.BUNDLE, bundle),
                words.number(app_id, WordKind.SUBJECT, subject_of(action)),
                n,
            )
            for app, day, bundle, action, platform, n in rows
        ),
    )
    connection.execute("DROP TABLE counts")
    for total, name in _FATES.items():
        query = "INSERT INTO segment_counts SELECT '', ?, n FROM totals WHERE name = ? AND n > 0"
        connection.execute(query, (name, total))
    connection.execute("INSERT INTO segment_counts SELECT name, 'before', offset FROM segments")


def subject_of(action: str) -> str:
    """Under which subject an event with this action counts: the node's own have others than the reports of devices."""
    if action == EXPERIMENT_OFFER:
        return EXPERIMENT_OFFER
    return f"{WITHHELD}{action[len('withheld_') :]}" if action.startswith("withheld_") else f"{REPORT}{action}"


def action_of(subject: str) -> str | None:
    """The action of an event's subject; None if it is no event's."""
    if subject.startswith(REPORT):
        return subject[len(REPORT) :]
    if subject.startswith(WITHHELD):
        return f"withheld_{subject[len(WITHHELD) :]}"
    return subject if subject == EXPERIMENT_OFFER else None


# From each schema to the next; a new database takes all.
_STEPS: tuple[tuple[str, Callable[[sqlite3.Connection], None] | None], ...] = (
    (_FIRST, None),
    (_SECOND, None),
    (_THIRD, None),
    (_FOURTH, None),
    (_FIFTH, _keep_counts),
    (_SIXTH, None),
    (VOTES_SCHEMA + TRIALS_SCHEMA, None),
    ("", None),  # cohorts may name a region: a release before would take such a word for damage
    ("", tell_nodes_apart),
    (PUSH_SCHEMA, None),
)


def create_schema(connection: sqlite3.Connection) -> None:
    """In one transaction of its own."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        number = connection.execute("PRAGMA user_version").fetchone()[0]
        for script, convert in _STEPS[number:]:
            for statement in script.split(";"):
                connection.execute(statement)
            if convert is not None:
                convert(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_NUMBER}")
