import pytest

from edge.telemetry.clickhouse.server import ClickHouseFault
from edge.telemetry.clickhouse.tables import TABLES_NUMBER, prepare_tables

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
