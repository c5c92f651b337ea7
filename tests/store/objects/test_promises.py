"""Promises outlive processes, and are forgotten by days."""

import hashlib

from edge.store.objects.promises import DAY_SECONDS, Promises

NOW = 1_700_000_000.0


def digest(n):
    return hashlib.sha256(str(n).encode()).hexdigest()


def test_another_process_sees_them(tmp_path):
    Promises(tmp_path / "recent").add([digest(1), digest(2)], NOW)
    assert Promises(tmp_path / "recent").since(NOW - DAY_SECONDS) == {digest(1), digest(2)}


def test_nothing_was_promised_yet(tmp_path):
    promises = Promises(tmp_path / "recent")
    promises.forget(NOW)
    assert promises.since(0.0) == set() and not (tmp_path / "recent").exists()


def test_one_is_written_once_a_day(tmp_path):
    promises = Promises(tmp_path / "recent")
    for _ in range(100):
        promises.add([digest(1)], NOW)
    (file,) = (tmp_path / "recent").iterdir()
    assert file.stat().st_size == 32
    promises.add([digest(1)], NOW + DAY_SECONDS)
    assert len(list((tmp_path / "recent").iterdir())) == 2


def test_days_before_a_moment_are_forgotten(tmp_path):
    promises = Promises(tmp_path / "recent")
    promises.add([digest(1)], NOW)
    promises.add([digest(2)], NOW + 3 * DAY_SECONDS)
    promises.forget(NOW + 2 * DAY_SECONDS)
    assert promises.since(0.0) == {digest(2)}
