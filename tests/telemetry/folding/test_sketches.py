"""Distinct devices are about as many as they are, whatever ids somebody chose."""

from contextlib import closing

from figures_world import heard, write_figures

from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.sketches import SketchedItems, distinct, with_devices


def sketches_of(database, devices):
    write_figures(database, [heard(device) for device in devices])
    with closing(open_for_folding(database)) as connection:
        return [sketch for (sketch,) in connection.execute("SELECT sketch FROM sketches_day")]


def test_each_database_has_a_key_that_nobody_knows(tmp_path):
    one, other = (sketches_of(tmp_path / name, range(1, 50)) for name in ("one.db", "other.db"))
    assert distinct(one) == distinct(other) == 49
    assert distinct([*one, *other]) == 98
    assert distinct([*one, with_devices(None, range(1, 50))]) == 98


def test_a_key_outlasts_its_transaction(tmp_path):
    database = tmp_path / "figures.db"
    sketches_of(database, range(1, 50))
    assert distinct(sketches_of(database, range(1, 60))) == 59


def test_items_are_of_the_key():
    one, same, other = SketchedItems(b"a" * 32), SketchedItems(b"a" * 32), SketchedItems(b"b" * 32)
    assert [one[n] for n in (-1, 0, 7)] == [same[n] for n in (-1, 0, 7)] != [other[n] for n in (-1, 0, 7)]
