"""Whether devices fall silent on a release: they installed it, and then neither proved healthy nor were heard of.

A boot that kills the process reports nothing, and its later checks still name the bundle: neither `set` nor a check
proves that it starts. Silence alone is weak evidence, since people close an app for days, and releases differ. So it
is compared at the same age with what the channel's earlier releases had, and with the control over the same hours;
it must exceed both by a margin, also without as many silent devices as two networks can have counted, and by default
the guard only says so.
"""

from collections.abc import Mapping
from typing import NamedTuple

from edge.domain.guarding.networks import LEFT_OUT, cap_of
from edge.domain.guarding.odds.alpha import ALARM_LOG_ODDS
from edge.domain.guarding.odds.nodes import mixed_over_nodes
from edge.domain.guarding.odds.rates import rate_interval
from edge.domain.guarding.odds.threshold import is_enough, log_odds

SILENCE_AGES_MS = (3_600_000, 24 * 3_600_000)  # after the `set`; the first is soon, the second sees the next morning
EARLIER_RELEASES = 5  # the latest that the channel offered to everybody or in a rollout
EARLIER_LEAST = 100  # installs of an earlier release, or devices of the control, from which on it is a comparison
MARGIN_FACTOR, MARGIN = 1.2, 0.01  # times as many as in the worst comparison, and so many more: releases differ
CERTAIN_LIMIT = 0.9  # where so many fall silent by themselves, nothing can be seen


class InstallsSettled(NamedTuple):
    """Devices whose `set` (in the control: whose first start since the watch began) is `age` old or older, and those
    of them that were `silent` until that age: not healthy, no failure reported, and no event but starts, crashes and
    checks. Both are as of that age, so they never change later, whatever comes then."""

    installed: int
    silent: int


class SilenceCount(NamedTuple):
    """At one age. `earlier` are the channel's earlier releases, at most EARLIER_RELEASES, with the same definition at
    the same age, none of which failed or fell silent itself; `control` those outside the rollout, None if there is
    none. All are devices whose votes are counted, so no network has more than its cap."""

    age_ms: int
    release: InstallsSettled
    earlier: tuple[InstallsSettled, ...] = ()
    control: InstallsSettled | None = None


class SilenceFound(NamedTuple):
    """`allowed` is the share of silent devices above which it counts as evidence; None: there is no comparison.
    `without`: the number of the node without which it is counted, 0 for none."""

    age_ms: int
    installed: int
    silent: int
    allowed: float | None
    log_odds: float
    alarm: bool
    without: int = 0


def judge_silence(
    counts: tuple[SilenceCount, ...], without: Mapping[int, tuple[SilenceCount, ...]] | None = None, nodes: int = 0
) -> SilenceFound | None:
    """The age that says most. None: nothing has come to an age yet. `without` has the counts at the same ages without
    what a node brought, by its number, of so many `nodes`."""
    lefts = {node: [_judge(each) for each in of] for node, of in (without or {}).items()}
    found = [
        _said_by_any(_judge(each), {node: of[index] for node, of in lefts.items()}, nodes)
        for index, each in enumerate(counts)
        if each.release.installed
    ]
    return max(found, key=lambda each: (each.alarm, each.log_odds), default=None)


def _said_by_any(pooled: SilenceFound, without: Mapping[int, SilenceFound], nodes: int) -> SilenceFound:
    """No single node hides that devices fall silent: see `odds.nodes`."""
    if not without:
        return pooled
    odds = mixed_over_nodes(_worth(pooled), {node: _worth(each) for node, each in without.items()}, nodes)
    told = [pooled, *(each._replace(without=node) for node, each in without.items())]
    shown = max(told, key=_worth) if odds >= ALARM_LOG_ODDS and not pooled.alarm else pooled
    return shown._replace(log_odds=odds, alarm=odds >= ALARM_LOG_ODDS)


def _worth(found: SilenceFound) -> float:
    """Too little is no evidence: it counts as odds of 1 to 1 at most."""
    return found.log_odds if is_enough(*_less_spared(found.installed, found.silent)) else min(found.log_odds, 0.0)


def _less_spared(installed: int, silent: int) -> tuple[int, int]:
    """Without as many silent devices as two networks can have."""
    spared = min(silent, LEFT_OUT * cap_of(installed))
    return installed - spared, silent - spared


def _judge(count: SilenceCount) -> SilenceFound:
    installed, silent = count.release
    allowed = allowed_silence(count)
    if allowed is None:
        return SilenceFound(count.age_ms, installed, silent, None, 0.0, False)
    left = _less_spared(installed, silent)
    odds = log_odds(*left, allowed)
    return SilenceFound(count.age_ms, installed, silent, allowed, odds, odds >= ALARM_LOG_ODDS and is_enough(*left))


def allowed_silence(count: SilenceCount) -> float | None:
    """The share of devices that may fall silent: above the upper ends of all comparisons that are large enough."""
    compared = [*count.earlier[:EARLIER_RELEASES], *([count.control] if count.control else [])]
    ends = [rate_interval(*each).high for each in compared if each.installed >= EARLIER_LEAST]
    if not ends:
        return None
    allowed = max(ends) * MARGIN_FACTOR + MARGIN
    return allowed if allowed < CERTAIN_LIMIT else None
