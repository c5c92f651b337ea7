"""Signed documents: an Ed25519 signature over a domain tag and the exact bytes of a JSON payload.

The domain is the kind of document; the payload itself names store, place and sequence. So a signature made for one
document proves nothing about another. Verify, then parse: a payload is not read before its signature is verified.
"""

import base64
import hashlib
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NewType

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.domain.errors import Forbidden
from edge.store.disk.durable_files import create_file
from edge.store.disk.set_aside import Damaged, read_own_file
from edge.store.stored_document import Untrusted, parse_document

KeyId = NewType("KeyId", str)  # 16 hexadecimal characters of the public key's SHA-256

ENVELOPE_FORMAT = 1
_PREFIX = b"edge-signed-v1\n"


@dataclass(frozen=True, slots=True)
class Writer:
    """A node's own key pair, with which it signs heads and key sets."""

    id: KeyId
    public: bytes  # 32 bytes
    private: Ed25519PrivateKey = field(repr=False, compare=False)


class _Envelope(msgspec.Struct):
    format: int
    payload: str
    key: KeyId
    signature: str


_decoder = msgspec.json.Decoder(_Envelope)


def load_or_create_writer(path: Path) -> Writer:
    """The writer whose private key is in `path` (PEM, PKCS #8, mode 0600), created by the first call.

    Raises Forbidden `unsafe_key_file` if others may read the file, or if it holds no Ed25519 key: a new one would not
    be in the store's key set.
    """
    try:
        return load_writer(path)
    except FileNotFoundError:
        return _writer_of(path, _make_private(path))


def load_writer(path: Path) -> Writer:
    """As `load_or_create_writer`, for a file that is there. Raises FileNotFoundError."""
    return _writer_of(path, _read_private(path))


def _writer_of(path: Path, pem: bytes) -> Writer:
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _damaged_key(path, f"contains no private key: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _damaged_key(path, "contains no Ed25519 key")
    public = private.public_key().public_bytes_raw()
    return Writer(key_id_of(public), public, private)


def sign_document(writer: Writer, domain: str, payload: bytes) -> bytes:
    """A signed envelope around a payload of UTF-8 JSON text."""
    signature = writer.private.sign(_signed(domain, payload))
    text = base64.b64encode(signature).decode()
    return msgspec.json.encode(_Envelope(ENVELOPE_FORMAT, payload.decode(), writer.id, text))


def open_document(domain: str, data: bytes, keys: Mapping[KeyId, bytes], what: str) -> bytes:
    """The payload, if one of `keys` signed it for `domain`. Raises Untrusted `unknown_writer`, `bad_signature`,
    `newer_format`, `unreadable_document`, naming `what`."""
    envelope = _parse_envelope(data, what)
    public = keys.get(envelope.key)
    if public is None:
        raise Untrusted("unknown_writer", f"{what} is signed by {envelope.key[:64]!r}, which is not in the key set")
    payload = envelope.payload.encode()
    try:
        signature = _unbase64(envelope.signature)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _signed(domain, payload))
    except (InvalidSignature, ValueError) as error:
        raise Untrusted("bad_signature", f"{what} was altered: the signature of {envelope.key!r} is wrong") from error
    return payload


def sign_statement(writer: Writer, domain: str, words: bytes) -> str:
    """A signature, in base64, of `statement`: for what one document says in another's name."""
    return base64.b64encode(writer.private.sign(statement(domain, words))).decode()


def statement(domain: str, words: bytes) -> bytes:
    """The bytes that `sign_statement` signs."""
    return _signed(domain, words)


def signer_of(data: bytes, what: str) -> KeyId:
    """Who signed it, as it says itself, UNVERIFIED."""
    return _parse_envelope(data, what).key


def peek_payload(data: bytes, what: str) -> bytes:
    """The payload, UNVERIFIED: only for the document that contains its own key, and must be verified next."""
    return _parse_envelope(data, what).payload.encode()


def key_id_of(public: bytes) -> KeyId:
    """Of a public key of 32 bytes."""
    return KeyId(hashlib.sha256(public).hexdigest()[:16])


def _read_private(path: Path) -> bytes:
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        shown = f"{stat.S_IMODE(mode):04o}"
        raise Forbidden("unsafe_key_file", f"{path} has mode {shown}: other users can use this key; chmod 600 it")
    try:
        return read_own_file(path)
    except Damaged as error:
        raise _damaged_key(path, f"cannot be used: {error}") from error


def _damaged_key(path: Path, what: str) -> Forbidden:
    remedy = "restore the file from a backup, or from an archive of `edge store export --with-keys`"
    return Forbidden("unsafe_key_file", f"{path}, this node's signing key, {what}; {remedy}")


def _make_private(path: Path) -> bytes:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        create_file(path, pem, path.with_name(f"{path.name}.{secrets.token_hex(8)}"))
    except FileExistsError:
        return _read_private(path)  # another process of this node was first
    return pem


def _parse_envelope(data: bytes, what: str) -> _Envelope:
    return parse_document(data, _decoder, ENVELOPE_FORMAT, what)


def _unbase64(text: str) -> bytes:
    """Base64 can spell a signature in several ways; only the canonical one is accepted. Raises ValueError."""
    signature = base64.b64decode(text, validate=True)
    if base64.b64encode(signature).decode() != text:
        raise ValueError("not canonical base64")
    return signature


def _signed(domain: str, payload: bytes) -> bytes:
    return _PREFIX + domain.encode() + b"\n" + payload
