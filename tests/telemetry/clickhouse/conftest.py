from collections.abc import Iterator

import pytest
from clickhouse_engine import clickhouse_database

from edge.telemetry.clickhouse.server import ClickHouseServer


@pytest.fixture
def server() -> Iterator[ClickHouseServer]:
    pytest.importorskip("chdb", reason="ClickHouse's engine as a package is not installed: pip install chdb")
    with clickhouse_database() as found:
        yield found
