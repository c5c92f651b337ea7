"""The hours of its own day at which a device is used."""

from edge.domain.messaging.usual_hours import STEP, UNKNOWN_HOURS, WEEK_HOURS, decay, learn_hour, usual_hour

START = 490_000  # an hour since the epoch


def learned(*times, hours=UNKNOWN_HOURS):
    last = 0
    for hour, local in times:
        hours, last = learn_hour(hours, last, hour, local), hour
    return hours


def evenings(days, local=19, start=START):
    return [(start + 24 * day, local) for day in range(days)]


def test_little_is_no_habit():
    assert usual_hour(UNKNOWN_HOURS) is None
    assert usual_hour(learned(*evenings(3))) is None
    assert usual_hour(learned(*evenings(4))) == 19


def test_an_hour_counts_once():
    assert learn_hour(learned((START, 7)), START, START, 7) == learned((START, 7))
    assert learn_hour(learned((START, 7)), START, START - 1, 6) == learned((START, 7))


def test_a_habit_around_a_full_hour_is_one():
    hours = learned((START, 8), (START + 24, 9), (START + 48, 8), (START + 72, 9), (START + 96, 20), (START + 120, 20))
    assert max(range(24), key=hours.__getitem__) == 20  # by itself
    assert usual_hour(hours) == 9
    assert usual_hour(bytes([20, *[0] * 22, 30])) == 23  # over midnight


def test_a_new_habit_takes_over_within_weeks():
    old = evenings(60)
    new = evenings(21, local=7, start=START + 24 * 60)
    assert usual_hour(learned(*old)) == 19
    assert usual_hour(learned(*old, *new)) == 7


def test_what_is_long_ago_is_forgotten():
    assert decay(bytes([255] * 24), 30) == UNKNOWN_HOURS
    assert learned(*evenings(60), (START + 60 * WEEK_HOURS, 3)) == bytes([*[0] * 3, STEP, *[0] * 20])


def test_counters_stay_within_a_byte():
    assert max(learned(*((START + each, 5) for each in range(100)))) <= 255
