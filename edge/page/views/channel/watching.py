"""What the guard sees of the release, as charts and one sentence: what it watches for, and what it waits for."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from edge.control.routes.feed.missing_reports import LATE_SECONDS
from edge.control.shapes.figures.reports import MissingReports
from edge.domain.guarding.evidence import Evidence, TestedCount, Verdict
from edge.domain.model import Phase
from edge.page.charts.chart import draw, draw_nothing
from edge.page.charts.guarding import GuardPoint, GuardSeries, evidence_chart, rate_chart
from edge.page.charts.lines import Mark
from edge.page.charts.table import thinned
from edge.page.views.channel.sight import ChannelSight, GuardSight
from edge.page.views.channel.spreading import stale_words, step_begins
from edge.page.words.numbers import count, named
from edge.page.words.rates import odds, share_text, step
from edge.page.words.times import moment

ATTEMPTS_LEAST, FAILED_LEAST = 20, 5  # below them it never acts
POINTS = 100  # of a chart: two of them, with their tables, are a third of a page
ODDS_DEFAULT = 1000.0  # one test's alpha of a rollout: 0.1 %

_BAD = (Verdict.FAILS, Verdict.SILENT)


def guard_charts(sight: ChannelSight) -> list[Markup]:
    """The rate and the evidence; what has to happen first where nothing is counted yet."""
    guard, standing = sight.guard, sight.standing
    if not isinstance(guard, GuardSight) or not guard.watches:
        return []
    if sight.rollout is None and standing is None and not guard.everything:
        return []
    series = series_of(sight, guard)
    if series is None:
        why = "No device has tried to start it yet." if standing is None or not standing.counts_anew else _ANEW
        return [draw_nothing(f"Failed attempts of {named(sight.subject or '')} so far", "of attempts", why)]
    return [draw(rate_chart(series)), draw(evidence_chart(series))]


def series_of(sight: ChannelSight, guard: GuardSight) -> GuardSeries | None:
    standing = sight.standing
    if standing is None or standing.evidence is None:
        return None
    points = tuple(
        GuardPoint(
            at=p.at_ms / 1000,
            attempts=p.attempts,
            failed=p.failed,
            low=p.low,
            high=p.high,
            log_odds=p.log_odds,
            tested=p.tested,
            tested_failed=p.tested_failed,
        )
        for p in thinned([each for each in standing.series if each.attempts], POINTS)
    )
    if not points:
        return None
    begin = min(points[0].at, (standing.first_offer_ms or standing.series[0].at_ms) / 1000)
    return GuardSeries(
        bundle=named(sight.subject or ""),
        points=points,
        limit=guard.limit,
        acts_at=acts_at(standing.evidence),
        begin=begin,
        end=_end(sight, begin, points[-1].at),
        now=sight.now,
        marks=marks_of(sight, begin),
        trouble=standing.evidence.verdict in _BAD,
        stale=stale_words(sight),
    )


def deciding(evidence: Evidence) -> TestedCount | None:
    """The test that says most: of those in alarm the strongest, else that of the figures."""
    alarms = [each for each in evidence.tests if each.alarm]
    if alarms:
        return max(alarms, key=lambda each: each.log_odds - each.alarm_log_odds)
    whole = (each for each in evidence.tests if not (each.versus_control or each.segment or each.known))
    return min(whole, key=lambda each: each.metric != "update_fail", default=next(iter(evidence.tests), None))


def acts_at(evidence: Evidence) -> float:
    """The odds from which the guard acts."""
    test = deciding(evidence)
    return math.exp(test.alarm_log_odds) if test is not None and 0 < test.alarm_log_odds < 30 else ODDS_DEFAULT


def marks_of(sight: ChannelSight, begin: float) -> tuple[Mark, ...]:
    """Where steps began, and where it was paused."""
    rollout = sight.rollout
    if rollout is None:
        return ()
    begins = step_begins(rollout.started, rollout.began, rollout.step, rollout.every_seconds)
    pairs = list(zip(begins, rollout.steps[: rollout.step], strict=True))[1:]
    marks = [Mark(at, share_text(share)) for at, share in pairs if at is not None and at > begin]
    if rollout.phase is Phase.PAUSED and rollout.paused is not None:
        marks.append(Mark(rollout.paused, "paused", event=True))
    return tuple(marks)


def watch_words(sight: ChannelSight) -> tuple[str, str, str]:
    """The guard's state (its kind and its word), and what it does, in a sentence or two."""
    guard = sight.guard
    if not isinstance(guard, GuardSight):
        return "idle", "Not known", "Whether the guard watches it could not be read."
    if not guard.watches:
        return "idle", "Off", "Nothing pauses this release by itself. To have rollouts watched:"
    evidence = sight.standing.evidence if sight.standing is not None else None
    deed = {"pause": "pauses it", "rollback": "rolls it back", "notify": "says so, and does nothing else"}[guard.action]
    at = odds(math.log(acts_at(evidence) if evidence is not None else ODDS_DEFAULT))
    words = (
        f"It {deed} when the odds that more than {step(guard.limit)} fail reach {at}, "
        f"from {ATTEMPTS_LEAST} attempts and {FAILED_LEAST} failures on."
    )
    if evidence is None:
        return ("run", "Watching", words) if sight.rollout is not None or guard.everything else ("idle", "Off", _PLAIN)
    if evidence.verdict in _BAD:
        return "bad", "It fails" if evidence.verdict is Verdict.FAILS else "It falls silent", words
    return "run", "Watching", words


def guard_command(sight: ChannelSight) -> str:
    """What has this release watched; "" where it is."""
    guard = sight.guard
    if not isinstance(guard, GuardSight) or sight.standing is not None:
        return ""
    where = f"{sight.app} {sight.channel.name}"
    if not guard.watches:
        return f"edge guard set {where} --rollouts"
    return f"edge guard set {where} --everything" if sight.rollout is None and not guard.everything else ""


def onward_words(sight: ChannelSight) -> str:
    """What has to be known before the next step begins by itself."""
    rollout = sight.rollout
    if rollout is None or rollout.phase is not Phase.RUNNING or rollout.step >= len(rollout.steps):
        return ""
    following = share_text(rollout.steps[rollout.step])
    evidence = sight.standing.evidence if sight.standing is not None else None
    if rollout.gated:
        opens = rollout.gate_opens
        when = (
            f", from {moment(opens, sight.now, to_minute=True)} on" if opens is not None and opens > sight.now else ""
        )
        if evidence is None:
            return f"It goes on to {following} when enough is known{when}."
        if evidence.waits:
            return f"It does not go on to {following} yet: {evidence.waits.rstrip('.')}."
        if isinstance(sight.guard, GuardSight) and sight.guard.waits_for:
            return f"It does not go on to {following} yet: {sight.guard.waits_for}."
        return f"Enough is known to go on to {following} by itself{when}."
    if rollout.next_step_at is None:
        return f"It stays at {share_text(rollout.share)} until somebody goes on to {following}."
    return f"It goes on to {following} by itself at {moment(rollout.next_step_at, sight.now, to_minute=True)}."


def left_out_words(sight: ChannelSight) -> str:
    """What is not in the count, and why."""
    standing = sight.standing
    if standing is None or standing.evidence is None:
        return ""
    said = []
    if standing.evidence.capped:
        capped, failed = count(standing.evidence.capped), count(standing.evidence.capped_failed)
        said.append(
            f"{capped} more attempts ({failed} failed) are not counted: "
            "their networks had sent as many as one network may."
        )
    if standing.lost:
        said.append(
            f"{count(standing.lost)} devices have no vote: they reported before their check was noted, "
            "while others of their network filled its places."
        )
    if standing.full:
        said.append("Further devices are not counted: the limit of devices under watch is reached.")
    if standing.counts_anew:
        said.append(_ANEW)
    if isinstance(sight.guard, GuardSight):
        said += [missing_words(each, sight.now) for each in sight.guard.missing]
    return " ".join(said)


def missing_words(missing: MissingReports, now: float) -> str:
    """Of one node."""
    where = f"the region {missing.region} ({missing.name})" if missing.region else missing.name
    if missing.until is None:
        return f"No reports of {where} are complete here yet."
    if now - missing.until <= LATE_SECONDS:
        return f"The clock of {where} is wrong, so its reports count at a wrong time."
    return f"Reports of {where} since {moment(missing.until, now, to_minute=True)} are not here yet."


def worst_networks(standing_pairs: Sequence[tuple[int, int]]) -> str:
    """The two that are left out of the count that decides."""
    return " and ".join(f"{count(failed)} of {count(attempts)}" for attempts, failed in standing_pairs)


def _end(sight: ChannelSight, begin: float, last: float) -> float:
    """Up to the next step, if that is not much longer than it took so far; else up to now."""
    following = sight.rollout.next_step_at if sight.rollout is not None else None
    now = max(last, sight.now if sight.now - last < 2 * (last - begin) else last)
    room = begin + 1.08 * max(now - begin, 10.0)
    if following is not None and now < following <= begin + 1.5 * (now - begin):
        return following
    return room


_ANEW = "The counts were damaged and are made again from the reports that this node still has."
_PLAIN = "It watches rollouts; this release went to everybody at once. To have it watched too:"
