"""What happened with the release, newest first: from the revisions, and from what the guard knows of first and deciding
votes."""

from typing import Any

from edge.control.shapes.apps import HistoryEntry
from edge.domain.changes.guard.guard_commands import GUARD_NAME
from edge.page.views.channel.sight import ChannelSight
from edge.page.views.history.told import title_of
from edge.page.views.visit import Unread
from edge.page.words.numbers import cleaned, named
from edge.page.words.times import moment, stamp

ENTRIES = 14  # of the story: a screen
_NEAR = 2.0  # seconds between a change and the state that tells of it


def story(sight: ChannelSight) -> list[dict[str, Any]]:
    """For the macro: {time, iso, icon, tone, lead, of}."""
    found = [*_of_revisions(sight), *_of_votes(sight)]
    latest_first = sorted(found, key=lambda each: -each[0])[:ENTRIES]
    return [_entry(sight, *each) for each in latest_first]


def changes_of(sight: ChannelSight) -> list[HistoryEntry]:
    """Revisions that changed this channel since the release came to it, newest first."""
    if isinstance(sight.history, Unread):
        return []
    began = began_at(sight)
    touching = [each for each in sight.history if any(c.channel == sight.channel.name for c in each.channels)]
    moved = [each for each in sight.history if each not in touching and sight.channel.name in each.summary]
    mine = sorted([*touching, *moved], key=lambda each: -each.revision)
    return [each for each in mine if each.at >= began - _NEAR]


def began_at(sight: ChannelSight) -> float:
    """When the release came to the channel."""
    return sight.rollout.started if sight.rollout is not None else sight.channel.bundle_changed


def starter(sight: ChannelSight) -> str:
    """Who brought it: the token's name; "" where the history is not known so far back."""
    near = [each for each in changes_of(sight) if abs(each.at - began_at(sight)) <= _NEAR]
    return named(near[-1].by) if near else ""


def stopper(sight: ChannelSight) -> HistoryEntry | None:
    """The revision that paused it."""
    paused = sight.rollout.paused if sight.rollout is not None else None
    if paused is None:
        return None
    return next((each for each in changes_of(sight) if abs(each.at - paused) <= _NEAR), None)


def _of_revisions(sight: ChannelSight) -> list[tuple[float, str, str, str, str]]:
    found = []
    for each in changes_of(sight):
        by_guard = each.by == GUARD_NAME
        icon = "pause" if "pause" in each.summary else "steps"
        tone = "bad" if by_guard else "run"
        reason = f" · {cleaned(each.reason)}" if each.reason else ""
        who = "the guard" if by_guard else named(each.by)
        found.append((each.at, icon, tone, title_of(each), f"r{each.revision} by {who}{reason}"))
    return found


def _of_votes(sight: ChannelSight) -> list[tuple[float, str, str, str, str]]:
    standing = sight.standing
    if standing is None:
        return []
    known = (
        (standing.deciding_ms, "fail", "bad", "The report that decided", ""),
        (standing.first_failure_ms, "fail", "bad", "First failure", ""),
        (standing.first_offer_ms, "ask", "", "First device was offered it", ""),
    )
    return [(at_ms / 1000, icon, tone, lead, rest) for at_ms, icon, tone, lead, rest in known if at_ms]


def _entry(sight: ChannelSight, at: float, icon: str, tone: str, lead: str, rest: str) -> dict[str, Any]:
    time = {"time": moment(at, sight.now), "iso": stamp(at)}
    return {**time, "icon": icon, "tone": tone, "lead": lead, "of": rest}
