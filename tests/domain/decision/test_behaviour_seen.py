"""Explain says by what a device was judged, and what keeps it in a segment."""

import pytest
from decision_world import a_view
from factories import a_check
from histories import NOW, PUBLISHED, History

from edge.domain.changes.commands import SegmentSettings, SetSegment, StartRollout
from edge.domain.decision.behaviour_seen import date_of, day_in_words, judged_words
from edge.domain.decision.explain import explain
from edge.domain.facts import Behaviour, DeviceFacts
from edge.domain.schedule.rollout import Moment
from edge.domain.targeting.parser import parse_expression

DAY = 20_784  # 27 November 2026
USED = Behaviour(3, 11, 0, 61, 5, 12, frozenset({"cart"}), DAY)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("sessions_7d > 10", "on 27 Nov 2026: 11 sessions"),
        ('platform == "ios" && (sessions_7d > 10 || sessions_7d < 3)', "on 27 Nov 2026: 11 sessions"),
        ("errors_7d == 0 && first_seen_days < 7", "on 27 Nov 2026: 0 errors, first heard of 3 days ago"),
        ("session_minutes_7d in [60, 61]", "on 27 Nov 2026: 61 minutes of sessions"),
        ("update_delay_hours < install_seconds", "on 27 Nov 2026: updated after 5 hours, downloaded in 12 seconds"),
        ('feature("cart") || !feature("pay")', 'on 27 Nov 2026: has used "cart", has not used "pay"'),
        ('platform == "ios" && bucket(10)', ""),
    ],
)
def test_a_judgement_in_words(where, words):
    assert judged_words(parse_expression(where), USED) == words


def test_what_is_unknown_is_said():
    condition = parse_expression('sessions_7d > 10 || feature("cart")')
    assert judged_words(condition, Behaviour()) == "not yet"
    heard_of = Behaviour(first_seen_days=0, judged_day=DAY)
    assert judged_words(condition, heard_of) == 'on 27 Nov 2026: sessions_7d unknown, feature("cart") unknown'
    assert judged_words(parse_expression("sessions_7d > 1"), USED._replace(sessions_7d=1)).endswith("1 session")


def test_days_are_those_of_utc():
    assert (day_in_words(1), date_of(0).isoformat()) == ("2 Jan 1970", "1970-01-01")


def saw(history: History, behaviour: Behaviour, rule: str) -> dict[str, object]:
    steps, _ = explain(a_view(history.state), a_check(), Moment(NOW + 50, NOW + 50), DeviceFacts(behaviour=behaviour))
    return next(dict(step.saw) for step in steps if step.rule == rule)


def test_the_step_of_a_segment_says_what_it_was_judged_by_and_what_takes_the_device_out():
    settings = SegmentSettings(where="sessions_7d > 10", leave="sessions_7d < 7", channel="beta")
    history = History(*PUBLISHED, SetSegment(name="power", settings=settings))
    came_in = saw(history, USED, "channel_segment")
    assert came_in["judged"] == "on 27 Nov 2026: 11 sessions" and "was_in" not in came_in
    stays = saw(history, USED._replace(sessions_7d=8, places=1, revision=1_000), "channel_segment")
    assert stays["matches"] and stays["was_in"] and stays["stays_until"] == "sessions_7d < 7"


def test_the_step_of_a_rollout_says_so_of_each_segment_that_reads_behaviour():
    power = SetSegment(name="power", settings=SegmentSettings(where="sessions_7d > 10"))
    droids = SetSegment(name="droids", settings=SegmentSettings(where='platform == "android"'))
    rollout = StartRollout(channel="production", bundle="1.0.2", steps=(100_000,), segments=("power", "droids"))
    history = History(*PUBLISHED, power, droids, rollout)
    held = USED._replace(sessions_7d=0, places=1, revision=1_000)
    seen = saw(history, held, "rollout")
    assert seen["segments"] == {"power": True, "droids": True}
    assert seen["behaviour"] == {
        "power": {
            "judged": "on 27 Nov 2026: 0 sessions",
            "was_in": True,
            "stays_until": "the rollout or experiment ends",
        }
    }
