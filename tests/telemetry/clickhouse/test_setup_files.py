"""What `config/clickhouse` ships is what the engine and the code take."""

import re
from xml.etree import ElementTree

from documents import read

from edge.telemetry.clickhouse import tables
from edge.telemetry.clickhouse.sink import RETRY_MOST_SECONDS, SEND_SECONDS

PAGE = read("config/clickhouse/README.md")


def statements():
    text = re.sub(r"--.*", "", read("config/clickhouse/setup.sql"))
    return [each.strip() for each in text.split(";") if each.strip()]


def test_the_setup_is_what_the_engine_understands(server):
    """It has no users of its own, so its parser alone says so."""
    understood = [
        server.ask("SELECT formatQuerySingleLine({said:String})", {"said": each})[0][0] for each in statements()
    ]
    grants = [each for each in understood if each.startswith("GRANT")]
    assert [re.search(r" ON (\S+) TO (\w+)", each).groups() for each in grants] == [
        ("edge.*", "edge"),
        ("edge.*", "edge_reader"),
    ]
    assert all(need in grants[0] for need in ("SELECT", "INSERT", "CREATE TABLE", "CREATE VIEW", "ALTER DELETE"))


def test_the_servers_part_is_well_formed():
    assert ElementTree.fromstring(read("config/clickhouse/server.xml")).tag == "clickhouse"


def test_the_page_names_every_table_and_its_time(server):
    tables.prepare_tables(server)
    names = server.ask("SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'")
    assert [name for (name,) in names if f"`{name}`" not in PAGE] == []
    for said in (
        f"remembers the last\n{tables.REMEMBERED_INSERTS:,} tokens ({tables.REMEMBERED_SECONDS // 86_400} days in",
        f"| {tables.OBSERVATION_DAYS} days |",
        f"| {tables.MINUTE_HOURS} hours, {tables.HOUR_DAYS} days, for ever |",
        f"| {tables.DEVICE_DAYS} days after the device's last row |",
        f"Every {SEND_SECONDS:.0f} s the node sends",
        f"every {RETRY_MOST_SECONDS:.0f} s at last",
    ):
        assert said in PAGE, said
