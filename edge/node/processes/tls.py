"""TLS of a port: a certificate and its key, accepted only as a matching pair, replaced whole under running connections.

The supervisor reads the files, once for all workers: a pair that is half-written or does not match is refused before
any worker serves it, and a worker that starts later needs no file. Connections keep the pair they began with.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509

from edge.domain.errors import EdgeError

PEM_LIMIT_BYTES = 1024 * 1024  # a chain has 10 kB; a wrong, large file is not read
HANDSHAKE_SECONDS = 10.0  # three round trips of the slowest network; a device gives up its whole request after 10 to 20
SHUTDOWN_SECONDS = 5.0  # for a peer's close_notify; most never send it

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


class PortTls:
    """`context` is what the port is opened with; every handshake uses the pair that is current when it begins."""

    def __init__(self, pair: Pair) -> None:
        """Raises BadPair."""
        self._current = build_context(pair)
        self.context = build_context(pair)
        # Called for every ClientHello, with or without a server name. Replacing the whole context never exposes a new
        # certificate with an old key.
        self.context.sni_callback = self._choose

    def replace(self, pair: Pair) -> None:
        """New connections use `pair`; open ones continue. Raises BadPair, and then nothing has changed."""
        self._current = build_context(pair)

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._current


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
