"""Addresses: the base of the downloads in an answer, and those of peers, as text and as bytes. Pure.

Devices run what they download: an unverified `Host` header must never end up in an answer, or a poisoned cache or proxy
in between could send devices elsewhere.
"""

import ipaddress
import socket
from collections.abc import Iterable

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_MAPPED = bytes(10) + b"\xff\xff"  # an IPv4 address in IPv6 (RFC 4291 2.5.5.2)
DEFAULT_PORTS = {"http": "80", "https": "443"}  # what a host without a port means


def base_address(
    *,
    public_url: str,
    allowed_hosts: Iterable[str],
    host_header: str | None,
    own: tuple[str, int],
    scheme: str = "http",
    stated_scheme: str = "",
) -> str:
    """Scheme, host and port without a trailing slash.

    `public_url` if it is configured; else the request's `Host` if it is allowed or names the socket that received the
    request (`own`: address and port); else that socket's address. `scheme` is the socket's own; the one that a trusted
    proxy states counts for an allowed host alone, since the socket speaks no other.
    """
    if public_url:
        return public_url
    host = (host_header or "").lower()
    if host in allowed_hosts:
        return f"{stated_scheme or scheme}://{host}"
    if host and _names(host, own, DEFAULT_PORTS[scheme]):
        return f"{scheme}://{host}"
    return f"{scheme}://{_bracketed(own[0])}:{own[1]}"


def plain_address(address: str) -> str:
    """Without a zone, and IPv4 peers of a dual-stack socket as IPv4: `::ffff:192.0.2.1` → `192.0.2.1`."""
    return address.partition("%")[0].removeprefix("::ffff:")


def packed_of(address: str) -> bytes | None:
    """The 4 or 16 bytes of an address, 4 for IPv4 as IPv6; None for text that is no address. A zone is left out."""
    # The system's own: `ipaddress` takes thirty times as long, and a proxied request has two of them.
    try:
        if ":" not in address:
            return socket.inet_pton(socket.AF_INET, address)
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed


def text_of(packed: bytes) -> str:
    """An address as everybody writes it (RFC 5952)."""
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    text = socket.inet_ntop(socket.AF_INET6, packed)
    return str(ipaddress.IPv6Address(packed)) if "." in text else text


def _names(host: str, own: tuple[str, int], default_port: str) -> bool:
    address, port = own
    name, colon, given_port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name, given_port = host, default_port
    if given_port != str(port):
        return False
    return name == _bracketed(address) or (name in LOOPBACK_NAMES and _bracketed(address) in LOOPBACK_NAMES)


def _bracketed(address: str) -> str:
    plain = plain_address(address)
    return f"[{plain}]" if ":" in plain else plain
