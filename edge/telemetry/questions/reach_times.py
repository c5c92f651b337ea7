"""When bundles reached half and 95 % of the active devices, and when the first failure of each was reported."""

import msgspec

from edge.domain.statistics.curves import AdoptionChange, minute_of_share
from edge.telemetry.questions.bundle_reports import devices_to_reach
from edge.telemetry.questions.port import MINUTE_MS, Figures, Where
from edge.telemetry.questions.scope import Scope

BUNDLES_LIMIT = 50  # of one question: single devices are known of the latest 50 bundles of an app

HALF, MOST = 0.5, 0.95


class ReachQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """`until_ms` is now, in milliseconds since the epoch."""

    app: str
    until_ms: int
    bundles: list[str]


class BundleTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes since the epoch; null: it did not happen, or single devices are no longer known."""

    bundle: str
    half: int | None
    most: int | None
    failed: int | None


class ReachAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """In the order in which they were asked for; at most `BUNDLES_LIMIT`."""

    bundles: list[BundleTimes]


def answer_reach(figures: Figures, asked: ReachQuestion) -> ReachAnswer:
    """Bundles beyond the limit are left out."""
    scope = Scope(figures, asked.app, Where(), 0, asked.until_ms)
    return ReachAnswer(bundles=[_times(scope, bundle) for bundle in asked.bundles[:BUNDLES_LIMIT]])


def _times(scope: Scope, bundle: str) -> BundleTimes:
    firsts = scope.figures.firsts(scope.app, bundle, scope.where)
    if firsts.offered is None:
        return BundleTimes(bundle=bundle, half=None, most=None, failed=firsts.failed)
    changes = [AdoptionChange(*each) for each in scope.figures.words(scope.app, bundle, scope.where)]
    devices = devices_to_reach(scope, bundle, firsts.offered, changes)
    half, most = (minute_of_share(changes, mark, scope.until_ms // MINUTE_MS, devices) for mark in (HALF, MOST))
    return BundleTimes(bundle=bundle, half=half, most=most, failed=firsts.failed)
