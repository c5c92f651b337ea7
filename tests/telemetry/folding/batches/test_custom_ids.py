"""Which device stated a custom id is known of so many, the latest, and as long as the device is."""

from contextlib import closing

import pytest

from edge.telemetry.folding.batches import custom_ids
from edge.telemetry.folding.batches.custom_ids import CustomIds
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.words import Words
from edge.telemetry.upkeep.ageing import age

DAY_MS = 86_400_000


@pytest.fixture
def connection(tmp_path):
    with closing(open_for_folding(tmp_path / "figures.db")) as connection:
        yield connection


def state(connection, *stated, app=1):
    customs = CustomIds(connection)
    for custom_id, device, at_ms in stated:
        customs.state(app, custom_id, device, at_ms, 0)
    customs.store()
    connection.commit()


def test_the_fold_keeps_the_latest_and_no_more_than_the_limit(connection, monkeypatch):
    monkeypatch.setattr(custom_ids, "CUSTOM_IDS_LIMIT", 3)
    state(connection, *((f"user{n}", 7, n) for n in range(10)))
    state(connection, ("another app's", 8, 1), app=2)
    known = CustomIds(connection)
    assert [n for n in range(10) if known.device_of(1, f"user{n}")] == [7, 8, 9]
    assert known.device_of(2, "another app's") == 8


def test_a_custom_id_goes_with_its_device(connection):
    app = Words(connection).app("com.acme.shop")
    state(connection, ("gone", 7, 1), ("kept", 8, 1), ("new", 9, 100 * DAY_MS), app=app)
    row = (app, 8, 1, 1, 100 * DAY_MS, 1, 1, 1, 1, None)
    connection.execute("INSERT INTO devices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    age(connection, 100 * DAY_MS / 1000)
    known = CustomIds(connection)
    assert [known.device_of(app, each) for each in ("gone", "kept", "new")] == [None, 8, 9]
