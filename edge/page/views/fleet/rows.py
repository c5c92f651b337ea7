"""A channel as one row: what is out now, since when, how far it came, how well, and what the guard says."""

from typing import Any
from urllib.parse import quote

from edge.control.shapes.channels import ChannelView
from edge.domain.guarding.evidence import Verdict
from edge.domain.model import BUILTIN, Phase
from edge.domain.statistics.curves import NO_OFFER
from edge.domain.statistics.definitions import Figure
from edge.page.acts.moves import guard_href
from edge.page.charts.intervals import sparkline
from edge.page.views.channel.sight import GuardSight
from edge.page.views.fleet.sights import RowSight
from edge.page.views.urgency import Urgency, urgency_of
from edge.page.views.visit import Unread
from edge.page.words.numbers import count, duration, named, things
from edge.page.words.rates import percent, rate, share_text, step
from edge.page.words.times import moment
from edge.telemetry.questions.app_answers import StatsAnswer
from edge.telemetry.votes.standing import GuardStanding

_NOBODY = {"text": "nobody yet", "tone": "muted"}  # why is said once, below the table
COLUMNS = (
    {"name": "Channel"},
    {"name": "Out now"},
    {"name": "Since"},
    {"name": "Adoption", "cls": "spark"},
    {"name": "Success"},
    {"name": "Not yet known", "num": True},
    {"name": "Guard"},
)


def channel_href(app: str, channel: str) -> str:
    return f"/apps/{quote(app, safe='')}/channels/{quote(channel, safe='')}"


def full_row(row: RowSight, now: float) -> dict[str, Any]:
    """The cells of one channel, in the order of COLUMNS."""
    first = {
        "text": named(row.channel.name),
        "href": channel_href(row.app, row.channel.name),
        "of": kind_of(row.channel),
    }
    if row.subject is None:
        nothing = {"text": "Nothing yet", "tone": "muted", "of": "Devices keep what they run."}
        guard = {"state": ("idle", "Off"), "of": "nothing to guard"}
        return {"cells": [first, nothing, "", "", "", "", guard]}
    return {"cells": [first, out_now(row), _since(row, now), *_figures(row), guard_cell(row, now)]}


def plain_row(app: str, channel: ChannelView, now: float) -> dict[str, Any]:
    """The same without figures: nobody has asked for them."""
    row = full_row(RowSight(app=app, channel=channel, rollout=None, figures=None, guard=None), now)
    return {"cells": [*row["cells"][:-1], ""]}


def out_now(row: RowSight) -> dict[str, Any]:
    channel, rollout = row.channel, row.rollout
    if channel.experiment is not None:
        arms = len(channel.experiment.arms)
        return {"text": things(arms, "arm"), "bold": True, "of": f"experiment {named(channel.experiment.name)}"}
    bold = {"text": bundle_words(row.subject), "bold": True}
    if rollout is None:
        return {**bold, "of": f"in place of {named(channel.bundle or '')}" if channel.withdrawn else "to everybody"}
    rest = f"else {bundle_words(channel.served)}"
    if rollout.phase is Phase.PAUSED:
        return {**bold, "of": f"held at {share_text(rollout.share)}, {rest}"}
    return {**bold, "of": f"to {share_text(rollout.share)}, step {rollout.step} of {len(rollout.steps)}, {rest}"}


def bundle_words(bundle: str | None) -> str:
    if bundle is None:
        return "nothing new"
    return "the built-in code" if bundle == BUILTIN else named(bundle)


def kind_of(channel: ChannelView) -> str:
    """Who is on it."""
    if channel.public:
        return "public"
    return "self-set" if channel.self_set else "private"


def guard_cell(row: RowSight, now: float) -> dict[str, Any]:
    """What the guard says of the release, in two lines."""
    rollout, guard = row.rollout, row.guard
    standing = guard.standing if isinstance(guard, GuardSight) and isinstance(guard.standing, GuardStanding) else None
    evidence = standing.evidence if standing is not None else None
    counted = f"{count(evidence.failed)} of {count(evidence.attempts)}" if evidence is not None else ""
    if rollout is not None and rollout.phase is Phase.PAUSED:
        since = f"{duration(now - rollout.paused)} ago" if rollout.paused else ""
        return _guard("bad", f"Paused {named(rollout.bundle)}", since, counted)
    if isinstance(guard, Unread):
        return _guard("warn", "Not known", guard.code)
    if guard is None or not guard.watches:
        return _off(row)
    limit = f"limit {step(guard.limit)}"
    if evidence is None or standing is None or standing.ended_ms:
        return _off(row) if rollout is None else _guard("run", "Watching", "none yet", limit)
    verdict = {
        Verdict.FAILS: ("bad", "Fails"),
        Verdict.SILENT: ("bad", "Silent"),
        Verdict.PASSES: ("good", "Within the limit"),
        Verdict.WATCHING: ("run", f"Watching {named(standing.bundle)}"),
    }[evidence.verdict]
    return _guard(*verdict, counted, limit)


def is_trouble(channel: ChannelView) -> bool:
    return urgency_of(channel) is Urgency.TROUBLE


def _guard(kind: str, words: str, *beside: str) -> dict[str, Any]:
    return {"state": (kind, words), "of": " · ".join(each for each in beside if each)}


def _off(row: RowSight) -> dict[str, Any]:
    """With the way to turn it on, for those who may."""
    why = "plain publish" if row.channel.experiment is None else "experiment"
    why = why if row.rollout is None else "not watched"
    off = _guard("idle", "Off", why)
    return off if not row.may_guard else {**off, "more": guard_href(row.app, row.channel.name), "more_words": "change"}


def _since(row: RowSight, now: float) -> dict[str, Any] | str:
    if not row.began:
        return ""
    return {"text": moment(row.began, now, to_minute=True), "of": duration(max(0.0, now - row.began))}


def _figures(row: RowSight) -> list[Any]:
    """Adoption, success, not yet known."""
    if isinstance(row.figures, Unread):
        return [{"text": "not read", "tone": "muted", "of": row.figures.code}, "", ""]
    report = row.figures.report if isinstance(row.figures, StatsAnswer) else None
    if report is None:
        return ["", "", ""]
    key = f"{row.app}.{row.channel.name}"
    release, now = report.release, report.adoption.now
    healthy, failed = _number(release.healthy), _number(release.failed)
    unsettled, known = _number(release.unsettled), healthy + failed
    shown = rate(healthy, known, whole=not unsettled)
    success: dict[str, Any] = {"text": shown.value, "of": shown.of, "bold": True, "tone": ""}
    if shown.value == "too few" or not known:
        success = {
            "text": shown.value if known else "–",
            "tone": "muted",
            "of": shown.of if known else "no outcome yet",
        }
    elif is_trouble(row.channel):
        success["tone"] = "bad"
    waiting = {
        "text": count(unsettled),
        "bold": True,
        "of": percent(unsettled / (known + unsettled)) if unsettled else "",
    }
    return [_adoption(row, report.adoption.curve, now), success, {**waiting, "live": _live(key)}]


def _adoption(row: RowSight, curve: Any, now: Figure) -> dict[str, Any] | str:
    if now.value is None:
        return _NOBODY if now.unknown == NO_OFFER else {"text": "not known", "tone": "muted", "of": now.unknown}
    label = f"Adoption of {bundle_words(row.subject)} since it was first offered, now {percent(float(now.value))}"
    points = [each.share for each in curve]
    points = points * 2 if len(points) == 1 else points  # a point alone is no line
    return {"chart": sparkline(points, label), "of": f"{percent(float(now.value))} of {count(now.of)} active"}


def _number(figure: Figure) -> int:
    return int(figure.value or 0)


def _live(key: str) -> str:
    """As a name of a live value: letters, digits, dots and dashes."""
    return "".join(each if each.isascii() and (each.isalnum() or each in ".-") else "-" for each in key)[:64]
