"""Everything about one bundle: how far devices have come, adoption, failures, and outcomes before and after it."""

from collections import defaultdict
from collections.abc import Sequence

from edge.domain.statistics import subjects
from edge.domain.statistics.curves import Adoption, AdoptionChange, build_adoption, most_at_once
from edge.domain.statistics.definitions import Definition, figure
from edge.domain.statistics.figures import ReleaseFigures, per_1000, release_figures
from edge.domain.statistics.observation import Step
from edge.telemetry.questions.app_answers import BundleReport, FailureFigure, OutcomeChange
from edge.telemetry.questions.port import DAY_MS, MINUTE_MS, By, Firsts, Rollup, RowLabels, TimeSpan, Where
from edge.telemetry.questions.scope import Scope

FAILURES_LIMIT = 50  # rows, the most frequent first
CHANGES_LIMIT = 500  # rows of outcomes by segment: 20 outcomes in 25 segments
BEFORE_DAYS = 90  # at most so long before and after a bundle are compared


def bundle_report(scope: Scope, points: int) -> BundleReport:
    """Of the bundle in the scope's labels, from its first offer on, however long ago."""
    bundle, where = scope.where.bundle, _offered_to(scope)
    firsts = scope.figures.firsts(scope.app, bundle, where)
    failures, more_failures = _failures(scope, bundle)
    changes, more_changes = _outcome_changes(scope, bundle, firsts)
    return BundleReport(
        bundle=bundle,
        release=release_of(scope, bundle),
        adoption=adoption_of(scope, bundle, firsts, points),
        failures=failures,
        more_failures=more_failures,
        outcome_changes=changes,
        more_outcome_changes=more_changes,
    )


def release_of(scope: Scope, bundle: str) -> ReleaseFigures:
    """How far its devices have come."""
    return releases_by(scope, bundle, ()).get((), release_figures(()))


def releases_by(scope: Scope, bundle: str, by: Sequence[By]) -> dict[RowLabels, ReleaseFigures]:
    """The same for each of the labels, as of the first offer."""
    reached: defaultdict[RowLabels, list[tuple[Step, int]]] = defaultdict(list)
    for each in scope.figures.steps(scope.app, bundle, scope.where._replace(bundle=""), by):
        reached[each.labels].append((each.steps, each.devices))
    return {labels: release_figures(rows) for labels, rows in reached.items()}


def adoption_of(scope: Scope, bundle: str, firsts: Firsts, points: int) -> Adoption:
    """Of the devices of the channels that it was offered on."""
    where = scope.where._replace(bundle="")
    turns = scope.figures.words(scope.app, bundle, where)
    changes = [AdoptionChange(each.minute, each.began, each.ended) for each in turns]
    devices = 0 if firsts.offered is None else devices_to_reach(scope, bundle, firsts.offered, changes)
    return build_adoption(changes, firsts.offered, scope.until_ms // MINUTE_MS, devices, points)


def devices_to_reach(scope: Scope, bundle: str, first: int, changes: Sequence[AdoptionChange]) -> int:
    """Those of the channels that the bundle was offered on that were heard of since the minute `first`, and all that
    run it, whatever their channel: a device that has reported and not checked yet has none."""
    where = scope.where._replace(bundle="")
    channels = {
        each.labels
        for each in scope.figures.steps(scope.app, bundle, _offered_to(scope), (By.CHANNEL,))
        if Step.OFFERED in each.steps
    }
    heard = scope.figures.heard_since(scope.app, first * MINUTE_MS, where, (By.CHANNEL, By.BUNDLE))
    devices = sum(each.devices for each in heard if each.labels[:1] in channels or each.labels[1] == bundle)
    return max(devices, most_at_once(changes, scope.until_ms // MINUTE_MS))


def _offered_to(scope: Scope) -> Where:
    """Whom the first offer is looked for among: a device in the segment may have been in none when it got it."""
    return scope.where._replace(bundle="", segment="")


def _failures(scope: Scope, bundle: str) -> tuple[list[FailureFigure], int]:
    """And how many more rows there are; the same of the outcomes' changes."""
    where = scope.where._replace(bundle="")
    rows = scope.figures.causes(scope.app, bundle, where, (By.PLATFORM, By.OS))
    shown = [
        FailureFigure(
            cause=each.cause,
            platform=each.labels[0],
            version_os=each.labels[1],
            devices=figure(Definition.CAUSES, each.devices),
        )
        for each in rows[:FAILURES_LIMIT]
    ]
    return shown, len(rows) - len(shown)


def _outcome_changes(scope: Scope, bundle: str, firsts: Firsts) -> tuple[list[OutcomeChange], int]:
    """By whole days (UTC): as many before the day of the first offer as since its beginning."""
    if firsts.offered is None:
        return [], 0
    first, end = firsts.offered * MINUTE_MS // DAY_MS, scope.today + 1
    first = max(first, end - BEFORE_DAYS)
    before = _Exposure(scope, max(first - (end - first), 0), first, "")
    after, with_bundle = _Exposure(scope, first, end, ""), _Exposure(scope, first, end, bundle)
    changes = []
    places = sorted(before.counted.keys() | after.counted.keys())
    for name, segment in places[:CHANGES_LIMIT]:
        at = (name, segment)
        rest = after.counted.get(at, 0) - with_bundle.counted.get(at, 0)
        rest_days = after.days.get(segment, 0) - with_bundle.days.get(segment, 0)
        of = Definition.OUTCOME_CHANGE
        changes.append(
            OutcomeChange(
                name=name.removeprefix(subjects.OUTCOME),
                segment=segment,
                before=per_1000(of, before.counted.get(at, 0), before.days.get(segment, 0), estimated=True),
                with_bundle=per_1000(
                    of, with_bundle.counted.get(at, 0), with_bundle.days.get(segment, 0), estimated=True
                ),
                without=per_1000(of, max(rest, 0), max(rest_days, 0), estimated=True),
            )
        )
    return changes, len(places) - len(changes)


class _Exposure:
    """Outcomes `counted` by name and segment, and `days` on which a device was active by segment ("": all), from
    `first` until before `end`, in days since the epoch."""

    def __init__(self, scope: Scope, first: int, end: int, bundle: str) -> None:
        span, where = TimeSpan(first * DAY_MS, end * DAY_MS, Rollup.DAY), scope.where._replace(bundle=bundle)
        self.counted: dict[tuple[str, str], int] = {}
        self.days: defaultdict[str, int] = defaultdict(int)
        outcomes = (f"{subjects.OUTCOME}*",)
        for by in ((), (By.SEGMENT,)):
            for each in scope.figures.sums(scope.app, outcomes, span, where, (By.SUBJECT, *by)):
                segment = each.labels[1] if by else ""
                if segment or not by:  # a row of devices in no segment is not shown
                    self.counted[each.labels[0], segment] = each.n
            for active in scope.figures.devices(scope.app, (subjects.HEARD,), span, where, by, each=True):
                segment = active.labels[0] if by else ""
                if segment or not by:
                    self.days[segment] += active.devices
