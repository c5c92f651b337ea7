"""What the audit counts, for Prometheus."""

from edge.control.audit.audit_log import AuditLog
from edge.control.audit.entry import ActKind, ActOutcome
from edge.wire.exposition import Family, Sample


def build_audit_metrics(audit: AuditLog | None) -> list[Family]:
    """None: of a node without one, for who wants to know the names."""
    counts = audit.counts if audit is not None else {}
    told = [
        Sample({"kind": kind.value, "outcome": outcome.value}, counts.get((kind.value, outcome.value), 0))
        for kind in ActKind
        for outcome in ActOutcome
        if outcome is ActOutcome.REFUSED or (kind.value, outcome.value) in counts
    ]
    waiting, broken = (audit.waiting, bool(audit.problem)) if audit is not None else (0, False)
    return [
        Family("edge_audit_entries_total", "counter", "acts that the audit was told of since the start", told),
        Family("edge_audit_waiting", "gauge", "records that no disk has yet", [Sample({}, waiting)]),
        Family("edge_audit_broken", "gauge", "1: the audit or its anchor is not as it was", [Sample({}, broken)]),
    ]
