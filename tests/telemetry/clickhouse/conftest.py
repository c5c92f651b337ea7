from collections.abc import Iterator

import pytest
from clickhouse_engine import clickhouse_database, needs_chdb

from edge.telemetry.clickhouse.server import ClickHouseServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "telemetry/clickhouse" in item.path.as_posix() and "server" in getattr(item, "fixturenames", ()):
            item.add_marker(needs_chdb)


@pytest.fixture
def server() -> Iterator[ClickHouseServer]:
    """A database of the engine within this process."""
    with clickhouse_database() as found:
        yield found
