"""`edge keys`: the key pair of encrypted bundles. It is made here and stays here; a node never sees the private one."""

from pathlib import Path

import click
import msgspec

from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, fields, line, note


@click.group()
def keys() -> None:
    """Make the keys of encrypted bundles."""


@keys.command(short_help="Make a key pair.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="the current one",
    help="Folder for the two files; made where it is missing.",
)
@with_output
def create(out: Output, folder: Path) -> None:
    """Make a key pair in the files that the plugin's own command line uses too. Nothing is ever overwritten."""
    from edge.bundles.encryption.rsa_keys import create_key_files  # brings cryptography, which the help does without

    made = create_key_files(folder)
    found = {
        "private_key_file": str(made.private),
        "public_key_file": str(made.public),
        "key_id": made.key.key_id,
        "public_key": made.key.pem.strip(),
    }

    def tell() -> None:
        fields([(name.replace("_", " "), value) for name, value in found.items() if name != "public_key"])
        note("The public key goes into the app (capacitor.config.json), with a store release:")
        line(f'"plugins": {{"CapacitorUpdater": {{"publicKey": {msgspec.json.encode(found["public_key"]).decode()}}}}}')
        note("Keep the private key safe and to yourself: without it nothing new can be published to those apps.")

    out.result(found, tell)
