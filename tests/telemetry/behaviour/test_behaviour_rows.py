import sqlite3

import pytest

from edge.domain.behaviour.daily_counts import FEATURES_LIMIT, JudgedPart, Judging, Use
from edge.telemetry.behaviour.judgements import parse_judgement
from edge.telemetry.behaviour.rows import (
    BEHAVIOUR_SCHEMA,
    all_judgements,
    all_places,
    erase_device,
    forget_oldest,
    note_batch,
    read_counts_of,
)

APP, OTHER_APP = "com.example.app", "com.example.other"
DAY = 20_000
SEEN = Use(APP, 1, DAY)


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:")
    connection.executescript(BEHAVIOUR_SCHEMA)
    yield connection
    connection.close()


def behaviour_of(connection, device=1):
    found = read_counts_of(connection, device)
    assert found is not None
    return found[1]


def test_a_device_is_judged_at_its_first_fold_of_a_day(connection):
    note_batch(connection, [SEEN._replace(sessions=11)])
    assert behaviour_of(connection).sessions_7d == 11
    assert note_batch(connection, [SEEN._replace(sessions=5)]).judgements == []
    assert behaviour_of(connection).sessions_7d == 11
    (judged,) = note_batch(connection, [SEEN._replace(day=DAY + 1)]).judgements
    assert behaviour_of(connection).sessions_7d == 16
    assert parse_judgement(judged.encoded, lambda name: None).judged_day == DAY + 1


def test_a_batch_of_several_days_judges_each(connection):
    batch = [SEEN._replace(day=DAY + at, sessions=1) for at in (2, 0, 1)]
    (judged,) = note_batch(connection, batch).judgements
    assert judged.last_day == DAY + 2
    assert behaviour_of(connection).sessions_7d == 3


def test_what_is_no_news_writes_nothing(connection):
    note_batch(connection, [SEEN])
    before = connection.total_changes
    assert note_batch(connection, [SEEN]).judgements == []
    assert connection.total_changes == before


def test_many_devices_in_one_batch(connection):
    keys = [*range(-700, 700), -(1 << 63), (1 << 63) - 1]
    noted = note_batch(connection, [SEEN._replace(device=key, sessions=2, errors=255) for key in keys])
    assert {each.device for each in noted.judgements} == set(keys)
    assert behaviour_of(connection, -(1 << 63)).errors_7d == 255


def test_all_bits_and_counts_come_back(connection):
    names = [f"f{at}" for at in range(FEATURES_LIMIT)]
    for day in range(8):
        use = SEEN._replace(day=DAY + day, sessions=255, errors=255, session_seconds=3600, features=names)
        note_batch(connection, [use])
    found = behaviour_of(connection)
    assert (found.sessions_7d, found.errors_7d, found.session_minutes_7d) == (7 * 255, 7 * 255, 7 * 60)
    assert all(name in found.features for name in names) and "f64" not in found.features


def test_names_beyond_the_limit_are_refused_and_counted(connection):
    names = [f"f{at}" for at in range(FEATURES_LIMIT)]
    assert not note_batch(connection, [SEEN._replace(features=names)]).refused.total()
    noted = note_batch(connection, [SEEN._replace(device=2, features=["new", "f3", "", "x" * 65])])
    assert noted.refused == {APP: 3}
    assert connection.execute("SELECT n FROM behaviour_refused").fetchall() == [(3,)]
    assert "f3" in behaviour_of(connection, 2).features and "new" not in behaviour_of(connection, 2).features
    assert not note_batch(connection, [SEEN._replace(app=OTHER_APP, device=3, features=["new"])]).refused.total()


def test_invented_names_crowd_out_none_that_a_segment_reads(connection):
    names = [f"f{at}" for at in range(FEATURES_LIMIT)]
    note_batch(connection, [SEEN._replace(features=names)])
    reads = Judging(features=frozenset({"checkout", "f63"}))
    noted = note_batch(connection, [SEEN._replace(device=2, features=["checkout"])], lambda app: reads)
    assert noted.is_whole_table and not noted.refused.total()
    shown = {each.device: each.encoded for each in all_judgements(connection)}
    places = all_places(connection)
    assert (APP, "f62") not in places and len(places) == FEATURES_LIMIT

    def features(device):
        return parse_judgement(shown[device], lambda name: places.get((APP, name))).features

    assert "checkout" in features(2)
    assert "checkout" not in features(1) and "f63" in features(1) and "f0" in features(1)
    assert "checkout" not in behaviour_of(connection, 1).features


def test_judgements_follow_the_segments_of_the_app(connection):
    part = JudgedPart(31, 4, lambda behaviour: (behaviour.sessions_7d or 0) > 10)
    note_batch(connection, [SEEN._replace(sessions=11)], lambda app: Judging(4, (part,)))
    found = behaviour_of(connection)
    assert found.was_in(31, 4) and found.revision == 4


def test_an_erased_device_is_gone(connection):
    note_batch(connection, [SEEN, SEEN._replace(device=2)])
    assert erase_device(connection, 1).encoded is None
    assert read_counts_of(connection, 1) is None
    assert [each.device for each in all_judgements(connection)] == [2]


def test_those_heard_of_longest_ago_are_forgotten_first(connection):
    note_batch(connection, [SEEN._replace(device=at, day=DAY + at) for at in range(10)])
    assert {each.device for each in forget_oldest(connection, DAY + 2, 100)} == {0, 1}
    assert {each.device for each in forget_oldest(connection, 0, 5)} == {2, 3, 4}
    assert [each.device for each in all_judgements(connection)] == [5, 6, 7, 8, 9]
