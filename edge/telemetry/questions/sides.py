"""What came of each side of a rollout and of each arm of an experiment.

Devices belong to a side or arm by the draw, whatever they installed: so sides are comparable.
"""

import msgspec

from edge.domain.statistics.definitions import Definition, Figure, figure
from edge.domain.statistics.figures import QualityFigures, ReleaseFigures
from edge.telemetry.questions.bundle_reports import release_of
from edge.telemetry.questions.port import Figures, Where
from edge.telemetry.questions.scope import Scope

SIDES_LIMIT = 100  # of one question: more than an experiment can have arms


class SideAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A side ("<rollout>/new") or an arm ("<experiment>/<arm>"), and the bundle that it is offered ("": none)."""

    side: str = ""
    arm: str = ""
    bundle: str = ""


class SidesQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in milliseconds since the epoch: since the rollout or experiment began, until now."""

    app: str
    since_ms: int
    until_ms: int
    sides: list[SideAsked]


class SideFigures(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the side or arm that was asked for, `name` what follows its last slash: new, control or rest, or the arm.
    `release` is of the bundle that the side is offered, among its devices; null for a side that is offered none."""

    id: str
    name: str
    bundle: str
    active: Figure
    release: ReleaseFigures | None
    quality: QualityFigures


class SidesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of whole hours, or days, from `since` until `until`, in seconds since the epoch."""

    since: int
    until: int
    sides: list[SideFigures]


def answer_sides(figures: Figures, asked: SidesQuestion) -> SidesAnswer:
    """In the order in which they were asked for."""
    return SidesAnswer(
        since=asked.since_ms // 1000,
        until=asked.until_ms // 1000,
        sides=[_side(figures, asked, each) for each in asked.sides[:SIDES_LIMIT]],
    )


def _side(figures: Figures, asked: SidesQuestion, side: SideAsked) -> SideFigures:
    scope = Scope(figures, asked.app, Where(side=side.side, arm=side.arm), asked.since_ms, asked.until_ms)
    return SideFigures(
        id=side.side or side.arm,
        name=(side.side or side.arm).rpartition("/")[2],
        bundle=side.bundle,
        active=figure(Definition.ACTIVE_DEVICES, sum(scope.active(()).values())),
        release=release_of(scope, side.bundle) if side.bundle else None,
        quality=scope.quality(),
    )
