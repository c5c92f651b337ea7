import pytest
from expression_world import APP, SEGMENT, SETS, worlds
from factories import a_check
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.facts import Behaviour, DeviceFacts
from edge.domain.model import Platform, Segment
from edge.domain.targeting.behavioural import PLACES_LIMIT, remembered_parts
from edge.domain.targeting.compiler import SegmentMemory
from edge.domain.targeting.parser import parse_expression
from edge.domain.targeting.places import NO_PLACE
from edge.domain.targeting.segments import compile_parts, compile_segment, features_read, memory_of

PLACE, SINCE = 5, 3


@pytest.mark.parametrize(
    ("where", "parts"),
    [
        ('platform == "ios"', 0),
        ("sessions_7d > 10", 1),
        ('platform == "ios" && sessions_7d > 10', 1),
        ('sessions_7d > 10 && platform == "ios" && errors_7d == 0', 1),
        ('sessions_7d > 10 && true && !feature("a")', 1),
        ('platform == "ios" && sessions_7d > 10 || platform == "android" && sessions_7d > 20', 2),
        ('!(platform == "ios" && sessions_7d > 10)', 1),
        ('!(platform == "ios" || !(sessions_7d > 10 && errors_7d < 3)) || feature("a")', 2),
        ("nonsense(", 0),
    ],
)
def test_the_parts_that_read_behaviour_alone(where, parts):
    assert [part.part for part in remembered_parts(where)] == list(range(parts))


def used(sessions: int | None, *, was_in: bool = False, revision: int = 9) -> DeviceFacts:
    places = 1 << PLACE if was_in else 0
    return DeviceFacts(behaviour=Behaviour(sessions_7d=sessions, places=places, revision=revision))


def memory(leave: str | None = None, *, held: bool = False, places: tuple[int, ...] = (PLACE,)) -> SegmentMemory:
    return SegmentMemory(None if leave is None else parse_expression(leave), places, SINCE, held)


def is_in(where: str, facts: DeviceFacts, kept: SegmentMemory, **check: object) -> bool:
    return compile_segment(APP, SEGMENT, where, place=NO_PLACE, sets=SETS, memory=kept)(a_check(**check), facts)


LEAVING = memory("sessions_7d < 7")


@pytest.mark.parametrize(
    ("sessions", "was_in", "expected"),
    [
        (11, False, True),
        (10, False, False),
        (10, True, True),
        (7, True, True),
        (6, True, False),
        (None, True, True),  # nothing is known that takes it out
        (None, False, False),
    ],
)
def test_who_is_in_stays_until_the_leave_expression_is_true(sessions, was_in, expected):
    assert is_in("sessions_7d > 10", used(sessions, was_in=was_in), LEAVING) is expected


def test_what_was_remembered_of_an_earlier_definition_does_not_count():
    assert not is_in("sessions_7d > 10", used(8, was_in=True, revision=SINCE - 1), LEAVING)


@pytest.mark.parametrize("leave", [None, "sessions_7d < 7"])
def test_nobody_leaves_a_held_segment_by_what_it_does(leave):
    held = memory(leave, held=True)
    assert is_in("sessions_7d > 10", used(0, was_in=True), held)
    assert is_in("sessions_7d > 10", used(11), held)
    assert not is_in("sessions_7d > 10", used(9), held)


def test_without_leave_and_unheld_nothing_is_remembered():
    assert not is_in("sessions_7d > 10", used(9, was_in=True), memory())


def test_what_a_check_says_is_never_remembered():
    where = 'platform == "ios" && sessions_7d > 10'
    assert is_in(where, used(8, was_in=True), LEAVING, platform=Platform.IOS)
    assert not is_in(where, used(8, was_in=True), LEAVING, platform=Platform.ANDROID)
    assert not is_in(where, used(50), memory(held=True), platform=Platform.ANDROID)


def test_a_part_without_a_place_is_not_remembered():
    assert not is_in("sessions_7d > 10", used(9, was_in=True), memory(held=True, places=()))


def test_each_part_has_its_own_place():
    where = 'platform == "ios" && sessions_7d > 10 || platform == "android" && sessions_7d > 20'
    held = memory(held=True, places=(1, PLACE))
    assert not is_in(where, used(9, was_in=True), held, platform=Platform.IOS)
    assert is_in(where, used(9, was_in=True), held, platform=Platform.ANDROID)


def test_judging_twice_by_the_same_counts_changes_nothing():
    tests = compile_parts(APP, SEGMENT, "sessions_7d > 10", LEAVING)
    for sessions in range(15):
        for before in (False, True):
            facts = used(sessions, was_in=before)
            (inside,) = (test(facts.behaviour) for test in tests)
            assert is_in("sessions_7d > 10", used(sessions, was_in=inside), LEAVING) is inside


EXPRESSIONS = st.sampled_from(
    [
        "sessions_7d > 2",
        'platform == "ios" && sessions_7d > 2',
        '!(custom_id == "" || sessions_7d <= 2) || errors_7d == 0 && is_prod',
        'feature("a") && first_seen_days < 5 || bucket(30)',
        '!(feature("a") && is_prod) && !(sessions_7d < errors_7d)',
    ]
)


@given(EXPRESSIONS, worlds())
def test_memory_takes_nobody_out_and_changes_nothing_where_it_is_empty(where, world):
    plain = compile_segment(APP, SEGMENT, where, place=world.place, sets=SETS)(world.check, world.facts)
    parts = remembered_parts(where)
    kept = memory(held=True, places=tuple(range(len(parts))))
    compiled = compile_segment(APP, SEGMENT, where, place=world.place, sets=SETS, memory=kept)
    behaviour = world.facts.behaviour._replace(revision=9)
    assert compiled(world.check, DeviceFacts(behaviour=behaviour)) is plain
    everywhere = DeviceFacts(behaviour=behaviour._replace(places=(1 << PLACES_LIMIT) - 1))
    assert compiled(world.check, everywhere) or not plain


def test_a_leave_expression_of_a_newer_release_is_no_leave():
    segment = Segment(name="s", where="sessions_7d > 10", leave="steps_7d < 3", places=(PLACE,), since=SINCE)
    assert memory_of(segment, ()) == SegmentMemory(None, (PLACE,), SINCE, False)
    assert memory_of(segment, {"s"}).held


def test_the_features_that_expressions_name():
    assert features_read('feature("a") || !feature("b") && is_prod', None, "nonsense(") == {"a", "b"}
