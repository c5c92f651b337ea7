"""Whose reports are here, and whose are missing now: what every figure of several regions has to be read with."""

from datetime import UTC, datetime

from edge.control.ports import ControlPorts
from edge.control.shapes.figures.reports import MissingReports, ReportsOfNode
from edge.domain.guarding.reported import ReportedUntil, missing_at
from edge.regions.fleet.known_nodes import KnownNodes
from edge.regions.sending.sent_ledger import SentLedger

LATE_SECONDS = 60.0  # a node sends at least every 10 s, and says then until when that is all


def reported_until(fleet: KnownNodes, ledger: SentLedger) -> tuple[ReportedUntil, ...]:
    """Of every node that speaks here, also of one that has sent nothing yet; not of one that was forgotten."""
    known = {each.node: each for each in ledger.nodes()}
    return tuple(
        ReportedUntil(
            node.node,
            node.name,
            node.region,
            known[node.node].all_until_ms if node.node in known else 0,
            known[node.node].clock_off_ms if node.node in known else 0,
            known[node.node].erased_until_ms if node.node in known else 0,
            fleet.is_of_two(node.node),
        )
        for node in fleet.registry.nodes()
    )


def missing_reports(ports: ControlPorts) -> list[MissingReports]:
    """Of nodes whose reports are late, or count at a wrong time, the longest missing first."""
    if ports.receiving is None:
        return []
    nodes = reported_until(ports.fleet, ports.receiving.ledger)
    now = ports.clock.now()
    return [
        MissingReports(
            name=each.name,
            region=each.region,
            until=each.until_ms / 1000 if each.until_ms else None,
            clock_off_seconds=each.clock_off_ms / 1000,
        )
        for each in missing_at(nodes, (now - LATE_SECONDS) * 1000)
    ]


def missing_words(missing: MissingReports) -> str:
    """`Reports of the region eu (eu-1) are missing since 12:03 UTC`."""
    where = f"the region {missing.region} ({missing.name})" if missing.region else f"the node {missing.name}"
    if missing.until is None:
        return f"Reports of {where} are not here yet"
    return f"Reports of {where} are missing since {datetime.fromtimestamp(missing.until, UTC):%Y-%m-%d %H:%M} UTC"


def reports_of_nodes(ports: ControlPorts) -> list[ReportsOfNode]:
    """Of every node that sends here, by name."""
    if ports.receiving is None:
        return []
    now, said = ports.clock.now(), {each.node: each for each in ports.receiving.ledger.nodes()}
    nodes = reported_until(ports.fleet, ports.receiving.ledger)
    return [
        ReportsOfNode(
            node=each.node,
            name=each.name,
            region=each.region,
            until=each.until_ms / 1000 if each.until_ms else None,
            behind_seconds=max(now - each.until_ms / 1000, 0.0) if each.until_ms else None,
            clock_off_seconds=each.clock_off_ms / 1000,
            waiting_bytes=said[each.node].waiting_bytes if each.node in said else 0,
            refused=said[each.node].refused if each.node in said else 0,
        )
        for each in sorted(nodes, key=lambda each: each.name)
    ]
