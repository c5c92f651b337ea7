"""Facts of devices: what each event does to them, held against a plain model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.facts import (
    DAY_SECONDS,
    NAMES_LIMIT,
    NO_FACTS,
    WITHHELD_DAYS,
    WITHHELD_LIMIT,
    DeviceFacts,
    choose_channel,
    day_of,
    in_force,
    lift,
    name_hash,
    note_failure,
    note_offer,
)

NOW = 1_760_000_000.0
TODAY = 20_370
A, B = name_hash("1.0.0"), name_hash("1.0.1")


def failed(*names, now=NOW):
    facts = NO_FACTS
    for name in names:
        facts = note_failure(note_offer(facts, name, now), name, now)
    return facts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", 0x2D06800538D3),
        ("production", 0xEB15A7D3B00C),
        ("beta", 0x28FAFF7F97DF),
        ("1.0.0", 0x9FB2199FE763),
        ("1.0.0-rc.1+build.7", 0x8104C56B9E8A),
        ("канал", 0xE6B0CF8EAE05),
        ("\ud800", 0xDAAB83825392),
    ],
)
def test_names_hash_as_they_always_did(name, expected):
    assert name_hash(name) == expected


@given(st.text())
def test_a_hash_is_never_none_and_fits_a_slot(name):
    assert 0 < name_hash(name) < 1 << 48


@pytest.mark.parametrize(("now", "day"), [(-5.0, 1), (0.0, 1), (NOW, TODAY), (1e12, 65_535)])
def test_a_day_fits_a_slot_whatever_the_clock_says(now, day):
    assert day_of(now) == day


def test_a_failure_withholds_what_was_offered():
    assert failed(A) == DeviceFacts(0, (A,), (), (TODAY,))


@pytest.mark.parametrize("facts", [NO_FACTS, note_offer(NO_FACTS, B, NOW), failed(A), choose_channel(NO_FACTS, 7)])
def test_a_failure_without_a_prior_offer_changes_nothing(facts):
    assert note_failure(facts, A, NOW + DAY_SECONDS) == facts


def test_an_offer_that_crossed_the_failure_does_not_lift_it():
    assert note_offer(failed(A), A, NOW) == failed(A)


def test_a_lifted_bundle_may_be_offered_and_fail_again():
    assert lift(failed(A, B), A) == failed(B)
    assert lift(failed(A), B) == failed(A)
    assert note_failure(note_offer(lift(failed(A), A), A, NOW), A, NOW) == failed(A)


@pytest.mark.parametrize(("days", "withheld"), [(-400, True), (0, True), (89, True), (90, False), (91, False)])
def test_what_is_withheld_expires(days, withheld):
    assert (A in in_force(failed(A), NOW + days * DAY_SECONDS).withheld) is withheld
    assert WITHHELD_DAYS == 90


def test_an_expired_bundle_is_offered_anew():
    later = NOW + WITHHELD_DAYS * DAY_SECONDS
    assert note_offer(failed(A), A, later) == DeviceFacts(0, (), (A,), ())


def test_only_what_expired_goes():
    facts = note_failure(note_offer(failed(A), B, NOW + 10 * DAY_SECONDS), B, NOW + 10 * DAY_SECONDS)
    assert in_force(facts, NOW + 95 * DAY_SECONDS) == DeviceFacts(0, (B,), (), (TODAY + 10,))


def test_the_oldest_offers_make_room():
    facts = NO_FACTS
    for bundle in (*range(1, 9), 6):
        facts = note_offer(facts, bundle, NOW)
    assert facts.offered == (4, 5, 7, 8, 6)


def test_a_fourth_failure_forgets_the_first():
    assert failed(1, 2, 3, 4).withheld == (2, 3, 4)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["offer", "fail", "lift", "choose"]), st.integers(1, 8), st.floats(0, 100 * DAY_SECONDS)),
    max_size=60,
)


@given(EVENTS)
def test_facts_always_fit_and_only_failures_of_offered_bundles_withhold(events):
    facts, offered, now = NO_FACTS, set(), NOW
    for event, name, passed in events:
        now += passed
        before = facts
        match event:
            case "offer":
                facts = note_offer(facts, name, now)
                offered.add(name)
                assert facts.offered[-1:] == (name,) or name in in_force(before, now).withheld
            case "fail":
                facts = note_failure(facts, name, now)
                assert (name in facts.withheld) == (name in before.offered or name in before.withheld)
            case "lift":
                facts = lift(facts, name)
                assert name not in facts.withheld
            case "choose":
                facts = choose_channel(facts, name)
                assert facts == before._replace(channel=name)
        names = facts.withheld + facts.offered
        assert len(names) == len(set(names)) <= NAMES_LIMIT
        assert len(facts.since) == len(facts.withheld) <= WITHHELD_LIMIT
        assert set(facts.withheld) <= offered
