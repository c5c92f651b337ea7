"""How the release spreads, and how far it came with the devices that were offered it: chart, bars and the sentence."""

from typing import Any

from markupsafe import Markup

from edge.domain.shares import parse_share
from edge.domain.statistics.curves import Adoption
from edge.domain.statistics.definitions import Figure
from edge.domain.statistics.figures import ReleaseFigures
from edge.page.charts.adoption import AdoptionCurve, AllowedShare, adoption_chart
from edge.page.charts.chart import draw, draw_nothing
from edge.page.charts.intervals import funnel_bar
from edge.page.charts.lines import Point
from edge.page.views.channel.sight import STALE_SECONDS, ChannelSight
from edge.page.words.numbers import count, named, things
from edge.page.words.rates import FEW, percent, rate
from edge.page.words.times import with_age

_LINE = 3  # points
UNIT = "of devices heard of since the release was first offered"


def adoption_figure(sight: ChannelSight) -> Markup:
    """The chart, or what has to happen before there is one."""
    report, subject = sight.report, named(sight.subject or "")
    if report is None or not report.adoption.curve:
        return draw_nothing(f"Adoption of {subject}", UNIT, nobody_yet(sight))
    earlier = [curve_of(each.bundle, each.adoption) for each in sight.earlier]
    allowed = AllowedShare(steps=allowed_steps(sight, report.adoption.first_offer))
    return draw(adoption_chart(curve_of(report.bundle, report.adoption), earlier, allowed, stale=stale_words(sight)))


def young_words(sight: ChannelSight) -> str:
    """When the line can be drawn, of a release that is minutes old."""
    report = sight.report
    if report is None or not report.adoption.curve or len(report.adoption.curve) >= _LINE:
        return ""
    return "It is counted by the minute: the line begins two minutes after the first offer."


def nobody_yet(sight: ChannelSight) -> str:
    """Why nobody was offered it, and what happens next."""
    if sight.subject is None:
        return "The channel offers nothing, so there is nothing to spread."
    if sight.channel.windows:
        return "Nobody has been offered it yet. The first offers come when a window is open: " + ", ".join(
            named(each) for each in sight.channel.windows[:3]
        )
    if sight.rollout is not None and sight.rollout.paused is not None:
        return "Nobody was offered it before it was paused."
    return "Nobody has been offered it yet. The first offers come with the next checks of devices on the channel."


def curve_of(bundle: str, adoption: Adoption) -> AdoptionCurve:
    first = adoption.first_offer or 0
    reached = {mark.share: mark.time.value for mark in adoption.marks}
    return AdoptionCurve(
        bundle=named(bundle),
        points=tuple((float(each.at - first), each.share) for each in adoption.curve),
        half=reached.get(0.5),
        most=reached.get(0.9),
    )


def allowed_steps(sight: ChannelSight, first_offer: int | None) -> tuple[Point, ...]:
    """The share that each step allowed, from when it began; steps whose beginning is not known are left out."""
    rollout = sight.rollout
    if rollout is None or first_offer is None:
        return ()
    begins = step_begins(rollout.started, rollout.began, rollout.step, rollout.every_seconds)
    pairs = zip(begins, rollout.steps[: rollout.step], strict=True)
    return tuple((max(0.0, at - first_offer), parse_share(share) / 100_000) for at, share in pairs if at is not None)


def step_begins(started: float, began: float, step: int, every_seconds: int) -> list[float | None]:
    """When the steps so far began: the first and the current one are known, those between only if all of them took as
    long as planned."""
    if step <= 1:
        return [began if step == 1 and began else started]
    planned = abs((began - started) - (step - 1) * every_seconds) < max(60.0, 0.02 * every_seconds)
    between = [started + each * every_seconds if planned and every_seconds else None for each in range(1, step - 1)]
    return [started, *between, began]


def stale_words(sight: ChannelSight) -> str:
    """As of when, if counting stands still; else ""."""
    at = sight.counted_at
    return with_age(at, sight.now) if at is not None and sight.now - at > STALE_SECONDS else ""


def funnel_rows(release: ReleaseFigures, active: int | None) -> list[dict[str, Any]]:
    """Each row names its denominator; `active` are the devices heard of since it was first offered."""
    offered, downloaded, installed = _n(release.offered), _n(release.downloaded), _n(release.installed)
    of_active = active if active is not None and active >= offered else 0
    rows = [
        _row("Offered", offered, of_active, "active" if of_active else "", 1.0 if offered else 0.0),
        _row("Downloaded", downloaded, offered, "", _part(downloaded, offered)),
        _row("Tried to start", installed, downloaded, "", _part(installed, offered)),
    ]
    subs = (
        ("Healthy", release.healthy, "good"),
        ("Not yet known", release.unsettled, "old3"),
        ("Failed", release.failed, "fail"),
    )
    for label, figure, kind in subs:
        rows.append(_row(label, _n(figure), installed, "", _part(_n(figure), offered), kind, sub=True))
    rows.append(
        _row("No word since", _n(release.silent), offered, "offered", _part(_n(release.silent), offered), "old3")
    )
    return rows


def success_words(release: ReleaseFigures) -> tuple[str, str]:
    """`Success 99.77 %` and its denominator."""
    healthy, failed = _n(release.healthy), _n(release.failed)
    if not healthy + failed:
        return "Success not known", "no device has proven or failed to start it yet"
    open_ones = _n(release.unsettled)
    if not healthy and open_ones:
        return "Success not known yet", f"{count(failed)} failed, of {things(open_ones, 'device')} it is not known yet"
    shown = rate(healthy, healthy + failed, whole=not open_ones)
    if shown.value == "0":
        return "None is healthy", f"of {count(healthy + failed)} whose outcome is known"
    return f"Success {shown.value}", f"{count(healthy)} of {count(healthy + failed)} whose outcome is known"


def unoffered_words(release: ReleaseFigures) -> str:
    """Devices that run it and were offered it by another node, or by hand."""
    beyond = _n(release.unoffered)
    return f"{count(beyond)} more run it that this node did not offer it." if beyond else ""


def _row(
    label: str, n: int, of: int, kind: str, share: float, bar: str = "now", *, sub: bool = False
) -> dict[str, Any]:
    beside = f"of {count(of)}" + (f" {kind}" if kind else "") if of else "devices"
    if of >= FEW and 0 < n < of:
        beside += f" ({percent(n / of)})"
    return {"label": label, "value": count(n), "of": beside, "bar": funnel_bar(share, bar), "sub": sub}


def _part(n: int, of: int) -> float:
    return n / of if of else 0.0


def _n(figure: Figure) -> int:
    return int(figure.value or 0)


def heard(adoption: Adoption) -> int | None:
    """How many devices of the channel were heard of since the first offer."""
    return adoption.now.of
