"""Devices that agree in what a decision depends on get the same decision, and what is compared is exact."""

from decision_world import CHECKS, FACTS, a_view
from factories import NOW, a_check, a_released_app, a_snapshot, failed
from histories import STORIES, a_history
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.decision.decide import decide
from edge.domain.decision.dependence import depends_on, facts_matter, needs_facts
from edge.domain.facts import NO_FACTS, DeviceFacts, Latest, name_hash
from edge.domain.schedule.rollout import Moment

CROWD = tuple(f"{number:08x}-1111-4000-8000-000000000000" for number in range(60))
CUSTOM_IDS = ("", "", "team", "other")
MANY = settings(max_examples=150)


def kind_of(traits, device, custom_id):
    """What stands for the device; None: nothing does."""
    if traits.device_id or (custom_id and traits.custom_id):
        return None
    return tuple(trait.of(device.encode(), custom_id) for trait in traits.read)


@MANY
@given(STORIES, CHECKS, st.floats(-2_000, 60_000), st.integers(0, 3))
def test_devices_that_agree_in_what_it_depends_on_get_the_same_decision(commands, check, after, shift):
    history = a_history(commands)
    app, moment = a_view(history.state), Moment(history.now + after, history.now + after - 7.5)
    traits = depends_on(app, check, moment)
    decisions = {}
    for place, device in enumerate(CROWD):
        custom_id = CUSTOM_IDS[(place + shift) % len(CUSTOM_IDS)]
        kind = kind_of(traits, device, custom_id)
        if kind is not None and app.overrides.get(device) is None:
            asking = check._replace(device=device, custom_id=custom_id)
            decisions.setdefault(kind, set()).add(decide(app, asking, moment))
    assert all(len(same) == 1 for same in decisions.values())


@MANY
@given(STORIES, CHECKS, FACTS, st.floats(-2_000, 60_000))
def test_facts_that_do_not_matter_change_no_decision(commands, check, facts, after):
    history = a_history(commands)
    app, moment = a_view(history.state), Moment(history.now + after, history.now + after)
    usual = decide(app, check, moment)
    if not facts_matter(app, facts):
        assert decide(app, check, moment, facts) == usual


def test_what_was_offered_matters_to_no_decision_and_what_failed_does():
    app = a_snapshot(a_released_app())
    assert not facts_matter(app, NO_FACTS)
    assert not facts_matter(app, DeviceFacts(offered=(name_hash("1.0.1"),), latest=Latest(at=5, ran=3).packed()))
    assert facts_matter(app, DeviceFacts(failures=failed("1.0.1")))
    assert facts_matter(app, DeviceFacts(channel=name_hash("beta")))
    assert facts_matter(app, DeviceFacts(latest=Latest(forgot=1).packed()))


def test_who_runs_what_is_offered_needs_no_facts():
    app = a_snapshot(a_released_app("1.0.1"))
    moment = Moment(NOW, NOW)
    for version, needs in (("1.0.1", False), ("1.0.0", True)):
        check = a_check(version_name=version)
        assert needs_facts(app, check, decide(app, check, moment)) is needs


def test_a_plain_app_asks_nothing_of_a_device():
    assert depends_on(a_snapshot(a_released_app()), a_check(), Moment(NOW, NOW)).read == ()


@given(st.integers(1, 604_800), st.floats(0, 1))
def test_the_border_of_a_spread_is_exact(seconds, part):
    app = a_snapshot(a_released_app(spread_seconds=seconds))
    moment = Moment(NOW, NOW + seconds * part)
    (trait,) = depends_on(app, a_check(), moment).read
    compiled = app.channels["production"]
    for bucket in {0, *(trait.borders[0] + step for step in (-2, -1, 0, 1)), 99_999}:
        if 0 <= bucket < 100_000:
            assert (bucket >= trait.borders[0]) is (moment.proven < compiled.opens_at(bucket))
