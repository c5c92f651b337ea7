"""What the guard does about what it found, by the rules of the channel: a command, or nothing. Pure.

It stands on the state as it is now; `apply` refuses the command if a person decides something else meanwhile.
"""

import hashlib

from edge.domain.changes.guard.guard_changes import is_held_told, is_told, may_act
from edge.domain.changes.guard.guard_commands import Finding, GuardActs, GuardDeed, GuardFigures
from edge.domain.guard_policy import GuardAction
from edge.domain.guarding.evidence import Evidence, Verdict
from edge.domain.guarding.reported import ReportedUntil, missing_at, missing_sentence
from edge.domain.guarding.watch import Watch, rules_of, watches_of
from edge.domain.model import AppState, Channel, ChannelName, Phase
from edge.domain.schedule.rollout import is_held, step_at, step_began, step_ends

REASON_ROOM = 480  # characters of a sentence in a reason, which has 500
FOLD_LAG_SECONDS = 30.0  # what was counted sooner after a step began may have been judged by the step before
FRESH_SECONDS = 60.0  # since the fold that a step ends by: there is one every few seconds, unless counting stands still
# Before a step that begins by time: to commit a pause and have every node read it, which takes a few seconds.
UNSEEN_SECONDS = 30.0

_FINDINGS = {Verdict.FAILS: Finding.FAILS, Verdict.SILENT: Finding.SILENT, Verdict.PASSES: Finding.PASSES}
_VERBS = {
    GuardDeed.PAUSE: "paused",
    GuardDeed.ROLL_BACK: "rolled back",
    GuardDeed.TELL: "alarm",
    GuardDeed.ADVANCE: "advanced",
    GuardDeed.WAIT: "waits",
}


def act_on(state: AppState, evidence: Evidence, now: float) -> GuardActs | None:
    """`now` is in seconds since the epoch. None: its watch is over, it was judged by other rules, the guard has done
    this, or nothing is to be done."""
    watch = next((each for each in watches_of(state) if each.id == evidence.watch), None)
    finding = _FINDINGS.get(evidence.verdict)
    if watch is None or finding is None or evidence.rules != rules_of(watch.policy):
        return None
    channel = state.channels[ChannelName(watch.channel)]
    deed = _deed(channel, watch, evidence, now)
    if deed is None or not may_act(channel, watch, deed):
        return None
    if deed is GuardDeed.TELL and is_told(channel, watch.id, finding, None):
        return None
    return _command(watch, deed, finding, evidence, now)


def may_follow(watch: Watch, evidence: Evidence) -> bool:
    """Whether `act_on` may do anything about it, whatever else the state says."""
    if evidence.verdict is Verdict.PASSES:
        return watch.rollout is not None and watch.rollout.gated
    return watch.acts or evidence.rolls_back


def wait_at(state: AppState, watch: Watch, evidence: Evidence | None, now: float) -> GuardActs | None:
    """That a step whose time is up does not end, which is told once. `evidence` None: nothing can be known now."""
    channel = state.channels[ChannelName(watch.channel)]
    step = _step(watch, now)
    if not is_due(watch, now) or is_told(channel, watch.id, Finding.UNSURE, step):
        return None
    return _command(watch, GuardDeed.WAIT, Finding.UNSURE, evidence, now)


def hold_at(state: AppState, watch: Watch, held: tuple[ReportedUntil, ...], now: float) -> GuardActs | None:
    """That a step whose time is up is held by nodes that say nothing, which is told once a step, whatever was told of
    it before."""
    channel = state.channels[ChannelName(watch.channel)]
    if not held or not is_due(watch, now) or is_held_told(channel, watch.id, _step(watch, now)):
        return None
    return _command(watch, GuardDeed.WAIT, Finding.BLIND, None, now)


def is_due(watch: Watch, now: float) -> bool:
    """Whether the time of a gated rollout's step is up, and no freeze holds the next one."""
    rollout = watch.rollout
    if rollout is None or not rollout.gated or rollout.phase is not Phase.RUNNING or is_held(rollout, now):
        return False
    ends = step_ends(rollout, now)
    return ends is not None and ends <= now


def is_soon_known(watch: Watch, evidence: Evidence, now: float) -> bool:
    """Whether the step's time is up only now, and the next fold says whether what was enough before still is."""
    ends = None if watch.rollout is None else step_ends(watch.rollout, now)
    return evidence.verdict is Verdict.PASSES and ends is not None and now - ends <= FRESH_SECONDS


def is_unseen(watch: Watch, seen_at: float, now: float) -> bool:
    """Whether a step of a rollout begins by time, or has, while the guard has seen nothing since `seen_at`."""
    rollout = watch.rollout
    if rollout is None or rollout.gated or not watch.acts or now - seen_at <= FRESH_SECONDS:
        return False
    ends = step_ends(rollout, now)
    has_begun = step_at(rollout, now) > rollout.step and step_began(rollout, now) > seen_at
    return has_begun or (ends is not None and ends - now <= UNSEEN_SECONDS)


def stop_unseen(state: AppState, id: str, seen_at: float, now: float) -> GuardActs | None:
    """Pause the watch's rollout before a step that nobody would see; where the guard only notifies, say so."""
    watch = next((each for each in watches_of(state) if each.id == id), None)
    if watch is None or not is_unseen(watch, seen_at, now):
        return None
    deed = GuardDeed.TELL if watch.policy.action is GuardAction.NOTIFY else GuardDeed.PAUSE
    if is_told(state.channels[ChannelName(watch.channel)], id, Finding.BLIND, None):
        return None
    return _command(watch, deed, Finding.BLIND, None, now)


def reason_of(command: GuardActs, sentence: str) -> str:
    """`paused: 14 of 96 installs failed, 5.5 to 29 %; the limit is 2 %`."""
    if command.deed is GuardDeed.WAIT and sentence.startswith(_VERBS[GuardDeed.WAIT]):
        return sentence[:REASON_ROOM]
    return f"{_VERBS[command.deed]}: {sentence}"[:REASON_ROOM]


def change_id_of(app: str, command: GuardActs) -> str:
    """The same whoever does it, and however often it is tried."""
    told = (app, command.channel, command.watch, command.deed.value, command.finding.value, str(command.step))
    return f"guard-{hashlib.sha256(chr(0).join(told).encode()).hexdigest()[:32]}"


def _deed(channel: Channel, watch: Watch, evidence: Evidence, now: float) -> GuardDeed | None:
    policy = watch.policy
    match evidence.verdict:
        case Verdict.FAILS if policy.action is GuardAction.NOTIFY:
            return GuardDeed.TELL
        case Verdict.FAILS if policy.action is GuardAction.ROLLBACK and evidence.rolls_back:
            return GuardDeed.ROLL_BACK
        case Verdict.FAILS:
            return GuardDeed.PAUSE
        case Verdict.SILENT:
            return GuardDeed.PAUSE if policy.silence is GuardAction.PAUSE else GuardDeed.TELL
        case Verdict.PASSES if is_due(watch, now) and _ends_the_step(watch, evidence, now):
            return GuardDeed.ADVANCE
        case _:
            return None


def _ends_the_step(watch: Watch, evidence: Evidence, now: float) -> bool:
    """Whether it was counted after the step's time was up, and lately, with the reports of all nodes up to then."""
    as_of, needed = evidence.as_of_ms / 1000, _needed_until(watch, now)
    is_whole = not missing_at(evidence.reported, needed * 1000)
    return is_whole and as_of >= needed and abs(now - as_of) <= FRESH_SECONDS


def waits_for(watch: Watch, evidence: Evidence, now: float) -> str:
    """Whose reports are missing for a step to end that would end by what is known; "" if none are, or it would not."""
    if evidence.verdict is not Verdict.PASSES or not is_due(watch, now):
        return ""
    return missing_sentence(missing_at(evidence.reported, _needed_until(watch, now) * 1000), now * 1000)


def _needed_until(watch: Watch, now: float) -> float:
    """Up to when everything has to be counted for the step to end, in seconds since the epoch."""
    assert watch.rollout is not None, "only a rollout has steps"
    return max(step_ends(watch.rollout, now) or now, watch.rollout.began + FOLD_LAG_SECONDS)


def _step(watch: Watch, now: float) -> int | None:
    return None if watch.rollout is None else step_at(watch.rollout, now)


def _command(watch: Watch, deed: GuardDeed, finding: Finding, evidence: Evidence | None, now: float) -> GuardActs:
    return GuardActs(
        channel=watch.channel,
        watch=watch.id,
        deed=deed,
        finding=finding,
        bundle=watch.bundle,
        step=_step(watch, now),
        figures=None if evidence is None else _figures(watch, evidence),
        rules=rules_of(watch.policy),
    )


def _figures(watch: Watch, evidence: Evidence) -> GuardFigures:
    decisive = max(evidence.tests, key=lambda each: each.log_odds, default=None)
    return GuardFigures(
        offered=evidence.offered,
        attempts=evidence.attempts,
        failed=evidence.failed,
        low=round(evidence.low, 6),
        high=round(evidence.high, 6),
        max_failure=watch.policy.max_failure,
        log_odds=round(decisive.log_odds, 3) if decisive is not None else 0.0,
        alarm_log_odds=round(decisive.alarm_log_odds, 3) if decisive is not None else 0.0,
    )
