"""A channel's guard: what it can be set to, and what it does by compare-and-swap on what a person may have changed."""

import pytest
from factories import NOW, a_bundle
from histories import PUBLISHED, SECONDS_BETWEEN, History, guard_acting

from edge.domain.changes.commands import (
    ChannelSettings,
    DeleteSegment,
    MoveRollout,
    PublishBundle,
    RolloutTerms,
    SetChannel,
    StartRollout,
    Undo,
)
from edge.domain.changes.guard.guard_changes import TRUSTED_PREFIXES_LIMIT, is_told
from edge.domain.changes.guard.guard_commands import Finding, GuardActs, GuardDeed, GuardSettings, SetGuard
from edge.domain.errors import Conflict, EdgeError, Invalid
from edge.domain.guard_policy import GuardAction, Guarded, GuardMetric
from edge.domain.guarding.watch import Watch, watch_of
from edge.domain.model import BUILTIN, Channel, Phase
from edge.domain.schedule.rollout import Move, next_step_at, share_at, step_at, step_ends

ROLLOUT = StartRollout(channel="production", bundle="1.0.2", steps=(1_000, 5_000, 100_000), every_seconds=1_500)
EVERYTHING = SetGuard(channel="production", settings=GuardSettings(guarded=Guarded.EVERYTHING))
PUBLISH = SetChannel(name="production", settings=ChannelSettings(bundle="1.0.2"))


def a_move(move: Move) -> MoveRollout:
    return MoveRollout(channel="production", move=move)


def rules(**settings) -> SetGuard:
    return SetGuard(channel="production", settings=GuardSettings(**settings))


def channel_in(history: History) -> Channel:
    return history.state.channels["production"]


def watched(history: History) -> Watch:
    watch = watch_of(channel_in(history))
    assert watch is not None
    return watch


def acts(history: History, deed: GuardDeed, finding: Finding = Finding.FAILS) -> GuardActs:
    return guard_acting(watched(history), deed, finding, history.now)


# --- rules ---


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"max_failure": 49}, "invalid_max_failure"),
        ({"max_failure": 50_001}, "invalid_max_failure"),
        ({"factor": 0.99}, "invalid_factor"),
        ({"factor": 10.1}, "invalid_factor"),
        ({"factor": float("nan")}, "invalid_factor"),
        ({"silence": GuardAction.ROLLBACK}, "invalid_silence"),
        ({"metrics": ()}, "invalid_metrics"),
        ({"metrics": (GuardMetric.CRASH,)}, "needs_control"),
        ({"metrics": (GuardMetric.UPDATE_FAIL, GuardMetric.ERROR)}, "needs_control"),
        ({"segments": ("nobody",)}, "unknown_segment"),
        ({"segments": tuple(f"s{n}" for n in range(10))}, "too_many_tests"),
        ({"trusted_prefixes": ("office",)}, "invalid_prefix"),
        ({"trusted_prefixes": ("10.0.0.0/7",)}, "invalid_prefix"),
        ({"trusted_prefixes": ("2001::/15",)}, "invalid_prefix"),
        ({"trusted_prefixes": ("2001:db8:1:2::7/128",)}, "invalid_prefix"),
        ({"trusted_prefixes": ("2001:db8:1:2::/65",)}, "invalid_prefix"),
        ({"trusted_prefixes": ("::ffff:203.0.113.0/120",)}, "invalid_prefix"),
        (
            {"trusted_prefixes": tuple(f"10.{n}.0.0/16" for n in range(TRUSTED_PREFIXES_LIMIT + 1))},
            "too_many_prefixes",
        ),
    ],
)
def test_rules_that_mean_nothing_are_refused(settings, code):
    with pytest.raises(EdgeError) as refused:
        History(*PUBLISHED, rules(**settings))
    assert refused.value.code == code


def test_what_is_not_given_stays():
    history = History(*PUBLISHED, rules(max_failure=500, segments=("droids", "droids")))
    history.do(rules(action=GuardAction.ROLLBACK, trusted_prefixes=(" 203.0.113.7/24", "203.0.113.0/24")))
    guard = channel_in(history).guard
    assert (guard.max_failure, guard.segments, guard.action) == (500, ("droids",), GuardAction.ROLLBACK)
    assert guard.trusted_prefixes == ("203.0.113.0/24",)


def test_crashes_are_compared_with_the_control():
    history = History(*PUBLISHED, rules(metrics=(GuardMetric.CRASH,), versus_control=True, factor=1.5))
    assert channel_in(history).guard.metrics == (GuardMetric.CRASH,)


def test_a_segment_that_a_guard_tests_stays():
    history = History(*PUBLISHED, rules(segments=("droids",)))
    with pytest.raises(Conflict) as refused:
        history.do(DeleteSegment(name="droids"))
    assert refused.value.code == "segment_in_use"


# --- pausing ---


def test_the_guard_pauses_a_rollout_once():
    history = History(*PUBLISHED, ROLLOUT)
    late = acts(history, GuardDeed.PAUSE)
    history.do(late)
    assert channel_in(history).rollout.phase is Phase.PAUSED
    with pytest.raises(Conflict) as refused:
        history.do(late)
    assert refused.value.code == "watch_over"


def test_a_late_finding_leaves_alone_what_a_person_has_resumed():
    history = History(*PUBLISHED, ROLLOUT)
    late = acts(history, GuardDeed.PAUSE)
    history.do(a_move(Move.PAUSE), a_move(Move.RESUME))
    with pytest.raises(Conflict):
        history.do(late)
    assert channel_in(history).rollout.phase is Phase.RUNNING


def test_a_late_finding_leaves_alone_what_an_undo_has_resumed():
    history = History(*PUBLISHED, ROLLOUT)
    late = acts(history, GuardDeed.PAUSE)
    counted_from = watched(history).since_ms
    history.do(late)
    with pytest.raises(Conflict) as refused:
        history.undo()
    assert refused.value.code == "undoes_a_stop"
    history.undo(force=True)
    assert channel_in(history).rollout.phase is Phase.RUNNING
    assert watched(history).id != late.watch
    assert watched(history).since_ms > counted_from
    with pytest.raises(Conflict):
        history.do(late)


def test_another_step_is_no_reason_to_let_a_bad_release_go_on():
    history = History(*PUBLISHED, ROLLOUT)
    late = acts(history, GuardDeed.PAUSE)
    history.do(a_move(Move.ADVANCE), late)
    assert channel_in(history).rollout.phase is Phase.PAUSED


def test_what_was_found_by_other_rules_is_refused():
    history = History(*PUBLISHED, ROLLOUT)
    late = acts(history, GuardDeed.PAUSE)
    history.do(rules(max_failure=20_000))
    with pytest.raises(Conflict) as refused:
        history.do(late)
    assert refused.value.code == "watch_over"
    assert history.do(acts(history, GuardDeed.PAUSE))


def test_the_guard_ends_only_the_step_that_it_knows_enough_of():
    history = History(*PUBLISHED, rules(auto_advance=True), ROLLOUT)
    late = acts(history, GuardDeed.ADVANCE, Finding.PASSES)
    history.do(a_move(Move.ADVANCE))
    with pytest.raises(Conflict) as refused:
        history.do(late)
    assert refused.value.code == "watch_over"


def test_what_no_guard_watches_is_not_acted_on():
    history = History(*PUBLISHED, ROLLOUT)
    late = acts(history, GuardDeed.PAUSE)
    history.do(rules(guarded=Guarded.NOTHING))
    with pytest.raises(Conflict):
        history.do(late)


def test_a_resume_begins_another_count():
    history = History(*PUBLISHED, ROLLOUT)
    first = watched(history)
    history.do(a_move(Move.PAUSE), a_move(Move.RESUME), a_move(Move.ADVANCE))
    second = watched(history)
    assert second.id != first.id
    assert second.since_ms == int((NOW + SECONDS_BETWEEN * (history.tried - 2)) * 1000)


# --- a plain publish ---


def test_a_plain_publish_is_watched_only_if_asked_for():
    history = History(*PUBLISHED, PUBLISH)
    assert watch_of(channel_in(history)) is None
    history.do(EVERYTHING)
    assert watched(history).bundle == "1.0.2"


def test_a_publish_that_is_paused_becomes_a_paused_rollout_to_everybody():
    history = History(*PUBLISHED, EVERYTHING, PUBLISH)
    found = watched(history)
    history.do(acts(history, GuardDeed.PAUSE))
    channel = channel_in(history)
    assert channel.bundle == "1.0.1"
    assert (channel.rollout.bundle, channel.rollout.phase) == ("1.0.2", Phase.PAUSED)
    assert share_at(channel.rollout, history.now) == 100_000
    paused = watched(history)
    assert (paused.id, paused.since_ms, paused.acts) == (found.id, found.since_ms, False)  # its figures go on


def test_a_paused_publish_can_be_resumed_promoted_and_rolled_back():
    paused = (EVERYTHING, PUBLISH)
    for move, bundle, phase in (
        (Move.RESUME, "1.0.1", Phase.RUNNING),
        (Move.PROMOTE, "1.0.2", Phase.PROMOTED),
        (Move.ROLL_BACK, "1.0.1", Phase.ROLLED_BACK),
    ):
        history = History(*PUBLISHED, *paused)
        history.do(acts(history, GuardDeed.PAUSE), a_move(move))
        channel = channel_in(history)
        assert (channel.bundle, channel.rollout.phase) == (bundle, phase)


def test_a_paused_first_publish_offers_builtin_to_the_others():
    fresh = PUBLISHED[: len(PUBLISHED) - 4]
    history = History(*fresh, *PUBLISHED[-4:-3], EVERYTHING)
    assert channel_in(history).earlier == ()
    history.do(acts(history, GuardDeed.PAUSE))
    assert channel_in(history).bundle == BUILTIN


def test_undoing_a_paused_publish_says_that_it_undoes_a_stop():
    history = History(*PUBLISHED, EVERYTHING, PUBLISH)
    before = watched(history)
    history.do(acts(history, GuardDeed.PAUSE))
    with pytest.raises(Conflict) as refused:
        history.undo()
    assert refused.value.code == "undoes_a_stop"
    history.do(Undo(revision=history.state.revision, force=True))
    assert channel_in(history).bundle == "1.0.2"
    assert watched(history).id != before.id


# --- rolling back, telling, advancing ---


def test_a_rollback_by_the_guard_is_one_like_a_persons():
    history = History(*PUBLISHED, ROLLOUT)
    history.do(acts(history, GuardDeed.ROLL_BACK))
    channel = channel_in(history)
    assert channel.rollout.phase is Phase.ROLLED_BACK
    assert [each.bundle for each in channel.taken_back] == ["1.0.2"]


def test_a_publish_is_rolled_back_to_the_last_good_bundle():
    history = History(*PUBLISHED, EVERYTHING, PUBLISH)
    history.do(acts(history, GuardDeed.ROLL_BACK))
    channel = channel_in(history)
    assert (channel.bundle, channel.rolled_back, watch_of(channel)) == ("1.0.1", True, None)
    assert [each.bundle for each in channel.taken_back] == ["1.0.2"]


def test_the_guard_tells_once_for_a_watch():
    history = History(*PUBLISHED, ROLLOUT)
    history.do(acts(history, GuardDeed.TELL), acts(history, GuardDeed.TELL, Finding.SILENT))
    watch = watched(history)
    assert is_told(channel_in(history), watch.id, Finding.FAILS, 0)
    with pytest.raises(Conflict) as refused:
        history.do(acts(history, GuardDeed.TELL))
    assert refused.value.code == "already_told"
    history.undo()
    assert is_told(channel_in(history), watch.id, Finding.FAILS, 0)  # what was said is said
    history.do(a_move(Move.PAUSE), a_move(Move.RESUME))
    assert not is_told(channel_in(history), watched(history).id, Finding.FAILS, 0)


def test_a_gated_rollout_waits_for_the_guard():
    history = History(*PUBLISHED, rules(auto_advance=True), ROLLOUT)
    rollout = channel_in(history).rollout
    later = rollout.began + 30 * rollout.every_seconds
    assert (step_at(rollout, later), next_step_at(rollout, later)) == (0, None)
    assert step_ends(rollout, later) == rollout.began + rollout.every_seconds
    history.do(acts(history, GuardDeed.WAIT, Finding.UNSURE), acts(history, GuardDeed.ADVANCE, Finding.PASSES))
    assert step_at(channel_in(history).rollout, later) == 1
    history.do(acts(history, GuardDeed.WAIT, Finding.UNSURE))  # another step
    assert channel_in(history).guard_told.said == ("waits 0", "waits 1")


def test_a_gate_closes_and_opens_where_the_rollout_is():
    history = History(*PUBLISHED, ROLLOUT)
    history.do(rules(max_failure=1_000), rules(auto_advance=True))
    gated = channel_in(history).rollout
    assert (gated.gated, gated.step) == (True, 1)
    history.do(rules(max_failure=1_500), rules(auto_advance=False))
    opened = channel_in(history).rollout
    assert step_at(opened, history.now - SECONDS_BETWEEN) == 1
    assert step_at(opened, opened.began + 1_500) == 2


# --- publish and roll out in one change ---

NEW = PublishBundle(
    bundle=a_bundle("1.2.0"), channel="production", rollout=RolloutTerms(steps=(1_000, 100_000), every_seconds=3_600)
)


def test_a_publish_can_start_a_rollout():
    history = History(*PUBLISHED, NEW)
    channel = channel_in(history)
    assert channel.bundle == "1.0.1"
    assert (channel.rollout.bundle, channel.rollout.steps) == ("1.2.0", (1_000, 100_000))
    assert watched(history).rollout is channel.rollout
    assert history.do(NEW) is history.states[-1]  # a job that runs again
    assert len(history.changes) == len(PUBLISHED) + 2


def test_a_publish_with_a_rollout_respects_another_one():
    history = History(*PUBLISHED, ROLLOUT)
    with pytest.raises(Conflict) as refused:
        history.do(NEW)
    assert refused.value.code == "rollout_active"
    history.do(PublishBundle(bundle=NEW.bundle, channel="production", rollout=RolloutTerms(steps=(1_000,)), force=True))
    assert channel_in(history).rollout.bundle == "1.2.0"
    assert [each.bundle for each in channel_in(history).taken_back] == ["1.0.2"]


def test_a_publish_with_a_rollout_needs_a_channel():
    with pytest.raises(Invalid) as refused:
        History(*PUBLISHED, PublishBundle(bundle=a_bundle("1.2.0"), rollout=RolloutTerms(steps=(1_000,))))
    assert refused.value.code == "missing_channel"
