"""Which names the page answers to, and whose forms it takes.

A hostile site can have its own name lead to this address (DNS rebinding), so that a browser treats it as the page's
own: such a request bears that site's name in `Host`. And it can send a form here: its `Origin` says so. Pure.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
HOST_LIMIT = 260  # characters: a DNS name has 253, and a port follows


class HostNames:
    """The names of one node's page: those of loopback, the address that it is bound to, and what the config adds."""

    def __init__(self, bound: str, more: Sequence[str] = ()) -> None:
        self._any_address = bound in ("", "0.0.0.0", "::")
        self._names = LOOPBACK_NAMES | {bound.lower()} | {each.lower() for each in more}

    def permits(self, host: str) -> bool:
        """Whether a request with this `Host` is for the page. An address cannot be rebound: where the port is bound to
        all addresses, each of them is one of its names."""
        name = name_of_host(host)
        return name in self._names or (self._any_address and _is_address(name))


def name_of_host(host: str) -> str:
    """`Host` without its port, in small letters; "" if it is malformed."""
    if len(host) > HOST_LIMIT:
        return ""
    try:
        parsed = urlsplit(f"//{host}")
        parsed.port  # noqa: B018 - raises for one that is no number
    except ValueError:
        return ""
    return (parsed.hostname or "").lower() if parsed.netloc == host and "@" not in host else ""


def is_own_origin(origin: str | None, fetch_site: str | None, host: str, *, secure: bool) -> bool:
    """Whether a form came from a page of this very origin. A browser states `Origin` with each POST; one that does not
    has to say so in `Sec-Fetch-Site`. Without `secure`, a proxy may have added TLS."""
    if origin is not None:
        schemes = ("https",) if secure else ("http", "https")
        return origin.lower() in {f"{scheme}://{host.lower()}" for scheme in schemes}
    return fetch_site == "same-origin"


def is_own_link(referer: str | None, fetch_site: str | None, host: str) -> bool:
    """Whether a link was followed on a page of this very origin. Over plain http browsers state no `Sec-Fetch-Site`;
    within an origin they state a `Referer`."""
    if fetch_site is not None:
        return fetch_site == "same-origin"
    return referer is not None and _netloc(referer) == host.lower()


def _netloc(address: str) -> str:
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
