"""`edge audit verify`: the chain on this machine against its seals and its anchor, or an export against a root key."""

import os
import time
from pathlib import Path
from typing import Any

import click

from edge.cli.store.places import StorePlace, reading, with_data_dir
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, counted, fields, line, moment, note, table
from edge.domain.errors import EdgeError, Invalid


@click.command(short_help="Check the audit of this machine, or an export.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--root", metavar="ID", help="Of an export: the root key that its key set must go back to.")
@click.option(
    "--keys",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="KEYS",
    help="Of an export: the store's keys/writers.json, instead of the key set in the file.",
)
@with_output
@with_data_dir
def verify(out: Output, file: Path | None, root: str | None, key_file: Path | None, place: StorePlace) -> None:
    """Check that nothing was altered, removed, reordered or cut off; without FILE, in the chain on this machine.

    The chain is held against the signatures of this node's key and against its anchor in the store. An export needs no
    node: --root is the id that `edge keys show` prints on one. On the node's machine the root that it trusts is used,
    and the chain there must still have the head that the export names. Exit code 1 if anything is wrong.
    """
    if file is not None:
        _verify_export(out, file, root, key_file, place)
    elif root or key_file:
        raise click.UsageError("--root and --keys are for the FILE of an export")
    else:
        _verify_chain(out, place)


def _verify_chain(out: Output, place: StorePlace) -> None:
    from edge.control.audit.local import verify_local  # with cryptography, which --help does not need

    with reading(place) as files:
        found = verify_local(place.paths.node_dir, files, time.time())
    faults = [each._asdict() for each in found.verified.faults]
    verified = found.verified
    result = {
        "node": found.node,
        "records": verified.records,
        "first": verified.first,
        "last": verified.end.n,
        "head": verified.end.digest,
        "sealed": found.sealed,
        "keys": verified.keys,
        "anchored": found.anchored,
        "anchored_at": found.anchored_at,
        "set_aside": found.set_aside,
        "faults": faults,
    }
    out.result(result, lambda: _print_chain(result))
    if faults:
        raise click.exceptions.Exit(1)


def _print_chain(found: dict[str, Any]) -> None:
    kept = f"records {found['first']} to {found['last']}" if found["records"] else "no record"
    anchored = f"up to {found['anchored']}, {moment(found['anchored_at'])}" if found["anchored"] else "not yet"
    pairs = [
        ("node", found["node"]),
        ("chain", kept),
        ("head", found["head"]),
        (
            "sealed by",
            ", ".join(found["keys"]) or ("nobody: this node has no key" if not found["sealed"] else "nobody"),
        ),
        ("anchored", anchored),
    ]
    if found["set_aside"]:
        pairs.append(("set aside", ", ".join(found["set_aside"])))
    fields(pairs)
    rows = [[each["code"], each["place"], each["after"], each["message"]] for each in found["faults"]]
    if rows:
        table(("fault", "where", "after record", "what"), rows, "")
    else:
        line(f"{counted(found['records'], 'record')}: nothing was altered, removed or cut off")


def _verify_export(out: Output, file: Path, root: str | None, key_file: Path | None, place: StorePlace) -> None:
    from edge.control.audit.exporting import verify_export
    from edge.control.audit.local import head_is_kept, local_root

    here = local_root(place.paths.node_dir)
    pinned = root or here
    if not pinned:
        raise Invalid(
            "no_root", "no root key is known here: give --root, the id that `edge keys show` prints on a node"
        )
    found = verify_export(file, pinned, key_file.read_bytes() if key_file is not None else None)
    header, seal = found.header, found.seal
    kept = head_is_kept(place.paths.node_dir, seal) if here else None
    result = {
        "file": os.fspath(file),
        "node": header.node,
        "store": header.store,
        "made": header.made,
        "by": header.by,
        "entries": seal.entries,
        "chain": seal.n,
        "head": seal.head,
        "key": found.key,
        "root": found.root,
        "revoked": found.revoked,
        "head_is_kept": kept,
    }
    out.result(result, lambda: _print_export(result))
    if kept is False:
        raise EdgeError(
            "another_chain", f"the chain of this node does not have the head of {file} at {seal.n} any more"
        )


def _print_export(found: dict[str, Any]) -> None:
    fields(
        [
            ("made", f"{moment(found['made'])} by {found['by']} on node {found['node']}"),
            ("entries", found["entries"]),
            ("chain", f"up to record {found['chain']}, {found['head']}"),
            ("signed by", f"{found['key']}, of root {found['root'][:16]}"),
        ]
    )
    if found["revoked"]:
        note(f"the key {found['key']} was revoked later: whoever took it could have made this file since")
    if found["head_is_kept"]:
        note("the chain on this machine still has that head")
    line("the file is as it was signed")
