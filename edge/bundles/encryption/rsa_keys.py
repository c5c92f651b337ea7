"""The keys of encrypted bundles: RSA of 2048 bits in PKCS#1 PEM, in the files that the plugin's command line uses.

The private key makes blocks and never leaves the publisher; the public key, which is in every app, opens them. A block
is PKCS#1 v1.5 type 1 around the bytes themselves, without DigestInfo (PROTOCOL.md §6.2).
"""

import base64
import os
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from edge.domain.encryption import BLOCK_BYTES, KEY_ID_CHARACTERS
from edge.domain.errors import Conflict, Invalid
from edge.store.disk.durable_files import FILE_MODE, sync_directory

PRIVATE_KEY_FILE = ".capgo_key_v2"
PUBLIC_KEY_FILE = ".capgo_key_v2.pub"
PUBLIC_FILE_MODE = 0o644
KEY_BITS = 8 * BLOCK_BYTES
PUBLIC_EXPONENT = 65_537
PEM_LIMIT_BYTES = 16 * 1024  # a private key of this size has 1,700

_PUBLIC_HEADER = "-----BEGIN RSA PUBLIC KEY-----"
_NOT_READABLE = (ValueError, TypeError, UnsupportedAlgorithm)  # TypeError: the file is protected by a password


class PublicKey:
    """The half that every app has."""

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        self._key = key

    @property
    def pem(self) -> str:
        """PKCS#1."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()

    @property
    def key_id(self) -> str:
        """As the plugin computes it: the first KEY_ID_CHARACTERS of the PEM's body."""
        body = base64.b64encode(self._key.public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()
        return body[:KEY_ID_CHARACTERS]

    def open_block(self, block: bytes) -> bytes:
        """The content that the private key put in. Raises Invalid `wrong_key`."""
        try:
            return self._key.recover_data_from_signature(block, padding.PKCS1v15(), NoDigestInfo())
        except (InvalidSignature, ValueError) as error:
            raise Invalid("wrong_key", "not made with the private key of this public key") from error


class PrivateKey:
    """The publisher's half."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    def make_block(self, content: bytes) -> bytes:
        """BLOCK_BYTES around a few bytes; the same content gives the same block."""
        return self._key.sign(content, padding.PKCS1v15(), NoDigestInfo())

    def pem(self) -> bytes:
        """PKCS#1, not encrypted."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


class KeyFiles(NamedTuple):
    """A new pair."""

    private: Path
    public: Path
    key: PublicKey


def create_key_files(folder: Path) -> KeyFiles:
    """Create a new pair in `folder`, which is made if missing; only its owner may read the private file.

    Raises Conflict `key_exists`: a key lost by overwriting cannot be replaced in installed apps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / PRIVATE_KEY_FILE, folder / PUBLIC_KEY_FILE
    for path in (private, public):
        if path.exists():
            raise _exists(path)
    key = PrivateKey(rsa.generate_private_key(PUBLIC_EXPONENT, KEY_BITS))
    _write_new(private, key.pem(), FILE_MODE)
    _write_new(public, key.public.pem.encode(), PUBLIC_FILE_MODE)
    sync_directory(folder)
    return KeyFiles(private, public, key.public)


def load_private_key(path: Path) -> PrivateKey:
    """Raises Invalid `invalid_key`; the message never contains the file's content."""
    content = _read_pem(path)
    if b"PRIVATE KEY-----" not in content:
        raise Invalid("invalid_key", f"{str(path)!r} is not a private key in PEM")
    try:
        key = load_pem_private_key(content, password=None)
    except _NOT_READABLE as error:
        raise Invalid(
            "invalid_key", f"{str(path)!r} is not a readable private key; is it protected by a password?"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != KEY_BITS:
        raise Invalid(
            "invalid_key", f"{str(path)!r} is not a {KEY_BITS}-bit RSA key, the only kind that devices accept"
        )
    return PrivateKey(key)


def parse_public_key(pem: str) -> PublicKey:
    """Raises Invalid `invalid_public_key` unless the plugin would start with it (PROTOCOL.md §6.2)."""
    if len(pem) > PEM_LIMIT_BYTES or not pem.lstrip().startswith(_PUBLIC_HEADER):
        raise Invalid("invalid_public_key", f"the public key must begin with {_PUBLIC_HEADER}")
    try:
        key = load_pem_public_key(pem.encode())
    except _NOT_READABLE as error:
        raise Invalid("invalid_public_key", "cannot read the public key") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != KEY_BITS:
        raise Invalid("invalid_public_key", f"the public key must be a {KEY_BITS}-bit RSA key")
    return PublicKey(key)


def _read_pem(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(PEM_LIMIT_BYTES)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """The file has `mode` from the moment it exists. Raises Conflict `key_exists`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise _exists(path) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _exists(path: Path) -> Conflict:
    return Conflict("key_exists", f"{str(path)!r} exists and is never overwritten")
