"""ClickHouse's own engine within this process (chdb): one for all tests, a database of its own for each."""

import atexit
import importlib.util
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge.telemetry.clickhouse.server import ClickHouseServer

MISSING = "chdb, ClickHouse's engine as a package, is not installed: pip install chdb"
needs_chdb = pytest.mark.skipif(not importlib.util.find_spec("chdb"), reason=MISSING)

_numbers = itertools.count(1)
_folder: list[str] = []


def engine_folder() -> str:
    """The engine opens one folder in the life of a process."""
    if not _folder:
        _folder.append(tempfile.mkdtemp(prefix="chdb-"))
        atexit.register(shutil.rmtree, _folder[0], ignore_errors=True)
    return _folder[0]


def new_database() -> ClickHouseServer:
    """An empty one, which lasts as long as the process."""
    import clickhouse_connect

    client = clickhouse_connect.get_client(dsn=f"chdb://{engine_folder()}")
    name = f"test_{next(_numbers)}"
    client.command(f"CREATE DATABASE {name}")
    client.database = name
    return ClickHouseServer(lambda: client, "the engine of this process")


@contextmanager
def clickhouse_database() -> Iterator[ClickHouseServer]:
    """An empty one, gone afterwards."""
    server = new_database()
    ((name,),) = server.ask("SELECT currentDatabase()")
    yield server
    server.run(f"DROP DATABASE {name}")
