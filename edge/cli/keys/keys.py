"""`edge keys`, and `edge keys create`: the key pair for encrypted bundles, made on this machine. A node never sees the
private key."""

from pathlib import Path

import click
import msgspec

from edge.cli.keys.roots import root, rotate
from edge.cli.keys.writers import add, renew, revoke, show
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, fields, line, note


@click.group()
def keys() -> None:
    """Create keys for bundles; change who may sign releases."""


for command in (add, renew, revoke, root, rotate, show):
    keys.add_command(command)


@keys.command(short_help="Create a key pair for encrypted bundles.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="the current folder",
    help="Folder for the two files; created if missing.",
)
@with_output
def create(out: Output, folder: Path) -> None:
    """Create a key pair, in the same files as the plugin's own command line. Never overwrites a file."""
    from edge.bundles.encryption.rsa_keys import create_key_files  # imports cryptography, which --help does not need

    made = create_key_files(folder)
    found = {
        "private_key_file": str(made.private),
        "public_key_file": str(made.public),
        "key_id": made.key.key_id,
        "public_key": made.key.pem.strip(),
    }

    def print_text() -> None:
        fields([(name.replace("_", " "), value) for name, value in found.items() if name != "public_key"])
        note("Add the public key to the app (capacitor.config.json) and ship it in a store release:")
        line(f'"plugins": {{"CapacitorUpdater": {{"publicKey": {msgspec.json.encode(found["public_key"]).decode()}}}}}')
        note("Keep the private key safe and secret: without it, you cannot publish to those apps.")

    out.result(found, print_text)
