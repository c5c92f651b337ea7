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


@contextmanager
def clickhouse_database() -> Iterator[ClickHouseServer]:
    """A new database, empty, and gone afterwards."""
    import clickhouse_connect

    client = clickhouse_connect.get_client(dsn=f"chdb://{engine_folder()}")
    name = f"test_{next(_numbers)}"
    client.command(f"CREATE DATABASE {name}")
    client.database = name
    try:
        yield ClickHouseServer(lambda: client, "the engine of this process")
    finally:
        client.command(f"DROP DATABASE {name}")
        client.close()
