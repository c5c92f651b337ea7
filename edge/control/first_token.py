"""The first admin's token of a node: in a file that only the node's user can read, and registered in the store.

Either step may have been cut off at an earlier start; the next start finishes it. A file that exists is kept.
"""

import secrets
from pathlib import Path

from edge.control.tokens import Tokens, is_secret, new_secret
from edge.domain.errors import Invalid
from edge.store.disk.durable_files import create_file

ADMIN_TOKEN_FILE = "admin.token"  # noqa: S105 - the name of the file


def ensure_admin_token(tokens: Tokens, node_dir: Path, now: float) -> Path:
    """The file with an admin's token, made and registered where it is not. Blocks; `now` is in epoch seconds.

    A token that an operator revoked stays revoked: delete the file and start again to get a new one. Raises Invalid
    `invalid_admin_token` when the file holds something else.
    """
    path = node_dir / ADMIN_TOKEN_FILE
    secret = _read_or_create(path)
    if not is_secret(secret):
        raise Invalid("invalid_admin_token", f"{path} holds no token; delete it to have a new one made")
    tokens.register_first(secret, now)
    return path


def _read_or_create(path: Path) -> str:
    secret = new_secret()
    try:
        # File first, store second: a secret that only the store knows could be used by nobody.
        create_file(path, f"{secret}\n".encode(), path.with_name(f".{path.name}.{secrets.token_hex(8)}"))
    except FileExistsError:
        return path.read_bytes().decode("ascii", "replace").strip()
    return secret
