"""From a tally to what it shows: every test of a watch, silence, and the verdict. Pure; the same tally says the same.

An alarm needs enough attempts and failures, odds of ALARM_LOG_ODDS, and both without the two worst networks. With
several nodes the odds are those of `odds.nodes`, so no single one of the others can keep it from coming.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge.domain.guard_policy import GuardAction, GuardMetric, GuardPolicy
from edge.domain.guarding.advancing import Enough, enough_known, known_without
from edge.domain.guarding.evidence import Evidence, SilenceEvidence, TestedCount, Verdict
from edge.domain.guarding.networks import NetworkVotes, without_worst
from edge.domain.guarding.odds.alpha import ALARM_LOG_ODDS, EpochOdds, log_weight, mixed_log_odds
from edge.domain.guarding.odds.control import ArmEvents, control_log_odds
from edge.domain.guarding.odds.nodes import mixed_over_nodes
from edge.domain.guarding.odds.rates import rate_interval
from edge.domain.guarding.odds.threshold import LEAST_ATTEMPTS, is_enough, log_odds
from edge.domain.guarding.plan import GuardTest, figures_of, tests_of
from edge.domain.guarding.sentences import (
    alone_said,
    control_said,
    count,
    failures_said,
    percent,
    silence_said,
    without_said,
)
from edge.domain.guarding.silence import judge_silence
from edge.domain.guarding.tally import ControlTally, ControlVotes, CountedVotes, ThresholdTally, VoteTally
from edge.domain.guarding.watch import Watch, rules_of
from edge.domain.shares import WHOLE_SHARE


def judge(app: str, watch: Watch, tally: VoteTally, now_ms: int) -> Evidence:
    """`now_ms` is the time of the fold that the tally is of."""
    limit = watch.policy.max_failure / WHOLE_SHARE
    plan = tests_of(watch.policy, watch.rollout is not None)
    tests = tuple(_tested(test, each, watch, tally) for test, each in zip(plan, tally.tests, strict=True))
    counted, failed = tally.attempts - tally.capped, tally.failed - tally.capped_failed
    low, high = rate_interval(counted, failed)
    enough = enough_known(counted, failed, tally.step_attempts, limit)
    if enough.is_known and (alone := known_without(tally.step_without, tally.nodes, limit)):
        enough = Enough(False, alone)
    figures = figures_of(plan)
    metric = GuardMetric.UPDATE_FAIL if figures is None else plan[figures].metric
    found = _silence(tally)
    verdict = _verdict(tests, found, enough.is_known)
    shown = None if figures is None else tests[figures]
    reason = _reason(verdict, tests, found, shown, failures_said(counted, failed, metric), watch.policy)
    return Evidence(
        app=app,
        watch=watch.id,
        as_of_ms=now_ms,
        verdict=verdict,
        offered=tally.offered,
        attempts=counted,
        failed=failed,
        low=low,
        high=high,
        capped=tally.capped,
        capped_failed=tally.capped_failed,
        tests=tests,
        reason=reason,
        rolls_back=watch.policy.action is GuardAction.ROLLBACK and any(map(_rolls_back, tests)),
        silence=found,
        step_attempts=tally.step_attempts,
        waits="" if verdict is Verdict.PASSES else reason if enough.is_known else enough.why,
        rules=rules_of(watch.policy),
    )


def _silence(tally: VoteTally) -> SilenceEvidence | None:
    found = judge_silence(tally.silence, dict(tally.silence_without), len(tally.nodes))
    if found is None:
        return None
    without = tally.nodes[found.without - 1] if found.without else ""
    return SilenceEvidence(**found._asdict() | {"without": without}, alarm_log_odds=ALARM_LOG_ODDS)


def _rolls_back(test: TestedCount) -> bool:
    """Not by one node's word, and not while one drowns what the others say."""
    return test.alarm and test.known and not test.rests_on and not test.without


class _Part(NamedTuple):
    """What the whole count or one epoch says, without its worst networks."""

    attempts: int
    failed: int
    log_odds: float


class _Said(NamedTuple):
    """What the whole count and its epochs say, by number, and the odds of all."""

    first: _Part
    later: list[tuple[int, _Part]]
    log_odds: float


def _tested(test: GuardTest, tally: ThresholdTally | ControlTally, watch: Watch, of: VoteTally) -> TestedCount:
    pooled = _said(tally, watch, of.latest_epoch)
    without = {each.node: _said(each.tally, watch, of.latest_epoch) for each in tally.without}
    odds = mixed_over_nodes(pooled.log_odds, {node: each.log_odds for node, each in without.items()}, len(of.nodes))
    alarm, shown, left_out, rests_on = odds >= ALARM_LOG_ODDS, pooled, "", ""
    if alarm and without:
        loudest = max(without, key=lambda node: without[node].log_odds)
        if pooled.log_odds < ALARM_LOG_ODDS:
            shown, left_out = without[loudest], of.nodes[loudest - 1]
        elif isinstance(tally, ThresholdTally):
            rests_on = _rests_on(tally, of.nodes, watch.policy.max_failure / WHOLE_SHARE)
    epoch, part = _loudest_epoch(shown)
    return TestedCount(
        name=test.name,
        metric=test.metric.value,
        attempts=shown.first.attempts,
        failed=shown.first.failed,
        log_odds=odds,
        alarm_log_odds=ALARM_LOG_ODDS,
        alarm=alarm,
        segment=test.segment,
        versus_control=test.versus_control,
        known=test.known,
        epoch=epoch,
        epoch_attempts=part.attempts,
        epoch_failed=part.failed,
        without=left_out,
        rests_on=rests_on,
    )


def _rests_on(tally: ThresholdTally, nodes: Sequence[str], limit: float) -> str:
    """The node whose word alone makes an alarm, against that of the others; "" if there is none."""
    for node, rest in tally.without:
        whole = rest.whole
        if whole.attempts >= LEAST_ATTEMPTS and log_odds(whole.attempts, whole.failed, limit) <= 0:
            return nodes[node - 1]
    return ""


def _said(tally: ThresholdTally | ControlTally, watch: Watch, latest: int) -> _Said:
    match tally:
        case ThresholdTally(whole, epochs):
            limit = watch.policy.max_failure / WHOLE_SHARE
            first = _threshold_part(whole, limit)
            later = [(each.epoch, _threshold_part(each.counted, limit)) for each in epochs]
        case ControlTally(whole, epochs):
            first = _control_part(whole, watch.policy.factor)
            later = [(each.epoch, _control_part(each.counted, watch.policy.factor)) for each in epochs]
    odds = mixed_log_odds(first.log_odds, [EpochOdds(number, part.log_odds) for number, part in later], latest)
    return _Said(first, later, odds)


def _loudest_epoch(said: _Said) -> tuple[int, _Part]:
    """The epoch that says more than the whole, with its number; 0 if none does."""
    weighed = {number: part.log_odds + log_weight(number) for number, part in said.later}
    epoch, part = max(said.later, key=lambda each: weighed[each[0]], default=(0, said.first))
    return (epoch, part) if weighed.get(epoch, said.first.log_odds) > said.first.log_odds else (0, _Part(0, 0, 0.0))


def _threshold_part(votes: CountedVotes, limit: float) -> _Part:
    whole = NetworkVotes(0, votes.attempts, votes.failed)
    left, odds = without_worst(
        whole, votes.networks, _less_votes, lambda each: log_odds(each.attempts, each.failed, limit)
    )
    return _part(left.attempts, left.failed, odds)


def _less_votes(whole: NetworkVotes, network: NetworkVotes) -> NetworkVotes:
    return NetworkVotes(0, whole.attempts - network.attempts, whole.failed - network.failed)


def _control_part(votes: ControlVotes, factor: float) -> _Part:
    left, odds = without_worst(votes.steps, votes.networks, _less_events, lambda each: control_log_odds(each, factor))
    rollout, control = sum(each.rollout for each in left), sum(each.control for each in left)
    return _part(rollout + control, rollout, odds)


def _less_events(steps: Iterable[ArmEvents], network: Iterable[ArmEvents]) -> tuple[ArmEvents, ...]:
    of = {each.share: each for each in network}
    none = ArmEvents(0.0, 0, 0)
    return tuple(
        ArmEvents(
            each.share,
            each.rollout - of.get(each.share, none).rollout,
            each.control - of.get(each.share, none).control,
        )
        for each in steps
    )


def _part(attempts: int, failed: int, odds: float) -> _Part:
    """Too little is no evidence for an alarm: it counts as odds of 1 to 1 at most."""
    return _Part(attempts, failed, odds if is_enough(attempts, failed) else min(odds, 0.0))


def _verdict(tests: tuple[TestedCount, ...], silence: SilenceEvidence | None, is_enough_known: bool) -> Verdict:
    if any(each.alarm for each in tests):
        return Verdict.FAILS
    if silence is not None and silence.alarm:
        return Verdict.SILENT
    return Verdict.PASSES if is_enough_known else Verdict.WATCHING


def _reason(
    verdict: Verdict,
    tests: tuple[TestedCount, ...],
    silence: SilenceEvidence | None,
    shown: TestedCount | None,
    failures: str,
    policy: GuardPolicy,
) -> str:
    limit = f"the limit is {percent(policy.max_failure / WHOLE_SHARE)}"
    if verdict is Verdict.SILENT and silence is not None:
        said = silence_said(silence.installed, silence.silent, silence.age_ms, silence.allowed or 0.0)
        return f"{without_said(silence.without)}{said}"
    if verdict is not Verdict.FAILS:
        return f"{failures}; {limit}" if shown is not None else _compared(tests, failures)
    worst = max((each for each in tests if each.alarm), key=lambda each: each.log_odds)
    if worst.versus_control:
        said = control_said(worst.metric, worst.attempts, worst.failed, policy.factor)
        return f"{without_said(worst.without)}{said}"
    said = failures if worst is shown and not worst.epoch and not worst.without else _deciding(worst)
    return f"{without_said(worst.without)}{said}; {limit}{alone_said(worst.rests_on)}"


def _compared(tests: tuple[TestedCount, ...], failures: str) -> str:
    """Of a guard that only compares: the limit is not tested."""
    events = [
        f"{each.metric} on {count(each.attempts)} devices, {count(each.failed)} of them in the rollout"
        if each.attempts
        else f"no {each.metric} yet"
        for each in tests
        if not each.segment
    ]
    return "; ".join([*events, failures])


def _deciding(test: TestedCount) -> str:
    """The count that decides, without its worst networks, where it is not that of all devices since the start."""
    lately = "lately, " if test.epoch else ""
    scope = f"in segment {test.segment}, " if test.segment else "of devices known for a day, " if test.known else ""
    attempts, failed = (test.epoch_attempts, test.epoch_failed) if test.epoch else (test.attempts, test.failed)
    return f"{lately}{scope}{failures_said(attempts, failed, GuardMetric(test.metric))}"
