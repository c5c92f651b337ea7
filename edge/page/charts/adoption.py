"""How a release spreads, beside up to three earlier ones, each by the time since it was first offered.

All lie on the same axis of hours, so a release is compared with what earlier ones were at the same age. A rollout's
allowed share is a thin line of steps: who stays below it is held back by nobody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.page.charts.axes import hours_axis, share_axis
from edge.page.charts.chart import Chart
from edge.page.charts.lines import ChartLine, LineKind, Mark, Point
from edge.page.charts.table import Table
from edge.page.words.numbers import NB, UNKNOWN, duration, listed
from edge.page.words.rates import percent, step

EARLIER_LIMIT = 3  # lines beside the subject: four can be told apart
UNIT = "of devices heard of since the release was first offered · hours since then"

_HOUR = 3600.0
_DAY = 24 * _HOUR
_SHOWN = 72 * _HOUR  # of an earlier release, at most
_AGES = (1, 6, 24, 72)  # hours, the columns of the table
_KINDS: tuple[LineKind, ...] = ("old1", "old2", "old3")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionCurve:
    """`points` are (seconds since first offered, share). `half`, `most`: seconds until 50 and 90 %, None: not yet."""

    bundle: str
    points: tuple[Point, ...]
    half: float | None = None
    most: float | None = None

    @property
    def latest(self) -> float:
        return self.points[-1][1] if self.points else 0.0

    def at(self, seconds: float) -> float | None:
        """The share at that age; None: it is not so old, or was not followed so long."""
        before = [share for since, share in self.points if since <= seconds]
        return before[-1] if before and self.points[-1][0] >= seconds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedShare:
    """What a rollout allowed: (seconds since first offered, share) of each step that began."""

    steps: tuple[Point, ...] = ()


def adoption_chart(
    subject: AdoptionCurve, earlier: Sequence[AdoptionCurve], allowed: AllowedShare, *, stale: str = ""
) -> Chart:
    """`earlier` latest first; those beyond EARLIER_LIMIT are left out."""
    earlier = [each for each in earlier if each.points][:EARLIER_LIMIT]
    shown = _span(subject, earlier)
    lines = [
        ChartLine(each.bundle, kind, _cut(each.points, shown), end=each.bundle)
        for each, kind in zip(earlier, _KINDS, strict=False)
    ]
    if allowed.steps:
        until = subject.points[-1][0] if subject.points else 0.0
        words = ", ".join(dict.fromkeys(step(share).split(NB)[0] for _, share in allowed.steps))
        lines.insert(0, ChartLine("its share", "cap", _stairs(allowed.steps, until), latest=f"{words}{NB}%"))
    now = ChartLine(
        subject.bundle, "now", subject.points, end=subject.bundle, latest=f"now {percent(subject.latest)}", dot=True
    )
    return Chart(
        key="adoption",
        title=f"Adoption of {subject.bundle}" + (" beside earlier releases" if earlier else ""),
        unit=UNIT,
        said=adoption_said(subject, earlier, allowed),
        x=hours_axis(shown / _HOUR),
        y=share_axis(),
        lines=(now, *lines),
        marks=(Mark(_DAY, f"24{NB}h"),) if shown >= _DAY else (),
        table=_table(subject, earlier),
        readings=tuple(f"{duration(since)} after: {percent(share)}" for since, share in subject.points),
        height="tall",
        stale=stale,
    )


def adoption_said(subject: AdoptionCurve, earlier: Sequence[AdoptionCurve], allowed: AllowedShare) -> str:
    """The chart in one or two sentences."""
    if not subject.points:
        return f"Nobody has been offered {subject.bundle} yet."
    age = duration(subject.points[-1][0])
    held = ""
    if allowed.steps and allowed.steps[-1][1] < 1:
        held = f", held down by its rollout share of {step(allowed.steps[-1][1])}"
    said = f"{subject.bundle} is at {percent(subject.latest)} after {age}{held}."
    then = [(each.bundle, each.at(min(_DAY, subject.points[-1][0]))) for each in earlier]
    known = [f"{bundle} {percent(share)}" for bundle, share in then if share is not None]
    if known:
        when = f"24{NB}h" if subject.points[-1][0] >= _DAY else "that age"
        said += f" Earlier releases after {when}: {listed(known)}."
    return said


def _span(subject: AdoptionCurve, earlier: Sequence[AdoptionCurve]) -> float:
    """As far as the subject, and as its forerunners up to three days; never less than an hour."""
    own = subject.points[-1][0] if subject.points else 0.0
    theirs = max((each.points[-1][0] for each in earlier), default=0.0)
    return max(own * 1.15, min(_SHOWN, theirs), _HOUR)


def _cut(points: Sequence[Point], until: float) -> tuple[Point, ...]:
    return tuple(each for each in points if each[0] <= until)


def _stairs(steps: Sequence[Point], until: float) -> tuple[Point, ...]:
    points: list[Point] = []
    for since, share in steps:
        if points:
            points.append((since, points[-1][1]))
        points.append((since, share))
    return (*points, (max(until, points[-1][0]), points[-1][1]))


def _table(subject: AdoptionCurve, earlier: Sequence[AdoptionCurve]) -> Table:
    columns = ("Release", *(f"At {each}{NB}h" for each in _AGES), f"50{NB}% after", f"90{NB}% after")
    return Table(columns, tuple(_row(each) for each in (subject, *earlier)))


def _row(curve: AdoptionCurve) -> tuple[str, ...]:
    shares = (curve.at(each * _HOUR) for each in _AGES)
    return (
        curve.bundle,
        *(UNKNOWN if share is None else percent(share) for share in shares),
        duration(curve.half),
        duration(curve.most),
    )
