"""What a node tells Prometheus: the workers' counts and the node's own state as families. Pure.

Labels are our own words and worker numbers, never a device's, an app's or an address's: their number has an end.
A counter is per worker, so that a restarted one starts at 0 alone and no sum goes backwards.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

from edge.domain.decision.outcomes import HoldReason, Reason
from edge.wire.exposition import Family, Sample

# Each outcome by its code: with `HoldReason`, also why a device stays with what comes before the newest.
_CODES = ("offer", "up_to_date", "revert_to_builtin", *(why.code for why in (*Reason, *HoldReason)))
_DECISIONS = {code: code for code in _CODES}
_EVENTS = {
    "events": "stored",
    "events_over_limit": "over_limit",
    "events_refused": "refused",
    "events_of_unknown_apps": "unknown_app",
}
_CLOSED = {
    "connections_refused": "address_limit",
    "connections_full": "worker_limit",
    "slow_heads": "slow_head",
    "long_heads": "long_head",
    "malformed_requests": "malformed",
}
_SHED = {
    "checks_shed": "checks",
    "downloads_shed": "downloads",
    "downloads_over_limit": "downloads_over_limit",
}
_GAUGES = {
    "connections": ("edge_connections", "Connections of devices that are open."),
    "in_progress": ("edge_requests_in_progress", "Requests between their head and their last byte."),
    "downloads": ("edge_downloads_in_progress", "Downloads among them that wait for the disk or for their device."),
    "overloaded": ("edge_overloaded", "1 while a worker sheds load."),
    "lost_blobs": ("edge_lost_blobs", "Blobs that a release names and a worker missed on the disk."),
}
_NAMED = {*_DECISIONS, *_EVENTS, *_CLOSED, *_SHED, *_GAUGES}


class Observed(NamedTuple):
    """`workers` as `Supervisor.statuses` tells them; times in seconds since the epoch."""

    version: str
    now: float
    workers: list[dict[str, Any]]
    apps: int
    heads_issued: Mapping[str, float]  # by shard
    heads_refused: Iterable[str]  # shards that are not believed now
    refused: Mapping[str, int]  # stored documents by code
    spool_bytes: int
    folded: int
    duplicates: int
    folded_at: float
    facts_pages: int
    facts_evicted: int
    certificate_ends: float | None


def build_metrics(seen: Observed) -> list[Family]:
    return [
        Family("edge_build_info", "gauge", "The release that runs.", [Sample({"version": seen.version}, 1)]),
        *_workers(seen.workers),
        *_answers(seen.workers),
        *_node(seen),
        *_heads(seen),
    ]


def _workers(workers: list[dict[str, Any]]) -> list[Family]:
    def of(name: str, kind: Literal["counter", "gauge"], meaning: str, key: str) -> Family:
        return Family(name, kind, meaning, [Sample(_worker(n), float(each[key])) for n, each in enumerate(workers)])

    return [
        of("edge_worker_up", "gauge", "1 for a worker that serves and answers.", "ready"),
        of("edge_worker_restarts_total", "counter", "How often a worker was started anew.", "restarts"),
        of("edge_worker_apps", "gauge", "Apps that a worker serves.", "apps"),
    ]


def _answers(workers: list[dict[str, Any]]) -> list[Family]:
    def counter(name: str, meaning: str, label: str, names: Mapping[str, str]) -> Family:
        return Family(f"edge_{name}_total", "counter", meaning, _samples(workers, lambda key: _one(label, names, key)))

    return [
        Family(
            "edge_requests_total",
            "counter",
            "Answers by route and class of status.",
            _samples(workers, lambda key: _split(key, "requests", ("route", "status"))),
        ),
        Family(
            "edge_sent_bytes_total",
            "counter",
            "Bytes of whole answers, heads included.",
            _samples(workers, lambda key: _split(key, "sent_bytes", ("route",))),
        ),
        Family(
            "edge_bundles_withheld_total",
            "counter",
            "Bundles withheld from a device that reported failures of them, by what it reported.",
            _samples(workers, lambda key: _split(key, "withheld", ("cause",))),
        ),
        counter("decisions", "Checks by what was decided, with the protocol's own codes.", "outcome", _DECISIONS),
        counter("events", "Events of devices by what became of them.", "outcome", _EVENTS),
        counter("connections_closed", "Connections closed or refused by a limit, and malformed ones.", "why", _CLOSED),
        counter("shed", "Answered with less than was asked for: overload, or a limit.", "what", _SHED),
        *(
            Family(name, "gauge", meaning, _samples(workers, partial(_nothing_more, key)))
            for key, (name, meaning) in _GAUGES.items()
        ),
        Family(
            "edge_worker_counts_total",
            "counter",
            "Everything else that workers count, by their own names.",
            _samples(workers, lambda key: None if key in _NAMED or "/" in key else {"what": key}),
        ),
    ]


def _node(seen: Observed) -> list[Family]:
    families = [
        _gauge("edge_apps", "Apps of this node.", seen.apps),
        _gauge("edge_spool_bytes", "Events on disk, counted ones included.", seen.spool_bytes),
        Family("edge_events_folded_total", "counter", "Events counted so far.", [Sample({}, seen.folded)]),
        Family(
            "edge_events_duplicate_total",
            "counter",
            "Events that came again within the hour and were not counted a second time.",
            [Sample({}, seen.duplicates)],
        ),
        _gauge("edge_fold_age_seconds", "Since events were last counted.", max(0.0, seen.now - seen.folded_at)),
        _gauge("edge_facts_pages", "Pages of 4 KiB that the table of device facts has.", seen.facts_pages),
        Family(
            "edge_facts_evicted_total",
            "counter",
            "Devices that gave way to others in the table of facts.",
            [Sample({}, seen.facts_evicted)],
        ),
    ]
    if seen.certificate_ends is not None:
        meaning = "When the device port's certificate ends, in seconds since the epoch."
        families.append(_gauge("edge_certificate_ends_timestamp_seconds", meaning, seen.certificate_ends))
    return families


def _heads(seen: Observed) -> list[Family]:
    refused = set(seen.heads_refused)
    ages = [Sample({"shard": name}, max(0.0, seen.now - at)) for name, at in sorted(seen.heads_issued.items())]
    return [
        Family("edge_heads_age_seconds", "gauge", "How old the last good proof of a shard's freshness is.", ages),
        Family(
            "edge_heads_refused",
            "gauge",
            "1 for a shard that is not believed as it is stored now.",
            [Sample({"shard": name}, float(name in refused)) for name in sorted({*seen.heads_issued, *refused})],
        ),
        Family(
            "edge_documents_refused_total",
            "counter",
            "Stored documents that were not believed.",
            [Sample({"code": code}, n) for code, n in sorted(seen.refused.items())],
        ),
    ]


def _gauge(name: str, meaning: str, value: float) -> Family:
    return Family(name, "gauge", meaning, [Sample({}, value)])


def _samples(workers: list[dict[str, Any]], labels_of: Callable[[str], dict[str, str] | None]) -> list[Sample]:
    """Of every worker the counts that have labels."""
    return [
        Sample(_worker(n) | labels, value)
        for n, worker in enumerate(workers)
        for key, value in sorted(worker["counts"].items())
        if (labels := labels_of(key)) is not None
    ]


def _one(label: str, names: Mapping[str, str], key: str) -> dict[str, str] | None:
    return {label: names[key]} if key in names else None


def _nothing_more(name: str, key: str) -> dict[str, str] | None:
    return {} if key == name else None


def _split(key: str, first: str, names: tuple[str, ...]) -> dict[str, str] | None:
    """`requests/updates/2xx` to route and status."""
    head, *parts = key.split("/")
    return dict(zip(names, parts, strict=True)) if head == first else None


def _worker(number: int) -> dict[str, str]:
    return {"worker": str(number)}
