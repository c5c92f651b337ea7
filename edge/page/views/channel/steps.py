"""The rollout as steps, each with when it began, and what was counted by its end."""

from collections.abc import Sequence
from typing import Any

from edge.control.shapes.rollouts import RolloutView
from edge.domain.model import Phase
from edge.page.views.channel.sight import ChannelSight
from edge.page.views.channel.spreading import step_begins
from edge.page.words.numbers import count, duration
from edge.page.words.rates import share_text
from edge.page.words.times import age, moment
from edge.telemetry.votes.standing import SeriesPoint


def rollout_steps(sight: ChannelSight) -> list[dict[str, Any]]:
    """For the macro: {share, kind, lines}."""
    rollout = sight.rollout
    if rollout is None:
        return []
    begins = step_begins(rollout.started, rollout.began, rollout.step, rollout.every_seconds)
    ends = [*begins[1:], None]
    series = sight.standing.series if sight.standing is not None else []
    past = [_past(sight, rollout, n, begins[n], ends[n], series) for n in range(rollout.step)]
    return [*past, *(_to_come(sight, rollout, n) for n in range(rollout.step, len(rollout.steps)))]


def rollout_words(sight: ChannelSight, starter: str) -> str:
    """Who started it and when, and by what it goes on."""
    rollout = sight.rollout
    if rollout is None:
        return ""
    said = f"started{' by ' + starter if starter else ''}, {moment(rollout.started, sight.now, to_minute=True)}"
    every = f"every {duration(rollout.every_seconds)}, by itself" if rollout.every_seconds else "each step by hand"
    if rollout.gated:
        every = f"after {duration(rollout.every_seconds)} and when enough is known, by itself"
    return f"{said} · {every}"


def _past(
    sight: ChannelSight,
    rollout: RolloutView,
    n: int,
    begin: float | None,
    end: float | None,
    series: Sequence[SeriesPoint],
) -> dict[str, Any]:
    share, now = share_text(rollout.steps[n]), sight.now
    counted = _counted(series, end if end is not None else now)
    if n < rollout.step - 1:
        when = moment(begin, now, to_minute=True) if begin is not None else "done"
        return {"share": share, "kind": "done", "lines": [when, *counted]}
    if rollout.phase is Phase.PAUSED:
        until = f" to {moment(rollout.paused, now, to_minute=True)}" if rollout.paused is not None else ""
        lines = ["held here", f"{moment(begin, now, to_minute=True)}{until}" if begin is not None else ""]
        return {"share": share, "kind": "held", "lines": [each for each in (*lines, *counted) if each]}
    since = f"since {moment(begin, now, to_minute=True)}" if begin is not None else ""
    return {"share": f"{share}, now", "kind": "here", "lines": [each for each in (since, *counted) if each]}


def _to_come(sight: ChannelSight, rollout: RolloutView, n: int) -> dict[str, Any]:
    lines: list[str] = []
    first = n == rollout.step
    if first and rollout.phase is Phase.PAUSED:
        lines = ["not begun", "waits for a decision"]
    elif rollout.next_step_at is not None:
        at = rollout.next_step_at + (n - rollout.step) * rollout.every_seconds
        lines = [moment(at, sight.now, to_minute=True) + (f", {age(at, sight.now)}" if first else "")]
    elif first:
        lines = ["when enough is known" if rollout.gated else "waits for somebody"]
    if n == len(rollout.steps) - 1 and rollout.phase is Phase.RUNNING:
        lines.append("then promote ends it")
    return {"share": share_text(rollout.steps[n]), "kind": "", "lines": lines}


def _counted(series: Sequence[SeriesPoint], until: float) -> list[str]:
    before = [each for each in series if each.at_ms <= until * 1000]
    if not before:
        return []
    return [f"{count(before[-1].attempts)} tried · {count(before[-1].failed)} failed"]
