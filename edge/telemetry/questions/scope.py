"""What one question is about: an app, labels and a time; and the plain numbers about it that several figures share."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge.domain.statistics import subjects
from edge.domain.statistics.definitions import Definition, Figure, figure
from edge.domain.statistics.figures import Crashes, QualityFigures, quality_figures
from edge.telemetry.questions.port import DAY_MS, HOUR_MS, By, Figures, Rollup, RowLabels, TimeSpan, Where

BY_HOUR_HOURS = 48  # longer times are counted by whole days: reading hours of 90 days takes seconds

_USED = (subjects.SESSION, subjects.ERROR, subjects.SESSION_CAPABLE, subjects.SESSION_CRASHED)
_CRASHES = (subjects.CRASH_CAPABLE, subjects.CRASHED)


class Scope(NamedTuple):
    """Questions are about everything of `where` from `since_ms` until `until_ms`, in milliseconds since the epoch."""

    figures: Figures
    app: str
    where: Where
    since_ms: int
    until_ms: int

    def span(self, rollup: Rollup | None = None) -> TimeSpan:
        """In whole hours, or days if it is long."""
        short = self.until_ms - self.since_ms <= BY_HOUR_HOURS * HOUR_MS
        return TimeSpan(self.since_ms, self.until_ms, rollup or (Rollup.HOUR if short else Rollup.DAY))

    @property
    def today(self) -> int:
        """In days since the epoch."""
        return self.until_ms // DAY_MS

    def narrowed(self, **labels: str) -> "Scope":
        """With other labels."""
        return self._replace(where=self.where._replace(**labels))

    def active(self, by: Sequence[By]) -> dict[RowLabels, int]:
        """Devices heard of since `since_ms`, exactly, by their latest labels."""
        return dict(self.figures.heard_since(self.app, self.since_ms, self.where, by))

    def running(self, by: Sequence[By]) -> dict[RowLabels, int]:
        """Devices that run the bundle of the labels, whenever they were heard of, by their latest labels."""
        return dict(self.figures.heard_since(self.app, 0, self.where, by))

    def active_figure(self) -> Figure:
        """Those heard of in the time: exact; of a bundle estimated, those heard of while they ran it."""
        if not self.where.bundle:
            return figure(Definition.ACTIVE_DEVICES, sum(self.active(()).values()))
        return figure(Definition.ACTIVE_DEVICES, self.heard_estimates(()).get((), 0), estimated=True)

    def heard_estimates(self, by: Sequence[By]) -> dict[RowLabels, int]:
        """Distinct devices heard of in the time under each of the labels, of a bundle while they ran it."""
        found = self.figures.devices(self.app, (subjects.HEARD,), self.span(), self.where, by)
        return {each.labels: each.devices for each in found}

    def counts(
        self, wanted: Sequence[str], by: Sequence[By] = (), rollup: Rollup | None = None
    ) -> dict[RowLabels, int]:
        """n, summed over the time."""
        return {each.labels: each.n for each in self.figures.sums(self.app, wanted, self.span(rollup), self.where, by)}

    def quality(self) -> QualityFigures:
        """Sessions, errors and crashes of all."""
        return self.quality_by(()).get((), quality_of({}, of_bundle=bool(self.where.bundle)))

    def quality_by(self, by: Sequence[By]) -> dict[RowLabels, QualityFigures]:
        """The same for each of the labels that had any. Crashes are of the whole days (UTC) that the time touches."""
        used: defaultdict[RowLabels, dict[str, int]] = defaultdict(dict)
        for labels, n in self.counts(_USED, (*by, By.SUBJECT)).items():
            used[labels[:-1]][labels[-1]] = n
        of_bundle = bool(self.where.bundle) or By.BUNDLE in by
        if not of_bundle:
            for labels, n in self.counts(_CRASHES, (*by, By.SUBJECT), Rollup.DAY).items():
                used[labels[:-1]][labels[-1]] = n
        return {labels: quality_of(use, of_bundle=of_bundle) for labels, use in used.items()}

    def quality_at(self, rollup: Rollup) -> dict[int, QualityFigures]:
        """The same for each period, by the millisecond at which it begins; crashes by the day alone."""
        wanted = (*_USED, *_CRASHES) if rollup is Rollup.DAY else _USED
        used: defaultdict[int, dict[str, int]] = defaultdict(dict)
        span = self.span(rollup)
        for each in self.figures.sums(self.app, wanted, span, self.where, (By.SUBJECT,), each=True):
            used[each.period_ms][each.labels[0]] = each.n
        return {at: quality_of(use, of_bundle=bool(self.where.bundle)) for at, use in used.items()}


def quality_of(use: Mapping[str, int], *, of_bundle: bool) -> QualityFigures:
    """From counts by subject. A device counts once a day, on what it ran then: by bundle that says nothing."""
    crashes = Crashes(
        devices=None if of_bundle else use.get(subjects.CRASH_CAPABLE, 0),
        crashed=use.get(subjects.CRASHED, 0),
        sessions=use.get(subjects.SESSION_CAPABLE, 0),
        sessions_crashed=use.get(subjects.SESSION_CRASHED, 0),
    )
    return quality_figures(use.get(subjects.SESSION, 0), use.get(subjects.ERROR, 0), crashes)
