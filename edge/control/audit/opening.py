"""A node's audit, from what the node has open."""

import time
from collections.abc import Callable
from pathlib import Path

from edge.config import AuditOptions
from edge.control.audit.audit_log import AuditLog
from edge.control.audit.chain.anchors import Anchors
from edge.control.audit.chain.files import FOLDER, AuditFiles
from edge.control.audit.chain.record import Owner
from edge.store.disk.room import Reserve
from edge.store.key_set import Trust
from edge.store.objects.port import ObjectStore
from edge.store.signing import Writer


def open_audit(
    node_dir: Path,
    node: str,
    store: ObjectStore,
    trust: Trust,
    writer: Writer | None,
    reserve: Reserve,
    options: AuditOptions,
    *,
    clock: Callable[[], float] = time.time,
) -> AuditLog:
    """Of `node`, in its own directory. A node that follows has no `writer`: it seals and anchors nothing."""
    owner = Owner(trust.store_id, node)
    return AuditLog(
        AuditFiles(node_dir / FOLDER),
        owner,
        writer,
        Anchors(store, trust, owner, writer),
        reserve=reserve,
        clock=clock,
        retention_days=options.retention_days,
        whole_addresses=options.addresses == "whole",
    )
