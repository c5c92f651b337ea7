"""`edge keys show|add|revoke|renew`: the keys that sign releases."""

import base64
import binascii
import time
from pathlib import Path
from typing import Any

import click

from edge.cli.store.places import StorePlace, with_data_dir
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, counted, fields, line, moment, note, table
from edge.domain.errors import Conflict, Invalid

root_key = click.option(
    "--root-key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="The root's private key; default: the one on this machine.",
)


@click.command(short_help="Show whose signatures this node trusts.")
@with_output
@with_data_dir
def show(out: Output, place: StorePlace) -> None:
    """Show the root and the writers whose signatures this node trusts, and which of them is its own.

    Works on any node, also on one that follows. Compare the root's fingerprint with what the origin shows.
    """
    from edge.cli.keys.office import WRITER_FILE  # imports cryptography, which --help does not need
    from edge.cli.store.beside import trust_to_read
    from edge.store.keys.key_document import fingerprint_of
    from edge.store.signing import load_writer

    trust = trust_to_read(place)
    held, key_set = trust.held, trust.held.key_set
    own_file = place.paths.node_dir / WRITER_FILE
    own = load_writer(own_file) if own_file.exists() else None
    found: dict[str, Any] = {
        "store": key_set.store,
        "sequence": key_set.sequence,
        "format": key_set.format,
        "root": key_set.root,
        "fingerprint": fingerprint_of(held.root_public),
        "rotations": len(key_set.chain) - 1,
        "own": own.id if own else None,
        "own_public": base64.b64encode(own.public).decode() if own else None,
        "writers": [{"key": id, "added": key.added, "revoked": None} for id, key in sorted(key_set.keys.items())],
        "revoked": [
            {"key": id, "added": key.added, "revoked": key.revoked} for id, key in sorted(key_set.revoked.items())
        ],
    }
    out.result(found, lambda: _print(found))


def _print(found: dict[str, Any]) -> None:
    turns = found["rotations"]
    root = f"{found['root']}, after {counted(turns, 'rotation')}" if turns else found["root"]
    fields(
        [
            ("store", found["store"]),
            ("root", root),
            ("fingerprint", found["fingerprint"]),
            ("this node signs with", found["own"]),
            ("its public key", found["own_public"]),
        ]
    )
    rows = [
        (each["key"], moment(each["added"]), moment(each["revoked"]) if each["revoked"] else "")
        for each in (*found["writers"], *found["revoked"])
    ]
    table(("writer", "added", "revoked"), rows, "no writers")


@click.command(short_help="Let another node write releases.")
@click.argument("public_key", metavar="PUBLIC_KEY")
@root_key
@with_output
@with_data_dir
def add(out: Output, place: StorePlace, public_key: str, root_key: Path | None) -> None:
    """List the key of another node that writes to this store. PUBLIC_KEY is what `edge keys show` prints there, or what
    its refused start names.

    Nodes that follow learn of it by themselves.
    """
    from edge.cli.keys.office import KeyOffice
    from edge.store.signing import key_id_of

    public = _parse_public(public_key)
    office = KeyOffice(place)
    office.changes.add(office.root(root_key), public, time.time())
    key = key_id_of(public)
    office.note("add_writer_key", f"key={key}")
    out.result({"key": key}, lambda: line(f"added: writer {key}"))


@click.command(short_help="Refuse what a writer's key signs from now on.")
@click.argument("key", metavar="KEY")
@root_key
@with_output
@with_data_dir
def revoke(out: Output, place: StorePlace, key: str, root_key: Path | None) -> None:
    """Take a writer's key off the list: what it signs from now on is refused by every node, within its poll.

    What it signed last, this node signs again, so that no app stops. Look at `edge history` for what was done with a
    stolen key before: that stands until you undo it. Change the store's credentials, too.
    """
    from edge.cli.keys.office import KeyOffice, parse_fingerprint

    wanted, office = parse_fingerprint(key), KeyOffice(place)
    done = office.changes.revoke(office.root(root_key), wanted, time.time())
    office.note("revoke_writer_key", f"key={done.key}")
    told = f"revoked: writer {done.key}; {done.signed_again} of its documents are signed by this node now"
    out.result({"key": done.key, "signed_again": done.signed_again}, lambda: line(told))


@click.command(short_help="Give this node another key to sign with.")
@root_key
@with_output
@with_data_dir
def renew(out: Output, place: StorePlace, root_key: Path | None) -> None:
    """Make a new key that this node signs releases with, and list it. The old one stays listed until it is revoked.

    The node uses it after `edge restart`.
    """
    from edge.cli.keys.office import WRITER_FILE, KeyOffice
    from edge.store.disk.durable_files import sync_directory
    from edge.store.signing import load_or_create_writer

    office = KeyOffice(place)
    root = office.root(root_key)
    if root.public == office.writer.public:
        raise Conflict("root_is_writer", "this node's key is the root, too: `edge keys rotate` first")
    made = office.node_dir / f"{WRITER_FILE}.next"
    new = load_or_create_writer(made)
    office.changes.add(root, new.public, time.time())
    made.rename(office.node_dir / WRITER_FILE)
    sync_directory(office.node_dir)
    office.note("renew_writer_key", f"key={new.id} before={office.writer.id}")

    def print_text() -> None:
        line(f"this node signs with {new.id} from its next start on")
        note(f"restart it, then revoke the old key: edge restart && edge keys revoke {office.writer.id}")

    out.result({"key": new.id, "before": office.writer.id}, print_text)


def _parse_public(text: str) -> bytes:
    try:
        public = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        public = b""
    if len(public) != 32:
        raise Invalid(
            "invalid_key", "PUBLIC_KEY is not a public key: 32 bytes in base64, as `edge keys show` prints them"
        )
    return public
