"""The file of the keys that seal secrets at rest: one key a line, the first seals, every one opens.

It is apart from the store on purpose: a copy of the store, a bucket or an archive is worth nothing without it. Lines of
a backup may be appended by hand: a key that is there twice counts once.
"""

import base64
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.domain.errors import Unavailable
from edge.store.disk.durable_files import FILE_MODE, create_file, replace_file
from edge.store.disk.set_aside import Damaged, read_own_file

KEY_BYTES = 32
KEYS_LIMIT = 100  # a rotation a week for two years; more are older than what they sealed
SECRETS_FILE = "secrets.key"

_TAG = "edge-secrets-1:"  # lets scanners of repositories and logs find leaked keys
_HEADER = "# Seals the secrets of this node's store. Keep a copy apart from the store; never commit it.\n"


class SecretsKey(Unavailable):
    """A secret cannot be opened or sealed with the keys that this node has. Code `secrets_key`."""

    def __init__(self, message: str) -> None:
        super().__init__("secrets_key", message)


@dataclass(frozen=True, slots=True)
class SealingKeys:
    """By id, in the order of the file; the first seals."""

    keys: Mapping[str, bytes]

    @property
    def first(self) -> str:
        return next(iter(self.keys))


def sealing_key_id(key: bytes) -> str:
    """16 hexadecimal characters that tell nothing of the key."""
    return hashlib.sha256(b"edge-secrets-key-id\n" + key).hexdigest()[:16]


def read_keys(path: Path) -> SealingKeys:
    """Raises SecretsKey for a file that is missing, that others may read, or that holds no key."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretsKey(f"{path} has mode {stat.S_IMODE(mode):04o}: others can use its keys; chmod 600 it")
        lines = read_own_file(path).decode().splitlines()
    except FileNotFoundError as error:
        raise SecretsKey(f"{path} is missing: restore it from a backup, or copy it from another origin") from error
    except (Damaged, UnicodeDecodeError) as error:
        raise SecretsKey(f"{path} cannot be used: {error}; restore it from a backup") from error
    except OSError as error:
        raise SecretsKey(f"{path} cannot be read: {error.strerror}") from error
    found = [_parse_line(each, number, path) for number, each in enumerate(lines, 1) if each and each[0] != "#"]
    if not found:
        raise SecretsKey(f"{path} has no key in it; restore it from a backup")
    return SealingKeys({sealing_key_id(key): key for key in found})


def ensure_keys(path: Path) -> None:
    """Make the file with one random key, unless it is there. Raises OSError."""
    try:
        create_file(path, _encode([secrets.token_bytes(KEY_BYTES)]), _scratch(path))
    except FileExistsError:
        return


def rotate_keys(path: Path) -> str:
    """Put a new random key before the others and return its id. What is sealed stays readable. Raises SecretsKey,
    OSError."""
    with _lock(path):
        known = list(read_keys(path).keys.values())
        if len(known) >= KEYS_LIMIT:
            raise SecretsKey(
                f"{path} has {len(known)} keys, which is the limit: remove lines of the oldest, at its end"
            )
        key = secrets.token_bytes(KEY_BYTES)
        replace_file(path, _encode([key, *known]), _scratch(path))
    return sealing_key_id(key)


def _parse_line(line: str, number: int, path: Path) -> bytes:
    """The message repeats nothing of the line."""
    try:
        key = base64.b64decode(line.strip().removeprefix(_TAG), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or not line.startswith(_TAG):
        raise SecretsKey(f"{path}, line {number} is no key: restore the file from a backup")
    return key


def _encode(keys: list[bytes]) -> bytes:
    return (_HEADER + "".join(f"{_TAG}{base64.b64encode(each).decode()}\n" for each in keys)).encode()


def _scratch(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Against another rotation."""
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
