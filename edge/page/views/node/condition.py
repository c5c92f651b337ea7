"""The condition of a node in words: what needs a look first, then its figures. Pure.

It speaks of the node that answers and of no other: what others do is not known here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from edge.control.shapes.common import DamageView
from edge.control.shapes.node import NodeStatus, WorkerView
from edge.control.shapes.webhooks import WebhookView
from edge.page.charts.intervals import funnel_bar
from edge.page.words.numbers import UNKNOWN, cleaned, count, duration, named, size, things
from edge.page.words.times import age, moment, with_age

SOON_SECONDS = 14 * 86_400.0  # before a certificate ends: time for a person to renew it by hand
LATE_SECONDS = 60.0  # without a fold: counting happens every 10 s
NEARLY_FULL = 0.9
HEADS_SHOWN = 100


class NodeNotice(NamedTuple):
    kind: str
    lead: str
    rest: str


def notices_of(node: NodeStatus, now: float) -> list[NodeNotice]:
    """What needs a look, worst first."""
    found = [*_workers(node.workers), *_disk(node), *_counting(node, now), *_certificate(node, now), *_store(node)]
    return sorted(found, key=lambda each: each.kind != "bad")


def _workers(workers: Sequence[WorkerView]) -> list[NodeNotice]:
    away = sum(not each.ready for each in workers)
    if not away:
        return []
    lead = f"{count(away)} of {count(len(workers))} workers do not answer."
    rest = "The others serve their devices; it is started again by itself. The node's log says why."
    return [NodeNotice("bad", lead, rest)]


def _disk(node: NodeStatus) -> list[NodeNotice]:
    if not node.disk.short:
        return []
    rest = "Checks, downloads and stops go on; uploads, other changes and reports are refused. Free some space there."
    return [NodeNotice("bad", f"The disk is full or read-only, {size(node.disk.free_bytes)} are free.", rest)]


def _counting(node: NodeStatus, now: float) -> list[NodeNotice]:
    counting = node.counting
    late = now - counting.folded_at
    if counting.up and late <= LATE_SECONDS:
        return []
    rest = "Reports wait on disk, none is lost. Figures are as of then, and the guard sees nothing newer."
    return [NodeNotice("warn", f"Counting stands still since {with_age(counting.folded_at, now)}.", rest)]


def _certificate(node: NodeStatus, now: float) -> list[NodeNotice]:
    ends = node.certificate_ends
    if ends is None or ends - now > SOON_SECONDS:
        return []
    if ends <= now:
        rest = "Devices that verify it get no answer. Put a new one in its place and send SIGHUP."
        return [NodeNotice("bad", f"The devices' certificate ended {age(ends, now)}.", rest)]
    rest = "Put a new one in its place and send SIGHUP, or `edge restart`."
    return [NodeNotice("warn", f"The devices' certificate ends {age(ends, now)}.", rest)]


def _store(node: NodeStatus) -> list[NodeNotice]:
    told = {name: value for name, value in node.refused.items() if isinstance(value, str)}
    problems = [f"{named(name)}: {cleaned(value)[:200]}" for name, value in told.items()]
    if not problems:
        return []
    rest = f"{'; '.join(problems[:3])}. The last good state is served."
    return [NodeNotice("bad", "Signed documents of the store are not accepted.", rest)]


def lede_of(node: NodeStatus, notices: Sequence[NodeNotice]) -> tuple[str, str]:
    """In bold, and what follows."""
    ready = sum(each.ready for each in node.workers)
    if notices:
        return notices[0].lead, "" if len(notices) == 1 else f"And {count(len(notices) - 1)} more to look at."
    serve = f"{count(ready)} {'worker serves' if ready == 1 else 'workers serve'}"
    return "This node is well.", f"{serve} {count(node.apps)} {'app' if node.apps == 1 else 'apps'}."


def worker_table(workers: Sequence[WorkerView]) -> dict[str, Any]:
    columns = [
        {"name": "Worker"},
        {"name": "State"},
        *({"name": name, "num": True} for name in ("Apps", "Restarts", "Offers", "Nothing new", "Damaged")),
    ]
    return {"columns": columns, "rows": [{"cells": _worker(n, each)} for n, each in enumerate(workers, 1)]}


def _worker(number: int, worker: WorkerView) -> list[Any]:
    counts = worker.counts
    damaged = sum(n for name, n in counts.items() if name.startswith("damaged/") and isinstance(n, int))
    return [
        {"text": f"Worker {number}", "bold": True, "of": f"process {worker.pid}" if worker.pid is not None else ""},
        {"state": ["good", "Serves"] if worker.ready else ["bad", "Does not answer"]},
        count(worker.apps),
        count(worker.restarts),
        _counted(counts, "offer"),
        _counted(counts, "up_to_date"),
        {"text": count(damaged), "tone": "bad"} if damaged else "0",
    ]


def _counted(counts: Mapping[str, Any], name: str) -> str:
    value = counts.get(name)
    return count(value) if isinstance(value, int) else UNKNOWN


def disk_of(node: NodeStatus) -> dict[str, Any]:
    disk = node.disk
    used = 1 - disk.free_bytes / disk.total_bytes if disk.total_bytes else 0.0
    words = f"{used:.0%}".replace("%", "\u202f%") + f" of {size(disk.total_bytes)}" if disk.total_bytes else "not known"
    return {"bar": funnel_bar(used, "bad" if used > NEARLY_FULL else "now"), "words": words}


def figures_of(node: NodeStatus, now: float) -> list[dict[str, str]]:
    counting, disk, ends = node.counting, node.disk, node.certificate_ends
    restarts = things(counting.restarts, "restart") if counting.restarts else "no restart"
    return [
        {"label": "Counted up to", "value": moment(counting.folded_at, now), "of": age(counting.folded_at, now)},
        {"label": "Events counted", "value": count(counting.events), "of": f"{restarts} since the start"},
        {"label": "Events on disk", "value": size(disk.spool_bytes), "of": f"of {size(disk.spool_limit_bytes)}"},
        {"label": "Free on disk", "value": size(disk.free_bytes), "of": f"of {size(disk.total_bytes)}"},
        {
            "label": "Certificate ends",
            "value": "no TLS" if ends is None else duration(ends - now) if ends > now else "ended",
            "of": "" if ends is None else moment(ends, now, to_minute=True),
        },
        {"label": "Clock", "value": moment(node.at, node.at), "of": "of this node, UTC"},
    ]


def heads_table(node: NodeStatus) -> dict[str, Any]:
    columns = [{"name": "App"}, {"name": "Revision", "num": True}, {"name": "Digest"}]
    rows = [
        {"cells": [named(app), f"r{head.revision}", {"text": head.digest[:16] + "…", "tone": "id"}]}
        for app, head in sorted(node.heads.items())[:HEADS_SHOWN]
    ]
    return {"columns": columns, "rows": rows, "none": {"text": "No app yet.", "command": "edge app create APP"}}


def damage_table(damaged: Sequence[DamageView]) -> dict[str, Any]:
    columns = [{"name": name} for name in ("App", "What", "What its devices get", "What to do")]
    rows = [
        {
            "hit": True,
            "cells": [
                named(each.app),
                {"text": f"{named(each.grain)} {named(each.name)}", "of": cleaned(each.cause)[:300]},
                cleaned(each.effect)[:300],
                cleaned(each.repair)[:300],
            ],
        }
        for each in damaged
    ]
    return {"columns": columns, "rows": rows}


def webhook_table(webhooks: Sequence[WebhookView]) -> dict[str, Any]:
    columns = [{"name": name} for name in ("Webhook", "Goes to", "About", "Added")]
    none = {"text": "No webhooks yet.", "command": "edge webhook add NAME https://…"}
    return {"columns": columns, "rows": [{"cells": _webhook(each)} for each in webhooks], "none": none}


def _webhook(each: WebhookView) -> list[Any]:
    about = [*(named(app) for app in each.apps[:3]), *(str(kind.value) for kind in each.kinds[:3])]
    return [
        {"text": named(each.name), "bold": True, "of": each.form.value},
        named(each.address),
        ", ".join(about) or "everything",
        f"by {named(each.by)}",
    ]
