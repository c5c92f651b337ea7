"""How a team releases, from its history: when bundles were first offered, paused and taken back. Pure.

A release is a bundle that any channel began to offer, once. It is taken back when a channel that offers it stops
because of a rollback, a withdrawal or an undo; it has recovered when no channel offers it any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from edge.domain.statistics.definitions import Definition, Figure, figure, share

WEEK_SECONDS = 7 * 86_400

_BACK = frozenset({"roll_back", "withdraw_bundle", "undo"})
_MOVES = frozenset({"move_rollout", "guard_acts"})
NO_RELEASE = "nothing was released"
NONE_PAUSED = "no release was paused after a failure report"
NOT_STOPPED = "no release was paused or taken back after a failure report"


class Shift(NamedTuple):
    """What one revision changed on a channel: the bundles offered to its devices (its own, a rollout's) before and
    after, in seconds since the epoch. `move` is what was done to a rollout, which offers `rollout`: pause, rollback,
    ..."""

    at: float
    kind: str
    move: str
    channel: str
    before: frozenset[str]
    after: frozenset[str]
    rollout: str = ""


@dataclass(slots=True)
class PublishedRelease:
    """Times in seconds since the epoch; None: it did not happen. `taken_back` is by which command: roll_back,
    withdraw_bundle, undo, move_rollout, or guard_acts."""

    bundle: str
    channel: str
    published: float
    paused: list[float] = field(default_factory=list)
    gone: float | None = None
    taken_back: str = ""
    channels: set[str] = field(default_factory=set)  # those that offer it


class BundleReach(NamedTuple):
    """What devices made of a release: minutes since the epoch, None if that did not happen."""

    half: int | None
    most: int | None  # 95 %
    failed: int | None


class ReleaseTimes(msgspec.Struct, frozen=True, kw_only=True):
    """One release. `published` is in seconds since the epoch; `taken_back` is by which command, "" if it was not."""

    bundle: str
    channel: str
    published: int
    taken_back: str
    to_half: Figure
    to_95: Figure
    failure_to_pause: Figure
    failure_to_recovery: Figure


class ReleasesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Releases from `since` until `until`, in seconds since the epoch, the latest first, and the medians of their
    times. `cut`: the history has more revisions than are read."""

    app: str
    since: int
    until: int
    cut: bool
    a_week: Figure
    taken_back: Figure
    to_half: Figure
    to_95: Figure
    failure_to_pause: Figure
    failure_to_recovery: Figure
    releases: list[ReleaseTimes]


def releases_of(shifts: Iterable[Shift]) -> list[PublishedRelease]:
    """From shifts in the order of their times. What was offered before the first one is no release."""
    found: dict[str, PublishedRelease] = {}
    earlier: set[str] = set()
    for shift in shifts:
        earlier |= shift.before - found.keys()
        for bundle in sorted(shift.after - shift.before - earlier):
            if bundle not in found and _goes_back(shift):
                earlier.add(bundle)
                continue
            found.setdefault(bundle, PublishedRelease(bundle, shift.channel, shift.at)).channels.add(shift.channel)
        if shift.kind in _MOVES and shift.move == "pause" and shift.rollout in found:
            found[shift.rollout].paused.append(shift.at)
        for bundle in (shift.before - shift.after) & found.keys():
            _leave(found[bundle], shift)
    return list(found.values())


def development(
    app: str, releases: Iterable[tuple[PublishedRelease, BundleReach]], since: float, until: float, *, cut: bool
) -> ReleasesAnswer:
    """The figures of the releases that were published from `since` until `until`, in seconds since the epoch."""
    recent = [each for each in releases if since <= each[0].published <= until]
    recent.sort(key=lambda each: (-each[0].published, each[0].bundle))
    times = [_times(*each) for each in recent]
    weeks = (until - since) / WEEK_SECONDS
    back = sum(1 for each in times if each.taken_back)
    return ReleasesAnswer(
        app=app,
        since=int(since),
        until=int(until),
        cut=cut,
        a_week=figure(Definition.RELEASES_A_WEEK, len(times) / weeks, of=len(times)),
        taken_back=share(Definition.TAKEN_BACK, back, len(times), NO_RELEASE),
        to_half=_median(Definition.TIME_TO_SHARE, [each.to_half for each in times], "none reached it"),
        to_95=_median(Definition.TIME_TO_SHARE, [each.to_95 for each in times], "none reached it"),
        failure_to_pause=_median(Definition.FAILURE_TO_PAUSE, [each.failure_to_pause for each in times], NONE_PAUSED),
        failure_to_recovery=_median(
            Definition.FAILURE_TO_RECOVERY, [each.failure_to_recovery for each in times], NOT_STOPPED
        ),
        releases=times,
    )


def _goes_back(shift: Shift) -> bool:
    return shift.kind in _BACK or (shift.kind in _MOVES and shift.move == "rollback")


def _leave(release: PublishedRelease, shift: Shift) -> None:
    release.channels.discard(shift.channel)
    if _goes_back(shift):
        release.taken_back = release.taken_back or shift.kind
    if not release.channels:
        release.gone = shift.at


def _times(release: PublishedRelease, reached: BundleReach) -> ReleaseTimes:
    failed = None if reached.failed is None else reached.failed * 60.0
    paused = next((at for at in release.paused if failed is not None and at >= failed), None)
    stopped = bool(release.paused or release.taken_back)
    recovered = release.gone if stopped and failed is not None and release.gone and release.gone >= failed else None
    why = "no failure was reported" if failed is None else "it was not paused"
    return ReleaseTimes(
        bundle=release.bundle,
        channel=release.channel,
        published=int(release.published),
        taken_back=release.taken_back,
        to_half=_since(Definition.TIME_TO_SHARE, release.published, _seconds(reached.half), "not reached"),
        to_95=_since(Definition.TIME_TO_SHARE, release.published, _seconds(reached.most), "not reached"),
        failure_to_pause=_since(Definition.FAILURE_TO_PAUSE, failed, paused, why),
        failure_to_recovery=_since(
            Definition.FAILURE_TO_RECOVERY, failed, recovered, why if failed is None else "it was not stopped"
        ),
    )


def _seconds(minute: int | None) -> float | None:
    return None if minute is None else minute * 60.0


def _since(what: Definition, first: float | None, then: float | None, unknown: str) -> Figure:
    if first is None or then is None:
        return figure(what, None, unknown=unknown)
    return figure(what, max(int(then - first), 0))


def _median(what: Definition, figures: list[Figure], none: str) -> Figure:
    """The lower one of two in the middle."""
    known = sorted(each.value for each in figures if each.value is not None)
    if not known:
        return figure(what, None, unknown=none if figures else NO_RELEASE)
    return figure(what, known[(len(known) - 1) // 2], of=len(known))
