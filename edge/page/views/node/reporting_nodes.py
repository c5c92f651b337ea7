"""All nodes as one table, what needs a look first, and the sentence above it. Pure.

What a node said of itself is untrusted text. A node that is not heard of is shown as it was then, and says when.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from edge.control.shapes.node import NodeView
from edge.page.charts.intervals import funnel_bar
from edge.page.words.numbers import UNKNOWN, cleaned, count, duration, named, size, things
from edge.page.words.times import age, moment

NODES_SHOWN = 100
NEARLY_FULL = 0.9
REFUSED_SHOWN = 2
_COLUMNS = (
    {"name": "Node"},
    {"name": "State"},
    {"name": "Revision", "num": True},
    {"name": "Heads verified", "num": True},
    {"name": "Source", "cls": "wraps"},
    {"name": "Runs"},
    {"name": "Checks a second", "num": True},
    {"name": "Disk", "cls": "spark"},
    {"name": "Refused", "cls": "wraps"},
)
_STATES: Mapping[str, tuple[str, str]] = {
    "well": ("good", "Well"),
    "look": ("warn", "Needs a look"),
    "unheard": ("bad", "Not heard of"),
}


def nodes_table(nodes: Sequence[NodeView], now: float) -> dict[str, Any]:
    """The first NODES_SHOWN of them, those that need a look first. Each cell changes in place."""
    ordered = sorted(nodes, key=lambda each: (each.condition == "well", not each.own, each.name))
    rows = [{"cells": _cells(each, now), "live": f"node-{each.node}"[:56]} for each in ordered[:NODES_SHOWN]]
    return {"columns": list(_COLUMNS), "rows": rows}


def nodes_lede(nodes: Sequence[NodeView]) -> tuple[str, str]:
    """In bold, and what follows."""
    troubled = [each for each in nodes if each.condition != "well"]
    if not troubled:
        regions = len({each.region for each in nodes if each.region})
        return f"All {things(len(nodes), 'node')} are well.", f"{things(regions, 'region')}." if regions else ""
    first = max(troubled, key=lambda each: each.condition == "unheard")
    lead = f"{named(first.name)}: {cleaned(first.sentence)[:200]}."
    more, well = len(troubled) - 1, len(nodes) - len(troubled)
    rest = [f"{count(more)} more to look at."] if more else []
    if well:
        rest.append("The other one is well." if well == 1 else f"The other {count(well)} are well.")
    return lead, " ".join(rest)


def nodes_summary(nodes: Sequence[NodeView]) -> str:
    """`5 nodes · 20 workers · edge 2.0.0 on all`."""
    told = [each.report for each in nodes if each.report is not None]
    versions = sorted({cleaned(each.version)[:32] for each in told})
    workers = sum(each.workers for each in told)
    running = f"edge {versions[0]} on all" if len(versions) == 1 else f"{count(len(versions))} releases"
    return " · ".join((things(len(nodes), "node"), things(workers, "worker"), running))


def _cells(each: NodeView, now: float) -> list[Any]:
    said = each.report
    name = {"text": named(each.name), "bold": True, "of": _where(each)}
    kind, words = _STATES[each.condition]
    state = {"state": [kind, words], "of": cleaned(each.sentence)[:300] or _heard(each, now)}
    if said is None:
        return [name, state, *[UNKNOWN] * 7]
    tone = "warn" if each.behind else ""
    return [
        name,
        state,
        {"text": f"r{said.changes}", "tone": tone, "of": _behind(each)},
        _verified(each),
        _source(each),
        {"text": cleaned(said.version)[:32], "of": f"Python {cleaned(said.python).partition(',')[0][:32]}"},
        {"text": count(round(said.checks_per_second)), "of": f"load {said.load:.1f} of {things(said.cores, 'core')}"},
        _disk(said.disk_free_bytes, said.disk_total_bytes),
        _refused(said.refused),
    ]


def _where(each: NodeView) -> str:
    told = [named(each.region) if each.region else "", "this node" if each.own else ""]
    return " · ".join(part for part in told if part) or "no region"


def _heard(each: NodeView, now: float) -> str:
    if each.own or each.heard is None:
        return ""
    return f"heard of at {moment(each.heard, now)}, {age(each.heard, now)}"


def _behind(each: NodeView) -> str:
    if not each.behind:
        return "has everything" if each.condition == "well" else ""
    return f"behind by {things(each.behind, 'change')}, {duration(each.behind_seconds)}"


def _verified(each: NodeView) -> Any:
    source = each.report.source if each.report is not None else None
    if source is None:
        return {"text": "holds the truth", "tone": "muted"}
    if source.verified_seconds is None:
        return {"text": "never", "tone": "warn"}
    stale = each.report is not None and each.report.stale
    of = "stale: offers nothing new" if stale else "since signed"
    return {"text": duration(source.verified_seconds), "tone": "bad" if stale else "", "of": of}


def _source(each: NodeView) -> Any:
    source = each.report.source if each.report is not None else None
    if source is None:
        return {"text": "none", "tone": "muted"}
    lost, name = source.unreachable_seconds, named(source.name.removeprefix("https://"))
    if lost is None:
        return {"text": broken_up(name), "of": f"{size(source.mirrored_bytes)} fetched"}
    why = f": {cleaned(source.why)[:120]}" if source.why else ""
    return {"text": broken_up(name), "tone": "warn", "of": f"no answer for {duration(lost)}{why}"}


def _disk(free: int, total: int) -> Any:
    if not total:
        return UNKNOWN
    used = 1 - free / total
    words = f"{used:.0%}".replace("%", "\u202f%")
    return {
        "chart": funnel_bar(used, "bad" if used > NEARLY_FULL else "now"),
        "text": "",
        "of": f"{words} of {size(total)}",
    }


def _refused(refused: Mapping[str, int]) -> Any:
    if not refused:
        return {"text": "nothing", "tone": "muted"}
    worst = sorted(refused.items(), key=lambda each: -each[1])
    told = ", ".join(f"{code} {count(n)}" for code, n in worst[:REFUSED_SHOWN])
    more = f"and {count(len(worst) - REFUSED_SHOWN)} more codes" if len(worst) > REFUSED_SHOWN else ""
    return {"text": broken_up(told), "tone": "warn", "of": more}


def broken_up(name: str) -> Markup:
    """A host or a code that a narrow column breaks between its parts, not within one."""
    return Markup(re.sub(r"([._:])", r"\1<wbr>", str(escape(name))))  # noqa: S704
