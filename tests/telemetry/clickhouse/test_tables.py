import pytest
from figures_stores import add_rows

from edge.domain.statistics.observation import Cohort, Group, Observation
from edge.telemetry.clickhouse.figures import ClickHouseFigures
from edge.telemetry.clickhouse.server import ClickHouseFault
from edge.telemetry.clickhouse.tables import COLUMNS, TABLES_NUMBER, prepare_tables
from edge.telemetry.folding.outbox import encode_rows
from edge.telemetry.questions.port import By, Where

NOW_MS = 1_795_867_200_000

TABLES = {
    *("observations", "cohorts", "devices", "latest_words", "device_days", "steps", "blocks", "schema_number"),
    *("sums_minute", "sums_hour", "sums_day", "devices_hour", "devices_day", "durations_hour", "durations_day"),
}


def names(server, engine):
    sign = "!=" if engine == "tables" else "="
    question = f"SELECT name FROM system.tables WHERE database = currentDatabase() AND engine {sign} 'MaterializedView'"
    return {name for (name,) in server.ask(question)}


def test_every_table_is_made_once_and_has_a_view_that_fills_it(server):
    prepare_tables(server)
    prepare_tables(server)
    assert names(server, "tables") == TABLES
    assert names(server, "views") == {f"to_{name}" for name in TABLES - {"observations", "blocks", "schema_number"}}
    assert server.ask("SELECT max(number) FROM schema_number") == [(TABLES_NUMBER,)]


def test_tables_that_were_made_in_part_are_completed(server):
    prepare_tables(server)
    for name in ("schema_number", "to_steps", "steps", "blocks"):
        server.run(f"DROP TABLE {name}")
    prepare_tables(server)
    assert names(server, "tables") == TABLES
    assert "to_steps" in names(server, "views")


def test_tables_of_a_newer_release_are_refused_by_name_and_left_alone(server):
    prepare_tables(server)
    server.run(f"INSERT INTO schema_number VALUES ({TABLES_NUMBER + 1})")
    server.run("DROP TABLE to_steps")
    with pytest.raises(ClickHouseFault, match=rf"number {TABLES_NUMBER + 1}, and this release knows") as refused:
        prepare_tables(server)
    assert refused.value.code == "newer_schema"
    assert "to_steps" not in names(server, "views")


def test_every_table_with_observations_remembers_inserts(server):
    prepare_tables(server)
    found = server.ask(
        "SELECT name, create_table_query FROM system.tables"
        " WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )
    without = [name for name, made in found if "non_replicated_deduplication_window = 100000" not in made]
    assert without == ["schema_number"]


WORD = "LowCardinality(String)"
REMEMBERS = "SETTINGS non_replicated_deduplication_window = 100000"
# As the release before nodes had regions made them.
OF_NUMBER_1 = (
    f"""CREATE TABLE observations (
    at_ms Int64 EPHEMERAL,
    cohort Tuple(Tuple(String, String, Array(String), String, String, String), String, String, String) EPHEMERAL,
    at DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(at_ms, 'UTC') CODEC(Delta, ZSTD),
    moment UInt64 DEFAULT bitShiftLeft(toUInt64(at_ms), 20) + rowNumberInBlock() CODEC(Delta, ZSTD),
    cohort_key UInt64 DEFAULT sipHash64(cohort),
    app {WORD}, device Int64, platform {WORD} DEFAULT cohort.1.1, channel {WORD} DEFAULT cohort.1.2,
    segments Array({WORD}) DEFAULT cohort.1.3, side {WORD} DEFAULT cohort.1.4, arm {WORD} DEFAULT cohort.1.5,
    kind {WORD} DEFAULT cohort.1.6, os {WORD} DEFAULT cohort.2, country {WORD} DEFAULT cohort.3,
    plugin {WORD} DEFAULT cohort.4, bundle {WORD}, subject {WORD}, n Int64, value Nullable(Float64), steps UInt16
) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY (app, subject, at) {REMEMBERS}""",
    f"""CREATE TABLE cohorts (
    app {WORD}, cohort_key UInt64, channel {WORD}, platform {WORD}, kind {WORD}, side {WORD}, arm {WORD},
    segments Array({WORD}), os {WORD}, country {WORD}, plugin {WORD}
) ENGINE = ReplacingMergeTree ORDER BY (app, cohort_key) {REMEMBERS}""",
    """CREATE MATERIALIZED VIEW to_cohorts TO cohorts AS SELECT DISTINCT app, cohort_key, channel, platform, kind,
    side, arm, segments, os, country, plugin FROM observations""",
)


def an_observation(device, region=""):
    return Observation(NOW_MS, "com.acme", device, Cohort(Group("ios"), region=region), "1.0.0", "heard", 0)


def test_tables_of_the_release_before_get_a_region_and_keep_what_they_have(server):
    prepare_tables(server)
    for name in ("to_cohorts", "cohorts", "observations"):
        server.run(f"DROP TABLE {name}")
    for statement in OF_NUMBER_1:
        server.run(statement)
    server.run("TRUNCATE TABLE schema_number")
    server.run("INSERT INTO schema_number VALUES (1)")
    old = encode_rows([an_observation(1)]).replace(b',""]\n', b"]\n")
    server.insert("observations", COLUMNS[:-1], old, {})
    prepare_tables(server)
    add_rows(server, [an_observation(2), an_observation(3, "eu")])
    server.insert("observations", COLUMNS[:-1], old.replace(b'"com.acme",1', b'"com.acme",4'), {})  # of such a node
    heard = ClickHouseFigures(server, dict).heard_since("com.acme", 0, Where(), (By.REGION,))
    assert heard == [(("",), 3), (("eu",), 1)]
    assert server.ask("SELECT count(DISTINCT cohort_key) FROM observations") == [(2,)]
