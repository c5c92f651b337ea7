"""A node's first admin token: in a file that only the node's user can read, and registered in the store.

A start may be cut off between the two steps; the next one finishes. An existing file is kept.
"""

import logging
import secrets
from contextlib import suppress
from pathlib import Path

from edge.control.access.tokens import Tokens, is_secret, new_secret
from edge.store.disk.durable_files import create_file
from edge.store.disk.set_aside import Damaged, read_own_file
from edge.store.stored_document import Untrusted

log = logging.getLogger("edge.node")

ADMIN_TOKEN_FILE = "admin.token"  # noqa: S105 - the name of the file


def ensure_admin_token(tokens: Tokens, node_dir: Path, now: float) -> Path:
    """Create and register the admin token unless that is done; returns its file. Blocks; `now` is in seconds since the
    epoch.

    A token that an operator revoked stays revoked: delete the file and restart to get a new one. While the store's
    tokens are refused, or the file holds something else, nothing is registered; the log has the reason.
    """
    path = node_dir / ADMIN_TOKEN_FILE
    try:
        secret = _read_or_create(path)
    except Damaged as error:
        log.error("no admin token in %s (%s): delete it, and start the node again to create a new one", path, error)
        return path
    with suppress(Untrusted):
        tokens.check()
    if not tokens.problem:
        try:
            tokens.register_first(secret, now)
        except OSError as error:  # a full disk; the next start finishes
            log.error("cannot register the token in %s; start the node again when it can write: %s", path, error)
    return path


def _read_or_create(path: Path) -> str:
    with suppress(FileNotFoundError):
        return _read(path)
    secret = new_secret()
    try:
        # File first, store second: no one could use a secret of which only the hash is left.
        create_file(path, f"{secret}\n".encode(), path.with_name(f".{path.name}.{secrets.token_hex(8)}"))
    except FileExistsError:
        return _read(path)
    return secret


def _read(path: Path) -> str:
    """Raises Damaged, OSError."""
    secret = read_own_file(path).decode("ascii", "replace").strip()
    if not is_secret(secret):
        raise Damaged("it contains no token")
    return secret
