"""`edge secrets`: the keys that seal secrets in the store. They are in a file of this machine and never leave it."""

from pathlib import Path

import click

from edge.cli.store.places import StorePlace, with_data_dir
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, line, note, table


@click.group(epilog="Sealed are the credentials at push providers and people's password hashes.")
def sealing() -> None:
    """Show and rotate the keys that seal secrets in the store."""


@sealing.command(short_help="Show the ids of the keys.")
@with_output
@with_data_dir
def show(out: Output, place: StorePlace) -> None:
    """Show which keys this node has. The first seals, and all of them open."""
    from edge.store.secrets.key_file import read_keys  # what --help need not wait for

    path = _path(place)
    ids = list(read_keys(path).keys)
    rows = [(each, "seals and opens" if number == 0 else "opens") for number, each in enumerate(ids)]
    out.result({"file": str(path), "keys": ids}, lambda: table(("key", "does"), rows, "no keys"))


@sealing.command(short_help="Seal with a new key from now on.")
@with_output
@with_data_dir
def rotate(out: Output, place: StorePlace) -> None:
    """Put a new random key before the others. A running node uses it at once.

    What is sealed stays sealed with its key, and readable, until it is set again. Copy the file to the other origins of
    the store and to its backup.
    """
    from edge.cli.store.beside import check_user, tell_audit, trust_to_read
    from edge.store.secrets.key_file import rotate_keys

    path = _path(place)
    check_user(path.parent)
    made = rotate_keys(path)
    tell_audit(place.paths.node_dir, lambda: trust_to_read(place), "rotate_secrets_key", f"key={made}")

    def print_text() -> None:
        line(f"sealed with key {made} from now on")
        note(f"copy {path} to the other origins of this store, and to the file's backup")

    out.result({"file": str(path), "key": made}, print_text)


def _path(place: StorePlace) -> Path:
    """The configured file, unless a data directory is named."""
    from edge.store.secrets.key_file import SECRETS_FILE

    own = str(place.paths.data_dir) == place.config.data_dir
    return place.config.secrets_path if own else place.paths.node_dir / SECRETS_FILE
