"""Metrics of the nodes that report here, and of this one, by name and region. Pure.

A node that is not heard of keeps the series of its last report; `edge_node_up` and `edge_node_heard_seconds` say so.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from edge.regions.fleet.judging_nodes import UNHEARD_SECONDS
from edge.regions.fleet.node_report import NodeReport, SourceReport
from edge.regions.fleet.node_row import NodeRow
from edge.wire.exposition import Family, Sample


class HomeSeen(NamedTuple):
    """This node's reports to the node above it, since it started; `accepted_seconds` since the last that was taken."""

    accepted: int
    failed: int
    accepted_seconds: float


def build_home_metrics(seen: HomeSeen | None) -> list[Family]:
    """Without samples on a node that has none above it."""
    counts = [] if seen is None else [({"outcome": "accepted"}, seen.accepted), ({"outcome": "failed"}, seen.failed)]
    age = [] if seen is None else [Sample({}, seen.accepted_seconds)]
    told = "Reports of this node to the node above it, by outcome."
    since = "Seconds since the node above took a report of this one."
    return [
        Family("edge_home_reports_total", "counter", told, [Sample(labels, n) for labels, n in counts]),
        Family("edge_home_heard_seconds", "gauge", since, age),
    ]


def build_nodes_metrics(rows: Sequence[NodeRow], now: float) -> list[Family]:
    """In a fixed order; `now` by the clock that dated the rows."""

    def of_row(name: str, meaning: str, value: Callable[[NodeRow], float | None]) -> Family:
        told = ((_labels(row), value(row)) for row in rows)
        return Family(f"edge_node_{name}", "gauge", meaning, [Sample(at, n) for at, n in told if n is not None])

    def of_report(name: str, meaning: str, value: Callable[[NodeReport], float | None]) -> Family:
        return of_row(name, meaning, lambda row: None if row.report is None else value(row.report))

    def of_source(name: str, meaning: str, value: Callable[[SourceReport], float | None]) -> Family:
        return of_report(name, meaning, lambda said: None if said.source is None else value(said.source))

    return [
        _versions(rows),
        of_row("up", "1 for a node that was heard of lately.", lambda row: float(_is_heard(row, now))),
        of_row("heard_seconds", "Seconds since a node reported.", lambda row: _age(row, now)),
        of_row("behind_changes", "Changes that a node lacked when it reported.", lambda row: row.behind),
        of_row("behind_seconds", "For how long there has been the first of these.", lambda row: row.behind_seconds),
        of_row("id_shared", "1 while two nodes report with one id.", lambda row: float(row.of_two)),
        of_report("revision", "The sum of the revisions that a node serves, of all apps.", lambda said: said.changes),
        of_report(
            "stale", "1 for a node that offers nothing new, since its heads are too old.", lambda said: said.stale
        ),
        of_source(
            "verified_seconds", "Age of the oldest of a node's verified heads.", lambda source: source.verified_seconds
        ),
        of_source(
            "source_unreachable_seconds",
            "Since when a node gets no answer from its source; 0: it does.",
            lambda source: source.unreachable_seconds or 0.0,
        ),
        of_source("waiting_blobs", "Blobs that a node is to fetch ahead.", lambda source: source.waiting_blobs),
        of_source("mirrored_bytes", "Bytes of blobs that a node has fetched.", lambda source: source.mirrored_bytes),
        Family(
            "edge_node_refused_total",
            "counter",
            "What a node did not accept of its source since it started.",
            [Sample(_labels(row), sum(row.report.refused.values())) for row in rows if row.report is not None],
        ),
        of_report("damaged", "Damaged things in a node's store.", lambda said: said.damaged),
        of_report("workers_away", "Workers that do not answer.", lambda said: said.workers - said.workers_ready),
        of_report("checks_per_second", "Checks that a node answers.", lambda said: said.checks_per_second),
        of_report("load", "Load of a node's machine, of one minute.", lambda said: said.load),
        of_report("cores", "Cores of a node's machine.", lambda said: said.cores),
        of_report("disk_used_ratio", "Part of a node's disk that is used.", _used),
        of_report("unsent_bytes", "Bytes of reports that wait to be sent home.", lambda said: said.unsent_bytes),
        of_report("certificate_seconds", "Until a node's certificate ends.", lambda said: said.certificate_seconds),
    ]


def _versions(rows: Iterable[NodeRow]) -> Family:
    samples = [
        Sample(_labels(row) | {"version": row.report.version, "role": row.report.role}, 1)
        for row in rows
        if row.report is not None
    ]
    return Family("edge_node_info", "gauge", "The release and the role of a node.", samples)


def _labels(row: NodeRow) -> dict[str, str]:
    return {"node": row.known.name, "region": row.known.region}


def _is_heard(row: NodeRow, now: float) -> bool:
    return row.heard is not None and now - row.heard <= UNHEARD_SECONDS


def _age(row: NodeRow, now: float) -> float | None:
    return None if row.heard is None else max(0.0, now - row.heard)


def _used(said: NodeReport) -> float | None:
    return 1.0 - said.disk_free_bytes / said.disk_total_bytes if said.disk_total_bytes else None
