"""Beside a node that may run: what is read of its trust, who may write there, and what its audit is told."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from edge.cli.store.places import StorePlace, require_store
from edge.cli.terminal.output import note
from edge.control.audit.entry import ActKind
from edge.control.audit.local import record_local
from edge.domain.errors import EdgeError, Forbidden
from edge.store.key_set import Trust, read_trust
from edge.store.objects.fs import FsStore
from edge.store.objects.port import ObjectStore
from edge.store.s3.opening import open_bucket


def tell_audit(
    node_dir: Path, trust: Callable[[], Trust], operation: str, target: str, kind: ActKind = ActKind.ACCESS
) -> None:
    """Have the node's audit know what was done, if it has one yet. What was done stands, even if that cannot be
    written: there, another user would leave files that the node cannot write."""
    if not (node_dir / "id").is_file():
        return
    try:
        check_user(node_dir)
        record_local(node_dir, trust().store_id, operation, target, time.time(), kind)
    except (EdgeError, OSError) as error:
        note(f"warning: this is not in the audit: {error}")


def truth_of(place: StorePlace) -> ObjectStore:
    """Where the key set is changed: on this disk, or in the bucket of which it has a copy."""
    mirror = FsStore(place.paths.store_dir)
    return open_bucket(place.bucket, mirror) if place.bucket is not None else mirror


def trust_to_read(place: StorePlace) -> Trust:
    """Of any node, as it is: nothing is written."""
    require_store(place.paths)
    return read_trust(truth_of(place), place.paths.node_dir)


def check_user(node_dir: Path) -> None:
    """What another user writes there, the node cannot read. Raises Forbidden `other_user`."""
    owner = node_dir.stat().st_uid
    if os.geteuid() != owner:
        raise Forbidden(
            "other_user", f"{node_dir} belongs to user {owner}, and you are {os.geteuid()}: run this as the node's user"
        )
