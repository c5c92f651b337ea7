"""Every implementation of the port `Figures`, filled with the same observations."""

import atexit
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from clickhouse_engine import EngineProcess, new_database

from edge.domain.statistics.observation import Observation
from edge.telemetry.clickhouse.figures import ClickHouseFigures
from edge.telemetry.clickhouse.server import ClickHouseServer
from edge.telemetry.clickhouse.tables import COLUMNS, prepare_tables
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.figures_store import apply
from edge.telemetry.folding.outbox import encode_rows
from edge.telemetry.questions.port import Figures
from edge.telemetry.questions.sqlite_figures import SqliteFigures

Add = Callable[[Sequence[Observation]], Figures]  # adds a batch; the figures with it


def add_rows(server: ClickHouseServer, observations: Sequence[Observation]) -> None:
    """Without a token of its own the same batch would count once."""
    token = {"insert_deduplication_token": secrets.token_hex()}
    server.insert("observations", COLUMNS, encode_rows(observations), token)


@contextmanager
def clickhouse_store(_: Path) -> Iterator[Add]:
    """The tables are made once for all, and emptied."""
    yield from _emptied(_prepared())


@contextmanager
def clickhouse_http_store(_: Path) -> Iterator[Add]:
    """The same, asked over HTTP."""
    yield from _emptied(_prepared_http())


def _emptied(server: ClickHouseServer) -> Iterator[Add]:
    def add(observations: Sequence[Observation]) -> Figures:
        if observations:
            add_rows(server, observations)
        return ClickHouseFigures(server, dict)

    yield add
    tables = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    for (name,) in server.ask(tables):
        server.run(f"TRUNCATE TABLE {name}")


@cache
def _prepared() -> ClickHouseServer:
    server = new_database()
    prepare_tables(server)
    return server


@contextmanager
def sqlite_store(folder: Path) -> Iterator[Add]:
    with closing(open_for_folding(folder / "counts.db")) as connection:

        def add(observations: Sequence[Observation]) -> Figures:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                apply(connection, observations)
            return SqliteFigures(connection)

        yield add


@cache
def _prepared_http() -> ClickHouseServer:
    folder = tempfile.mkdtemp(prefix="clickhouse-")
    process = EngineProcess(Path(folder))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(process.kill)
    server = process.server()
    prepare_tables(server)
    return server


STORES = {"sqlite": sqlite_store, "clickhouse": clickhouse_store, "clickhouse_http": clickhouse_http_store}
