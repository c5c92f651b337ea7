"""What the fold remembers and what a check decides by it are the same, day after day."""

from factories import a_check
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.behaviour.daily_counts import DailyCounts, Use, judged, with_use
from edge.domain.behaviour.judging import build_judging, judging_segments
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    Change,
    CreateApp,
    CreateChannel,
    DeleteSegment,
    SegmentSettings,
    SetSegment,
    Undo,
)
from edge.domain.facts import NOT_JUDGED, DeviceFacts
from edge.domain.model import SegmentName
from edge.domain.targeting.places import NO_PLACE
from edge.domain.targeting.segments import compile_segment, memory_of

APP, DAY = "com.example.app", 20_000
POWER = SegmentSettings(where="sessions_7d > 10", leave="sessions_7d < 7")


def state_after(*commands):
    before = state = None
    for number, command in enumerate((CreateApp(app=APP), *commands)):
        change = Change(id=f"c{number}", at=1_700_000_000.0 + number, by="t", command=command)
        before, state = state, apply(state, change, before)
    return state


def places_of(state):
    return {name: (segment.places, segment.since) for name, segment in state.segments.items()}


def named(name, **settings):
    return SetSegment(name=name, settings=SegmentSettings(**settings))


X = named("c", where="feature('x')")
ERRORS = named("b", where="errors_7d < 1")


def test_each_definition_has_a_place_of_its_own():
    state = state_after(named("a", where="sessions_7d > 1"), named("b", where="is_prod"), X)
    assert places_of(state) == {"a": ((0,), 2), "b": ((), 0), "c": ((1,), 4)}


def test_another_definition_remembers_nothing_of_the_one_before():
    first = named("a", where="sessions_7d > 1")
    assert places_of(state_after(first, named("a", where="sessions_7d > 2")))["a"] == ((0,), 3)
    assert places_of(state_after(first, named("a", leave="sessions_7d < 1")))["a"] == ((0,), 3)
    assert places_of(state_after(first, named("a", priority=7)))["a"] == ((0,), 2)


def test_a_deleted_segment_that_an_undo_brings_back_is_a_new_one():
    commands = (named("a", where="sessions_7d > 1"), DeleteSegment(name="a"), Undo(revision=3))
    assert places_of(state_after(*commands))["a"] == ((0,), 4)


def test_changes_of_other_things_leave_places_as_they_are():
    state = state_after(named("a", where="sessions_7d > 1"), CreateChannel(name="beta"), ERRORS)
    assert places_of(state) == {"a": ((0,), 2), "b": ((1,), 4)}


def test_judgings_read_only_segments_about_behaviour():
    state = state_after(named("a", where="sessions_7d > 1"), named("b", where="is_prod"), X)
    judging = build_judging(APP, judging_segments(state))
    assert [(part.place, part.since) for part in judging.parts] == [(0, 2), (1, 4)]
    assert (judging.revision, judging.features) == (state.revision, {"x"})


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.booleans())
def test_a_check_on_any_day_sees_what_the_fold_remembered(daily, held):
    state = state_after(SetSegment(name="power", settings=POWER))
    segment = state.segments[SegmentName("power")]
    asked = judging_segments(state)._replace(held=("power",) if held else ())
    judging = build_judging(APP, asked)
    matches = compile_segment(
        APP, "power", segment.where, place=NO_PLACE, sets={}, memory=memory_of(segment, asked.held)
    )
    counts: DailyCounts | None = None
    behaviour, inside = NOT_JUDGED, False
    for at, sessions in enumerate(daily):
        counts = with_use(counts, Use(APP, 1, DAY + at, sessions=sessions), 0)
        behaviour = judged(counts, DAY + at, behaviour, judging, ())
        week = sum(daily[max(at - 6, 0) : at + 1])
        inside = week > 10 or (inside and (held or not week < 7))
        assert matches(a_check(), DeviceFacts(behaviour=behaviour)) is inside
        assert behaviour.was_in(0, segment.since) is inside
