"""`edge keys rotate` and `edge keys root`: the key that signs the list of writers."""

import time
from pathlib import Path

import click

from edge.cli.keys.writers import root_key
from edge.cli.store.places import StorePlace, with_data_dir
from edge.cli.terminal.asking import Asking, ask, require_answer, with_asking
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, line, note


@click.command(short_help="Hand over to a new root key.")
@root_key
@with_output
@with_data_dir
def rotate(out: Output, place: StorePlace, root_key: Path | None) -> None:
    """Make a new root key, and have the old one sign for it. No node and no device has to be told.

    The new key is in `root.key`, apart from the key that this node signs releases with. The old root key is of no use
    then: delete a file that had it.
    """
    from edge.cli.keys.office import KeyOffice

    office = KeyOffice(place)
    old = office.root(root_key)
    new = office.roots.make_next()
    office.changes.rotate(old, new, time.time())
    office.roots.settle(office.trust.held)
    office.note("rotate_root_key", f"root={new.id} before={old.id}")
    found = {"root": new.id, "before": old.id, "file": str(office.roots.place)}
    out.result(found, lambda: line(f"root {new.id} in {office.roots.place}, vouched for by {old.id}"))


@click.group(short_help="Keep the root key apart, or replace a lost one.")
def root() -> None:
    """Keep the root key apart from the node, or replace one that was lost."""


@root.command("export", short_help="Move the root key to a file elsewhere.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@with_output
@with_data_dir
def export_root(out: Output, place: StorePlace, file: Path) -> None:
    """Move the root key to FILE, such as on a stick, and remove it from this node.

    The node goes on signing releases with its own key. Adding and revoking writers and rotating need --root-key FILE.
    """
    from edge.cli.keys.office import KeyOffice

    office = KeyOffice(place)
    office.roots.move_to(file, office.trust.held)
    key = office.trust.held.key_set.root
    office.note("export_root_key", f"root={key}")

    def print_text() -> None:
        line(f"moved: root {key} is in {file} alone")
        note("Keep a copy in another place: without it, every region has to accept a new root by hand.")

    out.result({"root": key, "file": str(file)}, print_text)


@root.command("replace", short_help="Begin with a new root after the old key was lost.")
@with_asking
@with_output
@with_data_dir
def replace_root(out: Output, place: StorePlace, asking: Asking) -> None:
    """Begin a new chain of roots without the old key's word, because that key is lost.

    Devices and this node go on. Every other node keeps the writers that it knows, and follows their releases, until its
    operator runs `edge keys root accept` with the new fingerprint, which you have to tell them.
    """
    from edge.cli.keys.office import KeyOffice
    from edge.store.keys.key_document import fingerprint_of

    office = KeyOffice(place)
    old = office.trust.held.key_set.root
    if asking.dry_run:
        return out.result({"before": old}, lambda: line(f"would replace root {old} without its word"))
    require_answer(asking, "replace the root")
    if not asking.yes:
        note(f"replace root {old}: every other node must accept the new one by hand")
        ask()
    new = office.roots.make_next()
    office.changes.replace(new, time.time())
    office.roots.settle(office.trust.held)
    fingerprint = fingerprint_of(new.public)
    office.note("replace_root_key", f"root={new.id} before={old}")

    def print_text() -> None:
        line(f"root {new.id} in {office.roots.place}")
        note("On every node that follows, as its user:")
        line(f"edge keys root accept {fingerprint}")

    return out.result({"root": new.id, "before": old, "fingerprint": fingerprint}, print_text)


@root.command("accept", short_help="Accept another root, on a node that follows.")
@click.argument("fingerprint", metavar="FINGERPRINT")
@with_output
@with_data_dir
def accept(out: Output, place: StorePlace, fingerprint: str) -> None:
    """Accept the root with this fingerprint, although the one that this node trusts did not sign for it.

    Only for a fingerprint that you have from the operators of the origin themselves, not from a log or from the origin:
    whoever made that key can put any code on your devices. A running node takes it at its next look.
    """
    from edge.cli.keys.office import parse_fingerprint, trust_to_pin
    from edge.cli.store.beside import tell_audit

    trust = trust_to_pin(place)
    there = trust.accept_root(parse_fingerprint(fingerprint))
    tell_audit(place.paths.node_dir, lambda: trust, "accept_root_key", f"root={fingerprint.strip().lower()}")
    told = "it is in use" if there else "it is used as soon as the node above shows it"
    out.result({"fingerprint": fingerprint, "in_use": there}, lambda: line(f"accepted: {fingerprint}; {told}"))
