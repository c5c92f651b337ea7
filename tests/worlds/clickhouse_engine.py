"""ClickHouse's own engine (chdb): within this process, one for all tests with a database for each, or in its own."""

import atexit
import importlib.util
import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from edge.telemetry.clickhouse.server import ClickHouseAddress, ClickHouseServer, connect_to_clickhouse

needs_chdb = pytest.mark.skipif(
    not importlib.util.find_spec("chdb"), reason="ClickHouse's engine as a package is not installed: pip install chdb"
)

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


class EngineProcess:
    """The engine in a process of its own, behind HTTP: `clickhouse_http`."""

    PASSWORD = 'it\'s a "secret": ü'

    def __init__(self, folder: Path, *options: str) -> None:
        program = Path(__file__).with_name("clickhouse_http.py")
        command = [sys.executable, str(program), str(folder), "edge", self.PASSWORD, *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> int:
        """At once, if it still runs. Returns the exit code."""
        self._process.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait()

    def server(self, password: str = PASSWORD, *, secure: bool = False) -> ClickHouseServer:
        """As a node is configured for it."""
        address = ClickHouseAddress(secure, "edge", "127.0.0.1", self.port, "default")
        return connect_to_clickhouse(address, lambda: password)
