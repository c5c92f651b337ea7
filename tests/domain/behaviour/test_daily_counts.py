import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.behaviour.daily_counts import (
    COUNT_LIMIT,
    NO_SEGMENTS,
    RING_DAYS,
    DailyCounts,
    JudgedPart,
    Judging,
    Use,
    judged,
    merged,
    with_use,
)
from edge.domain.facts import NOT_JUDGED, Behaviour

DAY = 20_000
DEVICE = 7
SEEN = Use("com.example.app", DEVICE, DAY)


def counts_of(*uses: Use, features: int = 0) -> DailyCounts:
    counts = None
    for use in uses:
        counts = with_use(counts, use, features)
    assert counts is not None
    return counts


def judgement(counts: DailyCounts, day: int = DAY, before: Behaviour = NOT_JUDGED, judging: Judging = NO_SEGMENTS):
    return judged(counts, day, before, judging, ())


def test_a_device_that_was_only_heard_of_has_an_age_and_nothing_else():
    found = judgement(counts_of(SEEN), DAY + 3)
    assert found == Behaviour(first_seen_days=3, judged_day=DAY + 3)


def test_unknown_is_not_zero():
    told = judgement(counts_of(SEEN._replace(sessions=1)), DAY + 30)
    assert (told.sessions_7d, told.errors_7d, told.session_minutes_7d, told.features) == (0, None, None, None)


def test_a_plugin_that_reports_errors_and_had_none_has_zero():
    assert judgement(counts_of(SEEN._replace(reports_errors=True))).errors_7d == 0


@pytest.mark.parametrize("back, counted", [(0, True), (6, True), (7, False), (8, False), (300, False)])
def test_a_week_is_today_and_the_six_days_before(back, counted):
    counts = counts_of(SEEN._replace(sessions=3, errors=2, session_seconds=120))
    found = judgement(counts, DAY + back)
    assert (found.sessions_7d, found.errors_7d, found.session_minutes_7d) == ((3, 2, 2) if counted else (0, 0, 0))


def test_days_add_up():
    uses = [SEEN._replace(day=DAY + at, sessions=at + 1, session_seconds=90) for at in range(10)]
    found = judgement(counts_of(*uses), DAY + 9)
    assert found.sessions_7d == 4 + 5 + 6 + 7 + 8 + 9 + 10
    assert found.session_minutes_7d == 7 * 90 // 60
    assert found.first_seen_days == 9


def test_a_day_counts_no_more_than_its_limit():
    counts = counts_of(*[SEEN._replace(sessions=200, errors=1000)] * 2)
    found = judgement(counts)
    assert (found.sessions_7d, found.errors_7d) == (COUNT_LIMIT, COUNT_LIMIT)


def test_a_batch_that_comes_late_is_counted_on_its_day():
    late = counts_of(SEEN._replace(day=DAY + 2, sessions=1), SEEN._replace(sessions=2))
    assert judgement(late, DAY + 2).sessions_7d == 3
    assert judgement(late, DAY + 7).sessions_7d == 1
    assert late.first_day == DAY


def test_what_has_left_the_rings_moves_only_the_first_day():
    late = counts_of(SEEN._replace(day=DAY + RING_DAYS, sessions=1), SEEN._replace(sessions=9))
    assert late == counts_of(SEEN._replace(day=DAY + RING_DAYS, sessions=1))._replace(first_day=DAY)


def test_the_latest_update_counts():
    first = SEEN._replace(update_day=DAY, update_delay_hours=30.9, install_seconds=12.0)
    second = SEEN._replace(update_day=DAY + 1, update_delay_hours=2.0, install_seconds=4.0)
    for uses in ((first, second), (second, first)):
        found = judgement(counts_of(*uses), DAY + 1)
        assert (found.update_delay_hours, found.install_seconds) == (2, 4)


def test_a_device_that_was_heard_of_today_is_left_as_it_is():
    counts = counts_of(SEEN._replace(sessions=1))
    assert with_use(counts, SEEN, 0) is counts


def test_parts_remember_what_the_device_was():
    def is_in(behaviour: Behaviour) -> bool:  # enters above 10 sessions, leaves below 7
        sessions = behaviour.sessions_7d or 0
        return sessions > 10 or (behaviour.was_in(3, 5) and not sessions < 7)

    judging = Judging(9, (JudgedPart(3, 5, is_in),))
    outcomes, before = [], NOT_JUDGED
    for sessions in (8, 11, 8, 6, 8):
        before = judgement(counts_of(SEEN._replace(sessions=sessions)), DAY, before, judging)
        outcomes.append(before.was_in(3, 5))
    assert outcomes == [False, True, True, False, False]


def test_a_place_that_another_part_got_is_forgotten():
    before = Behaviour(judged_day=DAY, places=1 << 3, revision=9)
    assert before.was_in(3, 9) and not before.was_in(3, 10) and not before.was_in(2, 9)


uses = st.builds(
    Use,
    app=st.just("com.example.app"),
    device=st.just(DEVICE),
    day=st.integers(DAY, DAY + 20),
    sessions=st.integers(0, 300),
    errors=st.integers(0, 300),
    session_seconds=st.none() | st.integers(0, 100_000).map(float),
    features=st.none() | st.just(("cart",)),
    update_day=st.integers(DAY, DAY + 20),
    update_delay_hours=st.none() | st.integers(0, 100).map(float),
    install_seconds=st.none() | st.integers(0, 100).map(float),
)


@given(st.lists(uses, min_size=1), st.lists(uses, min_size=1), st.lists(uses, min_size=1))
def test_counts_of_several_nodes_merge_in_any_order(first, second, third):
    a, b, c = counts_of(*first, features=1), counts_of(*second, features=2), counts_of(*third)
    assert merged(a, b) == merged(b, a)
    assert merged(merged(a, b), c) == merged(a, merged(b, c))


@given(st.lists(uses, min_size=2), st.data())
def test_two_nodes_together_know_what_one_would(listed, data):
    listed = sorted(listed, key=lambda use: use.day)
    cut = data.draw(st.integers(1, len(listed) - 1))
    last = listed[-1].day
    one = judgement(counts_of(*listed), last)
    both = judgement(merged(counts_of(*listed[:cut]), counts_of(*listed[cut:])), last)
    assert (both.first_seen_days, both.sessions_7d, both.errors_7d) == (
        *(one.first_seen_days, one.sessions_7d, one.errors_7d),
    )
