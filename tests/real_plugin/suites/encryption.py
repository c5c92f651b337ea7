"""Encrypted bundles: installed by whoever can read them, withheld from whoever cannot, and no endless downloads.

A bundle that was encrypted elsewhere names no key, and some releases do not say which they hold: what fails on such a
device is offered to it a few times and then no more.
"""

import base64
import hashlib
import secrets
from pathlib import Path

from edge.bundles.encryption.rsa_keys import PrivateKey, create_key_files, load_private_key
from tests.real_plugin.cell import Cell
from tests.real_plugin.phone import Phone
from tests.real_plugin.suites.contents import small_app

ATTEMPTS = 3  # failed downloads of one bundle after which a device is not offered it any longer
AES_BYTES = 16
OPAQUE_BYTES = 64 * 1024


def encryption(cell: Cell) -> None:
    ours, theirs = (create_key_files(cell.logs / "keys" / name) for name in ("ours", "theirs"))
    cell.world.create(cell.app)
    files = cell.world.publish(cell.app, "1.0.1", small_app(1), "--key", ours.private)
    _read(cell, cell.phone("right", public_key=ours.public), files)
    _ask_in_vain(cell, "no key", cell.phone("none"))
    _ask_in_vain(cell, "wrong key", cell.phone("wrong", public_key=theirs.public))
    elsewhere = f"{cell.app}.elsewhere"
    cell.world.create(elsewhere)
    _publish_opaque(cell, elsewhere, load_private_key(theirs.private))
    _ask_in_vain(cell, "opaque", cell.phone("opaque", app=elsewhere, public_key=ours.public))


def _read(cell: Cell, phone: Phone, files: dict[str, str]) -> None:
    launch = cell.launch("right key", phone)
    if cell.line.can("encryption") != "v3":
        cell.expect_quiet("right key, another form", launch, "1.0.0")
        return
    cell.expect_installed("right key", launch, "1.0.1", files)
    cell.expect("right key: troubles", (), launch.troubles)
    cell.expect_quiet("right key, next launch", cell.launch("right key, next launch", phone), "1.0.1")


def _ask_in_vain(cell: Cell, label: str, phone: Phone) -> None:
    """It never runs the bundle, and after a few downloads at most it is left in peace."""
    for number in range(1, ATTEMPTS + 2):
        launch = cell.launch(f"{label} {number}", phone)
        cell.expect(f"{label} {number}: version", "1.0.0", launch.version)
        if launch.outcome == "quiet":
            break
    cell.expect_quiet(f"{label}, launch {number} of at most {ATTEMPTS + 1}", launch, "1.0.0")


def _publish_opaque(cell: Cell, app: str, key: PrivateKey) -> None:
    """A zip that only the holder of another key could have encrypted; nobody can tell so from outside."""
    session_key = _block(key, secrets.token_bytes(AES_BYTES))
    iv = base64.b64encode(secrets.token_bytes(AES_BYTES)).decode()
    checksum = key.make_block(hashlib.sha256(b"the plain zip").digest()).hex()
    archive: Path = cell.logs / "opaque.zip"
    archive.write_bytes(secrets.token_bytes(OPAQUE_BYTES))
    cell.world.edge(
        *("bundle", "publish", app, archive, "--version", "1.0.1", "--channel", "production"),
        *("--session-key", f"{iv}:{session_key}", "--checksum", checksum),
    )


def _block(key: PrivateKey, content: bytes) -> str:
    return base64.b64encode(key.make_block(content)).decode()
