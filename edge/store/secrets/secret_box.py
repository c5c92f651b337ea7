"""Secrets at rest: sealed with AES-256-GCM under a key that is not in the store.

A sealed value names its key and opens for its context alone, such as `push com.example.app fcm`: moved to another
place in the store it is worth nothing. Whoever lacks the key gets a clear error, and everything else goes on.
"""

import base64
import re
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.domain.errors import Unavailable
from edge.store.secrets.key_file import SealingKeys, SecretsKey, ensure_keys, read_keys

NONCE_BYTES = 12  # NIST SP 800-38D 8.2.2: random, so a key seals at most 2**32 values; people cause a few a day
_SEALED = re.compile(r"edge1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{38,})", re.ASCII)


class _Read(NamedTuple):
    stamp: tuple[int, int, int]  # of the file, as it was read
    keys: SealingKeys


class SecretBox:
    """With the keys of a file, read again when it changes, so that a rotation needs no restart. Safe among threads;
    blocks for a look at the file."""

    def __init__(self, path: Path, *, make: bool) -> None:
        """`make`: a file that is missing is made now. A node whose disk is full starts all the same."""
        self.path = path
        self._read: _Read | None = None
        self._lock = threading.Lock()
        if make:
            with suppress(OSError):  # said when a secret is to be sealed
                ensure_keys(path)

    def seal(self, secret: bytes, context: str) -> str:
        """ASCII without spaces. Raises SecretsKey `secrets_key`."""
        keys = self._keys()
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + AESGCM(keys.keys[keys.first]).encrypt(nonce, secret, _bound(keys.first, context))
        return f"edge1.{keys.first}.{_base64(sealed)}"

    def open(self, sealed: str, context: str) -> bytes:
        """Raises SecretsKey `secrets_key` without its key, Unavailable `secret_damaged` for a value that was altered,
        or sealed for another place."""
        parts = _SEALED.fullmatch(sealed)
        if parts is None:
            raise Unavailable("secret_damaged", f"the secret of {context} is not a sealed value: set it again")
        key = self._keys().keys.get(parts[1])
        if key is None:
            raise SecretsKey(
                f"the secret of {context} is sealed with key {parts[1]}, which is not in {self.path}: add that key "
                "from a backup of the file, or set the secret again"
            )
        try:
            content = _unbase64(parts[2])
            return AESGCM(key).decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], _bound(parts[1], context))
        except (InvalidTag, ValueError) as error:
            message = f"the secret of {context} was altered, or sealed for another place: set it again"
            raise Unavailable("secret_damaged", message) from error

    def key_ids(self) -> list[str]:
        """The first seals. Raises SecretsKey."""
        return list(self._keys().keys)

    def problem(self) -> str:
        """What is wrong with the keys; "" if nothing is."""
        try:
            self._keys()
        except SecretsKey as error:
            return error.message
        return ""

    def _keys(self) -> SealingKeys:
        with self._lock:
            try:
                found = self.path.stat()
            except OSError:
                self._read = None
                return read_keys(self.path)  # which says why
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if self._read is None or self._read.stamp != stamp:
                self._read = _Read(stamp, read_keys(self.path))
            return self._read.keys


def sealed_with(sealed: str) -> str:
    """The id of the key that a sealed value needs; "" for what is none."""
    parts = _SEALED.fullmatch(sealed)
    return parts[1] if parts else ""


def _bound(key_id: str, context: str) -> bytes:
    """What a value is sealed for, beside its bytes."""
    return f"edge-secret\n{key_id}\n{context}".encode()


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _unbase64(text: str) -> bytes:
    """Only the one spelling that `seal` makes. Raises ValueError."""
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _base64(content) != text:
        raise ValueError("not canonical base64")
    return content
