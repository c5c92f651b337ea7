"""The segments of an app in words and bars. Pure. Names and expressions are strangers' words."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup

from edge.control.shapes.channels import ChannelView
from edge.control.shapes.insight.segment_reach import SegmentCounted, SegmentsReach, SegmentUseView
from edge.control.shapes.targeting import SegmentTested, SegmentView
from edge.domain.targeting.language import language_rows
from edge.page.charts.intervals import stacked_bar
from edge.page.words.numbers import UNKNOWN, cleaned, count, named, things
from edge.page.words.rates import FEW, percent
from edge.page.words.times import with_age

EXPRESSION_SHOWN = 160  # characters in the list; the field below has it whole
BOTH_SHOWN = 10  # segments in the table of who is in several


def lede_of(segments: Sequence[SegmentView], reach: SegmentsReach | None) -> tuple[str, str, str]:
    """Before, in bold, and after."""
    if not segments:
        return "No segments yet. ", "", "An expression selects devices; rollouts, experiments and channels can use it."
    leading = sum(each.channel is not None for each in segments)
    many = f"{count(len(segments))} {'segment' if len(segments) == 1 else 'segments'}. "
    lead = f"{count(leading)} lead to a channel, the lowest priority first."
    lead = {0: "none leads to a channel.", 1: "1 leads to a channel."}.get(leading, lead)
    if reach is None or not reach.devices:
        return many, "", lead[:1].upper() + lead[1:]
    return many, f"{count(reach.in_any)} of {count(reach.devices)}", f" known devices are in at least one; {lead}"


def table_of(
    app: str,
    segments: Sequence[SegmentView],
    reach: SegmentsReach | None,
    channels: Sequence[ChannelView],
    *,
    may: bool,
) -> dict[str, Any]:
    """For the `table` macro; without `reach` the counts are not known."""
    uses = {each.name: each for each in reach.segments} if reach is not None else {}
    columns = [
        *({"name": name} for name in ("Segment", "Leads to")),
        {"name": "Devices", "num": True},
        {"name": "What they run", "cls": "bar"},
        {"name": "Withheld from", "num": True},
        {"name": "Sessions a week", "num": True},
        {"name": "Errors per 1,000 sessions", "num": True},
        *([{"name": "Act"}] if may else []),
    ]
    rows = [
        {"cells": [*_cells(app, each, uses.get(each.name), reach, channels), *([_delete(app, each)] if may else [])]}
        for each in segments
    ]
    none = {"text": "No segments yet.", "command": f"edge segment set {app} beta --where EXPRESSION"}
    return {"columns": columns, "rows": rows, "none": none}


def _cells(
    app: str,
    segment: SegmentView,
    use: SegmentUseView | None,
    reach: SegmentsReach | None,
    channels: Sequence[ChannelView],
) -> list[Any]:
    name = Markup('<b>{}</b><span class="of"><code>{}</code></span>').format(named(segment.name), _cut(segment.where))
    if use is None or reach is None:
        return [name, _leads(app, segment), *[UNKNOWN] * 5]
    return [
        name,
        _leads(app, segment),
        {"text": count(use.devices), "bold": True, "of": _share(use.devices, reach.devices)},
        _runs(use, offered_to(segment, channels)),
        {"text": count(use.withheld), "of": f"of {count(use.devices)}"} if use.devices else UNKNOWN,
        *_usage(use),
    ]


def _leads(app: str, segment: SegmentView) -> Any:
    if segment.channel is None:
        return {"text": "none", "tone": "muted", "of": "for rollouts and experiments"}
    href = f"/apps/{quote(app, safe='')}/channels/{quote(segment.channel, safe='')}"
    return {"text": named(segment.channel), "href": href, "of": f"priority {count(segment.priority)}"}


def offered_to(segment: SegmentView, channels: Sequence[ChannelView]) -> str | None:
    """What a device in it is offered first: by the channel that it leads to, or else by a public one."""
    wanted = [each for each in channels if each.name == segment.channel] or [each for each in channels if each.public]
    found = wanted[0] if wanted else None
    if found is None:
        return None
    rollout = found.rollout
    return rollout.bundle if rollout is not None and rollout.phase.is_active else found.served


def _runs(use: SegmentUseView, offered: str | None) -> Any:
    """What is offered first, then the largest other, then the rest; the words say the same as the bar."""
    if not use.devices:
        return {"text": UNKNOWN}
    running = {each.bundle: each.devices for each in use.running}
    newest = running.pop(offered or "", 0)
    other, n = max(running.items(), key=lambda each: each[1], default=("", 0))
    rest = use.devices - newest - n
    parts = [(newest / use.devices, "now"), (n / use.devices, "old"), (rest / use.devices, "old3")]
    told = [
        *([f"{named(offered or '')} {percent(newest / use.devices)}"] if newest else []),
        *([f"{named(other)} {percent(n / use.devices)}"] if n else []),
        *([f"older {percent(rest / use.devices)}"] if rest > 0 else []),
    ]
    words = ", ".join(told)
    return Markup('{}<span class="of">{}</span>').format(stacked_bar(parts, words), words)


def _usage(use: SegmentUseView) -> list[Any]:
    """Sessions a device, errors per 1,000 sessions: of devices of which they are known."""
    if not use.judged:
        return [{"text": "not known", "tone": "muted"}, {"text": "not known", "tone": "muted"}]
    sessions = {"text": f"{use.sessions / use.judged:.1f}", "of": f"of {things(use.judged, 'device')}"}
    if use.sessions < FEW:
        return [sessions, {"text": "too few", "tone": "muted", "of": f"{count(use.errors)} in {count(use.sessions)}"}]
    errors = count(round(use.errors * 1000 / use.sessions))
    return [sessions, {"text": errors, "of": f"{count(use.errors)} in {count(use.sessions)}"}]


def _share(n: int, whole: int) -> str:
    return percent(n / whole) if n and whole else ""


def _delete(app: str, segment: SegmentView) -> Markup:
    href = f"/apps/{quote(app, safe='')}/acts/delete-segment?{urlencode({'segment': segment.name})}"
    label = f"Delete {named(segment.name)}"
    return Markup('<a class="btn" href="{}" data-act="{}" aria-label="{}">Delete…</a>').format(
        href, f"delete-{named(segment.name)}", label
    )


def both_of(reach: SegmentsReach | None) -> dict[str, Any] | None:
    """Who is in several, for the `table` macro; None where there is nothing to see."""
    if reach is None or not 1 < len(reach.segments) <= BOTH_SHOWN or not reach.devices:
        return None
    names = [each.name for each in reach.segments]
    rows = [{"cells": [named(each.name), *(_both(each, name) for name in names)]} for each in reach.segments]
    columns = [{"name": "Also in"}, *({"name": named(name), "num": True} for name in names)]
    caption = "Known devices that are in both; on the diagonal those of the segment itself"
    return {"columns": columns, "rows": rows, "caption": caption}


def _both(each: SegmentUseView, other: str) -> Any:
    n = count(each.both.get(other, 0))
    return {"text": n, "bold": True} if each.name == other else n


def unjudged_words(reach: SegmentsReach | None) -> str:
    """Of how many it is not known how they are used; "" if of none, and before any was judged."""
    if reach is None or not reach.unjudged or not reach.devices:
        return ""
    return f"of {count(reach.unjudged)} of {count(reach.devices)} known devices"


def counted_words(counted: SegmentCounted, now: float) -> tuple[str, list[str]]:
    """How many match, and what to know of that."""
    share = f", {percent(counted.matching / counted.devices)}" if counted.matching and counted.devices >= FEW else ""
    lead = f"{count(counted.matching)} of {count(counted.devices)} known devices match{share}."
    beside = [
        f"{named(name)} is unknown of {count(n)} of them. What is unknown matches nothing."
        for name, n in counted.unknown.items()
    ]
    if counted.cut and counted.since is not None:
        beside.append(f"Only reports since {with_age(counted.since, now)} were read: there may be more devices.")
    return lead, [*beside, *map(cleaned, counted.warnings)]


def words_of_test(tested: SegmentTested, device: str) -> str:
    unknown = f" Unknown of it: {', '.join(map(named, tested.unknown))}." if tested.unknown else ""
    judged = f" Judged {cleaned(tested.judged)}." if tested.judged else ""
    return f"Device {named(device)} {'matches' if tested.matches else 'does not match'}.{judged}{unknown}"


def language() -> list[Mapping[str, str]]:
    """The words that an expression can use."""
    members = ("name", "kind", "meaning", "example")
    return [dict(zip(members, row, strict=True)) for row in language_rows()]


def _cut(text: str) -> str:
    clean = cleaned(text)
    return clean if len(clean) <= EXPRESSION_SHOWN else clean[: EXPRESSION_SHOWN - 1] + "…"
