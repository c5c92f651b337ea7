"""The decision over random apps, devices and moments: explained rightly, the same everywhere, and without a clock."""

from decision_world import CHECKS, FACTS, a_view
from factories import withheld
from histories import SECONDS_BETWEEN, STORIES, a_history
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.changes.apply import apply
from edge.domain.decision.decide import decide, resolve
from edge.domain.decision.explain import explain
from edge.domain.decision.outcomes import Blocked, Offer, Reason, RevertToBuiltin, UpToDate
from edge.domain.facts import forgot_until, name_hash
from edge.domain.model import BUILTIN
from edge.domain.schedule.rollout import Moment, proven_time
from edge.domain.versions import parse_version

MANY = settings(max_examples=60)
NOT_YET = {Reason.OUTSIDE_WINDOW.code, Reason.SPREAD.code}
QUESTIONS = st.lists(st.tuples(CHECKS, FACTS, st.floats(-2_000, 60_000)), min_size=1, max_size=12)


def asked(history, questions):
    """Each with a moment around the latest change."""
    return [(check, facts, Moment(at, at)) for check, facts, after in questions for at in (history.now + after,)]


@MANY
@given(STORIES, QUESTIONS)
def test_what_is_explained_is_what_is_decided(commands, questions):
    history = a_history(commands)
    snapshot = a_view(history.state)
    for check, facts, moment in asked(history, questions):
        steps, _ = explain(snapshot, check, moment, facts)
        decision = decide(snapshot, check, moment, facts)
        assert [step.outcome for step in steps].index("stop") == len(steps) - 1
        saw = {step.rule: step.saw for step in steps}
        rules, last = saw.keys(), steps[-1].rule
        match decision:
            case Offer(bundle, channel, arm):
                assert (last, saw["offer"]["bundle"]) == ("offer", bundle.version)
                assert saw["no_channel"]["channel"] == channel
                assert not arm or saw["experiment"]["arm"] == arm
            case RevertToBuiltin(channel):
                assert (last, saw["no_channel"]["channel"]) == ("revert_to_builtin", channel)
            case Blocked(reason, target):
                assert last == (BUILTIN if reason is Reason.BUILTIN_TOO_OLD else reason.code)
                assert saw.get("no_new_version_available", {"offered": target})["offered"] == target
            case UpToDate(channel, held):
                assert last in ("no_new_version_available", BUILTIN, "channel_offers_nothing")
                assert saw["no_channel"]["channel"] == channel
                assert held is None or held.code in rules or "what_comes_before" in rules


@MANY
@given(STORIES, QUESTIONS)
def test_nothing_that_was_withdrawn_is_offered_to_anybody(commands, questions):
    history = a_history(commands)
    snapshot = a_view(history.state)
    for check, facts, moment in asked(history, questions):
        decision = decide(snapshot, check, moment, facts)
        if isinstance(decision, Offer):
            assert not history.state.bundles[decision.bundle.version].withdrawn
            assert name_hash(decision.bundle.version) not in withheld(facts)
            assert decision.bundle.version != check.version_name


@MANY
@given(STORIES, QUESTIONS)
def test_nobody_is_left_on_a_withdrawn_bundle_that_an_earlier_one_can_replace(commands, questions):
    """Whatever blocks a device that runs one: nothing of the channel's past is open to it, nor builtin, by any rule."""
    history = a_history(commands)
    state, snapshot = history.state, a_view(history.state)
    for check, facts, moment in asked(history, questions):
        resolved = resolve(snapshot, check, facts)
        compiled, assigned = resolved.channel, resolved.assigned
        known = state.bundles.get(check.version_name) or state.retired.get(check.version_name)
        if compiled is None or known is None or not known.withdrawn or check.version_name == check.version_build:
            continue
        decision = decide(snapshot, check, moment, facts)
        if isinstance(decision, Offer | RevertToBuiltin) or decision.code in NOT_YET:
            continue
        ways = [
            target
            for target in compiled.earlier
            if name_hash(target.version) not in withheld(facts)
            and target.offer.bundle.published >= forgot_until(facts)
            and target.candidate.runs_on(check.native)
            and target.candidate.version >= check.native
        ]
        ways += [compiled.builtin] if check.plugin.reverts_to_builtin else []
        assert all(
            any(rule.blocks(check, way.candidate, assigned) for rule in (*way.key_rules, *way.rules)) for way in ways
        )


@MANY
@given(STORIES, QUESTIONS)
def test_no_failure_moves_a_device_back_from_a_good_bundle(commands, questions):
    history = a_history(commands)
    state, snapshot = history.state, a_view(history.state)
    for check, facts, moment in asked(history, questions):
        compiled = resolve(snapshot, check, facts).channel
        if compiled is None or compiled.withdrawn or check.version_name in compiled.left:
            continue
        decision = decide(snapshot, check, moment, facts)
        if decision == decide(snapshot, check, moment, facts._replace(failures=())):
            continue
        assert not isinstance(decision, RevertToBuiltin)
        if isinstance(decision, Offer):
            assert parse_version(decision.bundle.version) >= parse_version(check.version_name)
            assert not state.bundles[decision.bundle.version].withdrawn


@MANY
@given(STORIES, QUESTIONS, st.sets(st.integers(0, 30)))
def test_nodes_that_end_at_one_revision_decide_alike_whatever_they_saw_before(commands, questions, missed):
    history = a_history(commands)
    fresh, followed = a_view(history.state), None
    for place, state in enumerate(history.states):
        if place not in missed or state is history.state:
            followed = a_view(state, before=followed)
    replayed = before = None
    for change in history.changes:
        replayed, before = apply(replayed, change, before), replayed
    views = (followed, a_view(replayed), a_view(history.state, before=a_view(history.states[0])))
    for check, facts, moment in asked(history, questions):
        decision = decide(fresh, check, moment, facts)
        assert all(decide(view, check, moment, facts) == decision for view in views)


@given(st.permutations([(100.0, 50.0), (900.0, 20.0), (400.0, 390.0), (350.0, 1_000.0), (0.0, 0.0)]))
def test_the_order_in_which_heads_arrive_does_not_matter_in_the_end(readings):
    proven = 0.0
    for clock, issued in readings:
        later = proven_time(clock, issued, proven)
        assert later >= proven
        proven = later
    assert proven == 400.0


@MANY
@given(STORIES, CHECKS, FACTS)
def test_a_device_that_got_the_rollouts_bundle_is_not_sent_back_while_the_rollout_is_active(commands, check, facts):
    """Unless it is held out: a group that gets nothing has nothing to keep."""
    history = a_history(commands)
    for channel in history.state.channels.values():
        rollout = channel.rollout
        if rollout is None or not rollout.phase.is_active or rollout.hold_out or channel.experiment is not None:
            continue
        on_it = check._replace(version_name=rollout.bundle, default_channel=channel.name)
        snapshot = a_view(history.state)
        for after in (0, SECONDS_BETWEEN, 90_000):
            decision = decide(snapshot, on_it, Moment(history.now + after, history.now + after), facts)
            if getattr(decision, "channel", "") == channel.name:
                assert decision == UpToDate(channel.name)


@MANY
@given(STORIES, QUESTIONS)
def test_a_repeated_question_gets_the_same_answer_whatever_was_asked_between(commands, questions):
    history = a_history(commands)
    snapshot, asking = a_view(history.state), asked(history, questions)
    first = [decide(snapshot, check, moment, facts) for check, facts, moment in asking]
    assert [decide(snapshot, check, moment, facts) for check, facts, moment in reversed(asking)] == first[::-1]
