"""The base address of the downloads in an answer. Pure.

Devices run what they download: an unverified `Host` header must never end up in an answer, or a poisoned cache or proxy
in between could send devices elsewhere.
"""

from collections.abc import Iterable

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
DEFAULT_PORTS = {"http": "80", "https": "443"}  # what a host without a port means


def base_address(
    *,
    public_url: str,
    allowed_hosts: Iterable[str],
    host_header: str | None,
    own: tuple[str, int],
    scheme: str = "http",
) -> str:
    """Scheme, host and port without a trailing slash.

    `public_url` if it is configured; else the request's `Host` if it is allowed or names the socket that received the
    request (`own`: address and port); else that socket's address.
    """
    if public_url:
        return public_url
    host = (host_header or "").lower()
    if host and (host in allowed_hosts or _names(host, own, DEFAULT_PORTS[scheme])):
        return f"{scheme}://{host}"
    return f"{scheme}://{_bracketed(own[0])}:{own[1]}"


def plain_address(address: str) -> str:
    """Without a zone, and IPv4 peers of a dual-stack socket as IPv4: `::ffff:192.0.2.1` → `192.0.2.1`."""
    return address.partition("%")[0].removeprefix("::ffff:")


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
