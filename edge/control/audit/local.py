"""The audit of a machine, from beside its node, which need not run: verified, and told what commands did there."""

import os
import pwd
from pathlib import Path
from typing import NamedTuple

from edge.control.audit.chain.anchors import Anchors
from edge.control.audit.chain.files import ASIDE, FOLDER, AuditFiles, records_of
from edge.control.audit.chain.journal import Journal
from edge.control.audit.chain.record import Chain, Owner, digest_of_line, parse_line
from edge.control.audit.chain.verifying import VerifiedChain, verify_chain
from edge.control.audit.entry import ActKind, AuditEntry, within_limits
from edge.control.audit.exporting import ExportSeal
from edge.domain.errors import NotFound
from edge.store.disk.room import NoReserve
from edge.store.disk.seen import SeenByOthers
from edge.store.key_set import read_trust
from edge.store.keys.key_document import fingerprint_of, unbase64
from edge.store.keys.pin import PIN_FILE, read_pin
from edge.store.objects.port import ObjectStore
from edge.store.signing import load_writer

WRITER_FILE = "writer.key"
FIRST_ANCHOR_SECONDS = 120.0  # of a node that has just begun: the first one comes within a minute


class LocalChain(NamedTuple):
    """`sealed`: the node has a key, so every group must be signed. `anchored` is the number that the anchor names, of
    `anchored_at`, in seconds since the epoch; 0 if there is none."""

    node: str
    verified: VerifiedChain
    sealed: bool
    anchored: int
    anchored_at: float
    set_aside: list[str]


def verify_local(node_dir: Path, store: ObjectStore, now: float) -> LocalChain:
    """Verify the chain in a node's directory, against its anchor in the store. `now` is in seconds since the epoch.
    Blocks. Raises NotFound `no_audit`, Untrusted, OSError."""
    files = AuditFiles(node_dir / FOLDER)
    if not files.folder.is_dir():
        raise NotFound("no_audit", f"there is no audit in {files.folder}")
    node = (node_dir / "id").read_text().strip()
    trust = read_trust(store, node_dir)
    trust.seen = SeenByOthers(node_dir)
    with files.locked(shared=True):  # no group is half written meanwhile
        floor = Anchors(store, trust, Owner(trust.store_id, node), None).floor()
        content = list(files.read())
    anchor = floor.anchor
    sealed = anchor is not None or (node_dir / WRITER_FILE).exists()  # a node that follows has no key
    owner = Owner(trust.store_id, node)
    known = anchor.anchored if anchor is not None else None
    found = verify_chain(content, owner, trust.once_listed, known, sealed=sealed)
    if floor.problem:
        found.add("bad_anchor", "the anchor", floor.problem)
    if sealed and anchor is None and _begun_at(content) < now - FIRST_ANCHOR_SECONDS:
        found.add("no_anchor", "the anchor", "the store has no anchor of this chain: its end may have been cut off")
    aside = sorted(path.name for path in files.folder.iterdir() if path.suffix.startswith(ASIDE))
    return LocalChain(node, found, sealed, anchor.n if anchor else 0, anchor.at if anchor else 0.0, aside)


def _begun_at(files: list[tuple[str, bytes]]) -> float:
    """The time of the first record; that of no record is yet to come."""
    return next((record.at for _, content in files for record, _ in records_of(content)), float("inf"))


def record_local(
    node_dir: Path, store_id: str, operation: str, target: str, now: float, kind: ActKind = ActKind.ACCESS
) -> None:
    """Record what the machine's own user did with a command, beside a node that may run. `now` is in seconds since the
    epoch. A node that has never started has no chain yet, and nothing is recorded. Blocks. Raises OSError."""
    id_file = node_dir / "id"
    if not id_file.is_file():
        return
    who = f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    entry = within_limits(AuditEntry(at=now, kind=kind, operation=operation, who=who, target=target))
    key_file = node_dir / WRITER_FILE
    writer = load_writer(key_file) if key_file.exists() else None  # a node that follows has no key
    owner = Owner(store_id, id_file.read_text().strip())
    Journal(AuditFiles(node_dir / FOLDER), owner, writer, NoReserve()).commit([entry])


def local_root(node_dir: Path) -> str:
    """The fingerprint of the root that the node here trusts; "" without one."""
    pin = read_pin(node_dir / PIN_FILE)
    return fingerprint_of(unbase64(pin.root)) if pin is not None else ""


def head_is_kept(node_dir: Path, seal: ExportSeal) -> bool | None:
    """Whether the chain here has the head that an export names; None for another node's, and one too old."""
    id_file = node_dir / "id"
    if not id_file.is_file() or id_file.read_text().strip() != seal.node:
        return None
    wanted, first = Chain(seal.n, seal.head), 0
    files = AuditFiles(node_dir / FOLDER)
    with files.locked(shared=True):
        for _, content in files.read():
            for line in content.split(b"\n"):
                try:
                    read = parse_line(line) if line else None
                except ValueError:
                    continue
                if read is None:
                    continue
                first = first or read.n
                if Chain(read.n, digest_of_line(line)) == wanted:
                    return True
    return None if seal.n < first else False
