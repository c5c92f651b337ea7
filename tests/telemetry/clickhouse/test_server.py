"""A server over HTTP and HTTPS, with the client that nodes use."""

import sys

import pytest
from certificates import a_certificate
from clickhouse_engine import EngineProcess, needs_chdb
from observed import APP, NOON_MS, OutboxWorld, seen

from edge.domain.statistics.observation import Step
from edge.telemetry.clickhouse.figures import ClickHouseFigures
from edge.telemetry.clickhouse.server import (
    ClickHouseAddress,
    ClickHouseFault,
    connect_to_clickhouse,
    parse_clickhouse_address,
    read_clickhouse_password,
)
from edge.telemetry.clickhouse.sink import Sink
from edge.telemetry.questions.port import Heard, Where

NOW = NOON_MS / 1000


def sink_of(world, server):
    return Sink(world.database, world.folder, server, "node-a")


def block(first, devices):
    return [seen(device, steps=Step.WORD) for device in range(first, first + devices)]


@pytest.mark.long
@needs_chdb
def test_what_a_node_sends_is_there_and_answers(tmp_path):
    world = OutboxWorld(tmp_path)
    world.fold("s", 0, block(1, 500))
    with EngineProcess(tmp_path / "engine") as engine:
        sink_of(world, engine.server()).send_waiting(NOW)
        figures = ClickHouseFigures(engine.server(), dict)
        assert figures.heard_since(APP, NOON_MS, Where(), ()) == [Heard((), 500)]


@pytest.mark.long
@needs_chdb
def test_a_server_that_is_killed_before_it_answers_has_a_batch_once(tmp_path):
    world = OutboxWorld(tmp_path)
    world.fold("s", 0, block(1, 500))
    world.fold("s", 9, block(501, 500))
    with EngineProcess(tmp_path / "engine") as engine:
        sink_of(world, engine.server()).send_waiting(NOW)  # tables, the first batch
    world.fold("s", 20, block(1001, 500))
    with EngineProcess(tmp_path / "engine", "--die-after", "1") as engine, pytest.raises(ClickHouseFault):
        sink_of(world, engine.server()).send_waiting(NOW)
    assert world.totals.waiting == 500
    with EngineProcess(tmp_path / "engine") as engine:
        server = engine.server()
        stored = server.ask("SELECT count() FROM observations")
        assert sink_of(world, server).send_waiting(NOW) == 500
        assert stored == server.ask("SELECT count() FROM observations") == [(1_500,)]
        assert ClickHouseFigures(server, dict).heard_since(APP, NOON_MS, Where(), ()) == [Heard((), 1_500)]
        assert server.ask("SELECT sum(n) FROM sums_day") == [(1_500,)]


@pytest.mark.long
@needs_chdb
def test_a_wrong_password_is_said_and_not_shown(tmp_path):
    with EngineProcess(tmp_path / "engine") as engine, pytest.raises(ClickHouseFault) as refused:
        engine.server("hunter2").ask("SELECT 1")
    assert "Authentication failed" in refused.value.message
    assert "hunter2" not in refused.value.message
    assert f"127.0.0.1:{engine.port}/default" in refused.value.message


@pytest.mark.long
@needs_chdb
def test_what_the_server_says_is_passed_on_in_short(tmp_path):
    with EngineProcess(tmp_path / "engine") as engine, pytest.raises(ClickHouseFault) as refused:
        engine.server().ask(f"SELECT nope, '{'x' * 5_000}'")
    assert "UNKNOWN_IDENTIFIER" in refused.value.message or "Unknown expression identifier" in refused.value.message
    assert len(refused.value.message) < 700


@pytest.mark.long
@needs_chdb
def test_a_certificate_that_nobody_trusts_is_refused(tmp_path, monkeypatch):
    pair = a_certificate(tmp_path)
    options = ("--certificate", pair.certificate, "--key", pair.key)
    with EngineProcess(tmp_path / "engine", *options) as engine:
        with pytest.raises(ClickHouseFault, match="CERTIFICATE_VERIFY_FAILED"):
            engine.server(secure=True).ask("SELECT 1")
        monkeypatch.setenv("SSL_CERT_FILE", pair.certificate)
        assert engine.server(secure=True).ask("SELECT 1") == [(1,)]


@pytest.mark.long
def test_nobody_at_the_address_is_said():
    server = connect_to_clickhouse(ClickHouseAddress(False, "", "127.0.0.1", 1, "edge"), lambda: "")
    with pytest.raises(ClickHouseFault, match=r"127\.0\.0\.1:1/edge") as refused:
        server.ask("SELECT 1")
    assert refused.value.code == "clickhouse_unavailable"


@pytest.mark.long
def test_a_missing_package_is_said_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "clickhouse_connect", None)
    with pytest.raises(ClickHouseFault, match=r"pip install 'edge-updates\[clickhouse\]'") as refused:
        connect_to_clickhouse(ClickHouseAddress(True, "", "db.example.com", 8443, "edge"), lambda: "")
    assert refused.value.code == "clickhouse_missing"


@pytest.mark.long
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://edge@db.example.com:9443/figures", (True, "edge", "db.example.com", 9443, "figures")),
        ("https://db.example.com/figures", (True, "", "db.example.com", 8443, "figures")),
        ("http://a%40b@[::1]/figures", (False, "a@b", "::1", 8123, "figures")),
    ],
)
def test_addresses(url, expected):
    assert parse_clickhouse_address(url) == ClickHouseAddress(*expected)


@pytest.mark.long
def test_the_password_is_the_variable_else_the_files_first_line(tmp_path):
    file = tmp_path / "password"
    file.write_text("from file ü\n")
    assert read_clickhouse_password(str(file), {}) == "from file ü"
    assert read_clickhouse_password(str(file), {"EDGE_CLICKHOUSE_PASSWORD": "from variable"}) == "from variable"
    assert read_clickhouse_password("", {}) == ""
    for wrong in (tmp_path / "none", tmp_path):
        with pytest.raises(ClickHouseFault, match="cannot read the password of ClickHouse") as refused:
            read_clickhouse_password(str(wrong), {})
        assert refused.value.code == "clickhouse_password_unreadable"
