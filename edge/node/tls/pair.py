"""A certificate and its key, accepted only as a matching pair, and the context that a port serves it with.

The supervisor reads the files, once for all workers: a pair that is half-written or does not match is refused before
any worker serves it, and a worker that starts later needs no file.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge.domain.errors import EdgeError

PEM_LIMIT_BYTES = 1024 * 1024  # a chain has 10 kB; a wrong, large file is not read

# TLS 1.2 with forward secrecy and authenticated encryption: enough for Android 5 and iOS 9, the oldest that any listed
# plugin runs on. For TLS 1.3, OpenSSL's own suites.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class BadPair(EdgeError):
    """Files that cannot be read, are not PEM, or do not match."""


class Pair(msgspec.Struct, frozen=True):
    """PEM: the certificate with its chain, and the private key."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(...)"  # never into a log


def read_pair(certificate: str, key: str) -> Pair:
    """Read both files and check that they match. Raises BadPair with the file's name."""
    pair = Pair(_read(certificate), _read(key))
    try:
        build_context(pair)
    except BadPair as error:
        raise BadPair(error.code, f"{certificate}, {key}: {error.message}") from error
    return pair


def build_context(pair: Pair) -> ssl.SSLContext:
    """A server-side context. Raises BadPair."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 1  # devices hold one connection at a time, and each resumption brings another
    try:
        with _as_file(pair.certificate) as certificate, _as_file(pair.key) as key:
            context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        raise BadPair("bad_tls_pair", _reason(error)) from error
    return context


def expiry_of(pair: Pair) -> datetime:
    """When the pair's own certificate, the first in its file, expires. Raises BadPair."""
    try:
        return x509.load_pem_x509_certificate(pair.certificate).not_valid_after_utc
    except ValueError as error:
        raise BadPair("bad_tls_pair", f"not a certificate: {error}") from error


def throwaway_pair() -> Pair:
    """Signed by its own key, for a moment and nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([]), datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = built.not_valid_before(now).not_valid_after(now + timedelta(hours=1)).sign(key, SHA256())
    encoded = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(certificate.public_bytes(Encoding.PEM), encoded)


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path that OpenSSL can open, in memory only: a key must not lie in a directory where others find it."""
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(PEM_LIMIT_BYTES + 1)
    except OSError as error:
        raise BadPair("bad_tls_pair", f"{path}: {error.strerror or error}") from error
    if len(content) > PEM_LIMIT_BYTES:
        raise BadPair("bad_tls_pair", f"{path}: exceeds the limit of {PEM_LIMIT_BYTES} bytes")
    return content


def _refuse_password() -> str:
    """OpenSSL would prompt on the terminal; a service has none."""
    raise BadPair("bad_tls_pair", "the key is encrypted: use one without a password")


def _reason(error: ssl.SSLError) -> str:
    match error.reason:
        case "KEY_VALUES_MISMATCH":
            return "the certificate and the key do not match"
        case None:
            return "not a certificate and a private key in PEM"
        case other:
            return other.lower().replace("_", " ")
