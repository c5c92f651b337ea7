"""The tables in ClickHouse: made if they are missing, with a number; those of a newer release are refused by name.

`observations` takes what nodes send. Materialised views add it up in the tables beside it, which answer the questions;
each holds sums, or states that merge, so it does not matter how many nodes send, and in which order. Every table
remembers the tokens of the last inserts: a batch that is sent again changes none of them.

A device's rows hold its cohort as a number, which `cohorts` explains. "First" and "latest" are by `moment`: the time of
receipt, then the place in the batch.
"""

from collections.abc import Iterator

from edge.telemetry.clickhouse.server import ClickHouseFault, ClickHouseServer
from edge.telemetry.questions.port import HOUR_DAYS, MINUTE_HOURS

TABLES_NUMBER = 2  # 2: devices have a region

# Inserts that each table remembers. A batch whose acknowledgement was lost is sent again before any other of its node,
# so this is how many batches others may send meanwhile: 10 nodes, one each in 10 s, for a day.
REMEMBERED_INSERTS = 100_000
REMEMBERED_SECONDS = 14 * 86_400  # where tables are replicated (ClickHouse Cloud)

OBSERVATION_DAYS = 90  # for questions of your own
DEVICE_DAYS = 400  # a device's rows, after the day they are about

COLUMNS = ("at_ms", "app", "device", "cohort", "bundle", "subject", "n", "value", "steps", "region")

PLACE_BITS = 20  # of a moment: a batch has fewer rows

# What a column holds while nothing of its kind has happened, so that the least or greatest is right.
NEVER_FIRST = 4_294_967_295

_WORD = "LowCardinality(String)"
_GROUP = f"channel {_WORD}, platform {_WORD}, kind {_WORD}, side {_WORD}, arm {_WORD}, segments Array({_WORD})"
_GROUP_NAMES = "channel, platform, kind, side, arm, segments"

_SETTINGS = (
    f"SETTINGS non_replicated_deduplication_window = {REMEMBERED_INSERTS},"
    f" replicated_deduplication_window = {REMEMBERED_INSERTS},"
    f" replicated_deduplication_window_seconds = {REMEMBERED_SECONDS},"
    # What is acknowledged is deleted from the outbox, so a power cut must not take it.
    " fsync_after_insert = 1, fsync_part_directory = 1"
)

_COHORT_KEY = "if(region = '', sipHash64(cohort), sipHash64(cohort, region))"  # without a region, as it was before

_OBSERVATIONS = f"""CREATE TABLE IF NOT EXISTS observations (
    at_ms Int64 EPHEMERAL,
    cohort Tuple(Tuple(String, String, Array(String), String, String, String), String, String, String) EPHEMERAL,
    at DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(at_ms, 'UTC') CODEC(Delta, ZSTD),
    moment UInt64 DEFAULT bitShiftLeft(toUInt64(at_ms), {PLACE_BITS}) + rowNumberInBlock() CODEC(Delta, ZSTD),
    cohort_key UInt64 DEFAULT {_COHORT_KEY},
    app {_WORD},
    device Int64,
    platform {_WORD} DEFAULT cohort.1.1,
    channel {_WORD} DEFAULT cohort.1.2,
    segments Array({_WORD}) DEFAULT cohort.1.3,
    side {_WORD} DEFAULT cohort.1.4,
    arm {_WORD} DEFAULT cohort.1.5,
    kind {_WORD} DEFAULT cohort.1.6,
    os {_WORD} DEFAULT cohort.2,
    country {_WORD} DEFAULT cohort.3,
    plugin {_WORD} DEFAULT cohort.4,
    region {_WORD} DEFAULT '',
    bundle {_WORD},
    subject {_WORD},
    n Int64,
    value Nullable(Float64),
    steps UInt16
) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY (app, subject, at)
TTL toDateTime(at) + INTERVAL {OBSERVATION_DAYS} DAY {_SETTINGS}"""

# Each rollup: its periods, the column of the period's number, for how long it is kept, and the month of a period.
_ROLLUPS = {
    "minute": ("UInt32", "intDiv(toUnixTimestamp64Milli(at), 60000)", 60, f"{MINUTE_HOURS} HOUR"),
    "hour": ("UInt32", "intDiv(toUnixTimestamp64Milli(at), 3600000)", 3600, f"{HOUR_DAYS} DAY"),
    "day": ("UInt32", "intDiv(toUnixTimestamp64Milli(at), 86400000)", 86400, ""),
}

_HAS_DEVICE = "device != 0"
_SKETCHED = (
    "(subject IN ('heard', 'crashed', 'crash_capable', 'error')"
    " OR startsWith(subject, 'event:') OR startsWith(subject, 'outcome:'))"
)
_TIMED = "(subject IN ('session_end', 'download', 'update') OR startsWith(subject, 'event:duration:'))"
# As `edge/domain/statistics/histogram.py` has it.
_BUCKET = "toInt32(floor(log(least(greatest(abs(value), 1e-3), 1e9)) / log((1 + 0.02) / (1 - 0.02))))"

_MINUTE_OF_ROW = "toUInt32(intDiv(toUnixTimestamp64Milli(at), 60000))"

_COHORTS = f"""CREATE TABLE IF NOT EXISTS cohorts (
    app {_WORD}, cohort_key UInt64, {_GROUP}, os {_WORD}, country {_WORD}, plugin {_WORD},
    region {_WORD} DEFAULT ''
) ENGINE = ReplacingMergeTree ORDER BY (app, cohort_key) {_SETTINGS}"""

_COHORTS_FROM = f"SELECT DISTINCT app, cohort_key, {_GROUP_NAMES}, os, country, plugin, region FROM observations"

_DEVICES = f"""CREATE TABLE IF NOT EXISTS devices (
    app {_WORD}, device Int64,
    first_at SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    first_cohort AggregateFunction(argMin, UInt64, UInt64),
    last_cohort AggregateFunction(argMax, UInt64, UInt64)
) ENGINE = AggregatingMergeTree ORDER BY (app, device)
TTL toDateTime(last_at) + INTERVAL {DEVICE_DAYS} DAY {_SETTINGS}"""

# A device's first word may be a report, which says neither channel nor segments, seconds before its first check: labels
# are the first that its first day has. By day, then those with a channel, then time in the day, then place.
_FIRST_DAY_LABELLED = (
    "toUInt64(bitShiftLeft(toUInt64(toUInt16(toDate(at))), 48) + bitShiftLeft(toUInt64(channel = ''), 47)"
    f" + (moment - bitShiftLeft(toUInt64(toUInt16(toDate(at))) * 86400000, {PLACE_BITS})))"
)

_DEVICES_FROM = f"""SELECT app, device, min(at) AS first_at, max(at) AS last_at,
    argMinState(cohort_key, {_FIRST_DAY_LABELLED}) AS first_cohort, argMaxState(cohort_key, moment) AS last_cohort
FROM observations WHERE subject = 'heard' AND {_HAS_DEVICE} GROUP BY app, device"""

_LATEST_WORDS = f"""CREATE TABLE IF NOT EXISTS latest_words (
    app {_WORD}, device Int64,
    word AggregateFunction(argMax, String, UInt64),
    last_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree ORDER BY (app, device)
TTL toDateTime(last_at) + INTERVAL {DEVICE_DAYS} DAY {_SETTINGS}"""

_LATEST_WORDS_FROM = f"""SELECT app, device, argMaxState(toString(bundle), moment) AS word, max(at) AS last_at
FROM observations WHERE bitAnd(steps, 128) != 0 AND {_HAS_DEVICE} GROUP BY app, device"""

_DEVICE_DAYS = f"""CREATE TABLE IF NOT EXISTS device_days (
    app {_WORD}, day Date, device Int64
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(day) ORDER BY (app, day, device)
TTL day + INTERVAL {DEVICE_DAYS} DAY {_SETTINGS}"""

_DEVICE_DAYS_FROM = f"""SELECT DISTINCT app, toDate(at) AS day, device
FROM observations WHERE subject = 'heard' AND {_HAS_DEVICE}"""

# Labels are those of the moment of the offer; the cause is that of the first failed boot, which says more than a failed
# download: each, if there is one, is before whatever else there is.
_LATER = 1 << 62

_STEPS = f"""CREATE TABLE IF NOT EXISTS steps (
    app {_WORD}, bundle {_WORD}, device Int64,
    bits SimpleAggregateFunction(groupBitOr, UInt16),
    cohort AggregateFunction(argMin, UInt64, UInt64),
    offered_minute SimpleAggregateFunction(min, UInt32),
    failed_minute SimpleAggregateFunction(min, UInt32),
    word_first_minute SimpleAggregateFunction(min, UInt32),
    word_last_minute SimpleAggregateFunction(max, UInt32),
    cause AggregateFunction(argMinIf, String, UInt64, UInt8),
    last_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree ORDER BY (app, bundle, device)
TTL toDateTime(last_at) + INTERVAL {DEVICE_DAYS} DAY {_SETTINGS}"""

_STEPS_FROM = f"""SELECT app, bundle, device, groupBitOr(steps) AS bits,
    argMinState(cohort_key, moment + if(bitAnd(steps, 1) != 0, 0, {_LATER})) AS cohort,
    min(if(bitAnd(steps, 1) != 0, {_MINUTE_OF_ROW}, {NEVER_FIRST})) AS offered_minute,
    min(if(bitAnd(steps, 24) != 0, {_MINUTE_OF_ROW}, {NEVER_FIRST})) AS failed_minute,
    min(if(bitAnd(steps, 128) != 0, {_MINUTE_OF_ROW}, {NEVER_FIRST})) AS word_first_minute,
    max(if(bitAnd(steps, 128) != 0, {_MINUTE_OF_ROW}, 0)) AS word_last_minute,
    argMinIfState(
        toString(subject), moment + if(bitAnd(steps, 8) != 0, 0, {_LATER}), toUInt8(bitAnd(steps, 24) != 0)
    ) AS cause,
    max(at) AS last_at
FROM observations WHERE steps != 0 AND {_HAS_DEVICE} GROUP BY app, bundle, device"""

# A row for each segment's blocks that were acknowledged: what a node whose own database was lost must not send again.
_BLOCKS = f"""CREATE TABLE IF NOT EXISTS blocks (
    node String, segment String, until UInt64, at DateTime DEFAULT now()
) ENGINE = ReplacingMergeTree(until) ORDER BY (node, segment)
TTL at + INTERVAL {OBSERVATION_DAYS} DAY {_SETTINGS}"""

# From number 1: again after a process that was killed half-way, it goes on. Nodes of the release before send rows
# without a region, also meanwhile.
_REGIONS = (
    f"ALTER TABLE observations ADD COLUMN IF NOT EXISTS region {_WORD} DEFAULT '' AFTER plugin",
    f"ALTER TABLE observations MODIFY COLUMN cohort_key UInt64 DEFAULT {_COHORT_KEY}",
    f"ALTER TABLE cohorts ADD COLUMN IF NOT EXISTS region {_WORD} DEFAULT ''",
    "DROP VIEW IF EXISTS to_cohorts",
)

_NUMBER = "CREATE TABLE IF NOT EXISTS schema_number (number UInt32) ENGINE = ReplacingMergeTree ORDER BY number"


def prepare_tables(server: ClickHouseServer) -> None:
    """Safe to run by many nodes at once, and after one that was killed half-way.

    Raises ClickHouseFault `newer_schema` for tables of a newer release, `clickhouse_unavailable`.
    """
    server.run(_NUMBER)
    ((found,),) = server.ask("SELECT max(number) FROM schema_number")
    if found > TABLES_NUMBER:
        reason = (
            f"ClickHouse at {server.shown}: its tables have number {found}, and this release knows up to"
            f" {TABLES_NUMBER}: upgrade this node, or name another database"
        )
        raise ClickHouseFault("newer_schema", reason)
    if found < TABLES_NUMBER:
        for statement in (*(_REGIONS if found == 1 else ()), *_statements()):
            server.run(statement)
        if found == 1:  # what was sent between the old view's end and the new one's beginning
            server.run(f"INSERT INTO cohorts {_COHORTS_FROM}")
        server.run(f"INSERT INTO schema_number VALUES ({TABLES_NUMBER})")  # last: the others exist from then on


def _statements() -> Iterator[str]:
    """A table before the view that fills it, and `observations` first: views select from it."""
    yield _OBSERVATIONS
    for rollup in _ROLLUPS:
        yield from _sums(rollup)
    for rollup in ("hour", "day"):
        yield from _devices_by(rollup)
        yield from _durations_by(rollup)
    for name, table, source in (
        ("cohorts", _COHORTS, _COHORTS_FROM),
        ("devices", _DEVICES, _DEVICES_FROM),
        ("latest_words", _LATEST_WORDS, _LATEST_WORDS_FROM),
        ("device_days", _DEVICE_DAYS, _DEVICE_DAYS_FROM),
        ("steps", _STEPS, _STEPS_FROM),
    ):
        yield table
        yield _view(name, source)
    yield _BLOCKS


def _sums(rollup: str) -> Iterator[str]:
    minute = f"channel {_WORD}, kind {_WORD}", "channel, kind"
    group, names = minute if rollup == "minute" else (_GROUP, _GROUP_NAMES)
    yield _rollup_table("sums", rollup, group, names, "n Int64, total Float64", "SummingMergeTree((n, total))")
    yield _rollup_view(
        "sums", rollup, names, "sum(n) AS n, sum(ifNull(value, 0)) AS total", "observations.n != 0 OR value IS NOT NULL"
    )


def _devices_by(rollup: str) -> Iterator[str]:
    column = "devices AggregateFunction(uniqCombined64, Int64)"
    yield _rollup_table("devices", rollup, _GROUP, _GROUP_NAMES, column, "AggregatingMergeTree")
    state = "uniqCombined64State(device) AS devices"
    yield _rollup_view("devices", rollup, _GROUP_NAMES, state, f"{_HAS_DEVICE} AND {_SKETCHED}")


def _durations_by(rollup: str) -> Iterator[str]:
    names = f"{_GROUP_NAMES}, bucket"
    yield _rollup_table("durations", rollup, f"{_GROUP}, bucket Int32", names, "n Int64", "SummingMergeTree(n)")
    yield _rollup_view(
        "durations", rollup, names, "sum(n) AS n", f"value IS NOT NULL AND {_TIMED}", computed=f"{_BUCKET} AS bucket"
    )


def _rollup_table(name: str, rollup: str, group: str, names: str, values: str, engine: str) -> str:
    kind, _, seconds, kept = _ROLLUPS[rollup]
    ends = f"toDateTime(period * {seconds}, 'UTC')"
    lasting = f"TTL {ends} + INTERVAL {kept}" if kept else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {name}_{rollup} (app {_WORD}, subject {_WORD}, period {kind}, bundle {_WORD},"
        f" {group}, {values}) ENGINE = {engine} PARTITION BY toYYYYMM({ends})"
        f" ORDER BY (app, subject, period, bundle, {names}) {lasting} {_SETTINGS}"
    )


def _rollup_view(name: str, rollup: str, names: str, values: str, where: str, computed: str = "") -> str:
    period = f"toUInt32({_ROLLUPS[rollup][1]}) AS period"
    selected = names.replace("bucket", computed) if computed else names
    source = (
        f"SELECT app, subject, {period}, bundle, {selected}, {values} FROM observations WHERE {where}"
        f" GROUP BY app, subject, period, bundle, {names}"
    )
    return _view(f"{name}_{rollup}", source)


def _view(table: str, source: str) -> str:
    return f"CREATE MATERIALIZED VIEW IF NOT EXISTS to_{table} TO {table} AS {source}"
