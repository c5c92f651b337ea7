"""The peer of a request: the address that its connection came from, or the one that a trusted proxy states. Pure.

Anyone can put `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Request-Id` and a country into a request. They count only on a
connection from a configured proxy, and of the list of addresses only what such proxies have appended, read from the
right.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from edge.node.service.addresses import packed_of, plain_address, text_of

FORWARDED_FOR, FORWARDED_SCHEME, REQUEST_ID = "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id"
HOPS_LIMIT = 16  # hops that are read; a real chain of proxies has two or three
SUBSCRIBER_PREFIX_BITS = 64  # of IPv6: one subscriber has at least a /64 and may use all of it (RFC 6177)
PEERS_KEPT = 4_096  # of connections' own addresses, 1 MB: a kept connection asks again
REQUEST_ID_LIMIT = 128  # characters; nginx's own has 32, a UUID 36, the load balancers of clouds up to 100

_COUNTRY = re.compile(r"[A-Za-z]{2}", re.ASCII)  # ISO 3166-1 alpha-2
_REQUEST_ID = re.compile(rf"[!-~]{{1,{REQUEST_ID_LIMIT}}}", re.ASCII)  # a word: what prints, without a space
_WITH_PORT = re.compile(r"\[(?P<six>[0-9A-Fa-f:.]+)\](:\d{1,5})?|(?P<four>[\d.]+):\d{1,5}", re.ASCII)
_SCHEMES = frozenset({"http", "https"})
_SUBSCRIBER_BYTES = SUBSCRIBER_PREFIX_BITS // 8


class Peer(NamedTuple):
    """`prefix` is what limits are counted by (`prefix_of`); `country` two capital letters, or "" if no proxy of ours
    states it."""

    address: str
    prefix: str
    country: str = ""


class Places(NamedTuple):
    """Which of the values of a `Whence` are lines of which header; the country's header is configured."""

    forwarded: Sequence[int] = ()  # X-Forwarded-For
    country: Sequence[int] = ()
    scheme: Sequence[int] = ()  # X-Forwarded-Proto
    request_id: Sequence[int] = ()  # X-Request-Id


NO_PLACES = Places()


class Whence:
    """Where a request came from: the socket's `address`, and what a trusted proxy there states of the request.

    On any other connection nothing is stated: there are no `places`. The values of the headers are read on demand. But
    for addresses, what is stated twice is stated by somebody else, too, and counts as not stated.
    """

    __slots__ = ("_places", "_values", "address")

    def __init__(self, address: str = "", places: Places = NO_PLACES, values: Sequence[bytes] = ()) -> None:
        self.address = address
        self._places = places
        self._values = values

    @property
    def forwarded(self) -> list[str]:
        """The lines of X-Forwarded-For, for `find_peer` to read."""
        return [self._value(at) for at in self._places.forwarded]

    @property
    def country(self) -> str:
        """Two capital letters, or ""."""
        text = self._only(self._places.country)
        return text.upper() if _COUNTRY.fullmatch(text) else ""

    @property
    def scheme(self) -> str:
        """Between the device and the proxy: "http", "https" or ""."""
        text = self._only(self._places.scheme).lower()
        return text if text in _SCHEMES else ""

    @property
    def request_id(self) -> str:
        """A word of printable ASCII, or ""."""
        text = self._only(self._places.request_id)
        return text if _REQUEST_ID.fullmatch(text) else ""

    @property
    def states_nothing(self) -> bool:
        """Whether the peer can only be the socket's own."""
        return self._places is NO_PLACES

    def says_what(self, other: "Whence") -> bool:
        """Whether the other one states the same lines."""
        return self._lines() == other._lines()

    def _lines(self) -> list[list[str]]:
        return [[self._value(at) for at in places] for places in self._places]

    def _only(self, places: Sequence[int]) -> str:
        return self._value(places[0]) if len(places) == 1 else ""

    def _value(self, at: int) -> str:
        return self._values[at].decode("latin-1").strip(" \t")


NOWHERE = Whence()


class Proxies:
    """The proxies whose headers are trusted. `networks` are addresses or networks, as configured."""

    def __init__(self, networks: Iterable[str] = (), country_header: str = "") -> None:
        self._networks = tuple(_Network.of(each) for each in networks)
        self.country_header = country_header

    def trusts(self, address: str) -> bool:
        """False for text that is no address."""
        if not self._networks:
            return False
        packed = packed_of(address)
        return packed is not None and self.contain(packed)

    def contain(self, packed: bytes) -> bool:
        """`trusts` for an address as bytes."""
        number, size = int.from_bytes(packed), len(packed)
        for first, mask, of in self._networks:  # noqa: SIM110  # `any` takes twice the time
            if number & mask == first and size == of:
                return True
        return False


class _Network(NamedTuple):
    first: int
    mask: int
    size: int  # bytes of an address

    @classmethod
    def of(cls, text: str) -> "_Network":
        network = ipaddress.ip_network(text, strict=False)
        return cls(int(network.network_address), int(network.netmask), network.max_prefixlen // 8)


def told_id(whence: Whence) -> str:
    """The request's id as an ending of a line in the log; "" without one."""
    return f", request {named}" if (named := whence.request_id) else ""


def find_peer(whence: Whence, proxies: Proxies) -> Peer:
    """The peer is the rightmost hop that is not one of our proxies. A hop that is no address ends the list: the proxy
    to its right is then the peer.
    """
    if whence.states_nothing:
        return _own_peer(whence.address)
    peer, forwarded = plain_address(whence.address), whence.forwarded
    packed = packed_of(peer) if forwarded else None
    if packed is None or not proxies.contain(packed):
        return Peer(peer, prefix_of(peer), whence.country)
    for hop in reversed(_hops(forwarded)):
        named = _packed_hop(hop)
        if named is None:
            break
        packed = named
        if not proxies.contain(packed):
            break
    return Peer(text_of(packed), _prefix(packed), whence.country)


@lru_cache(PEERS_KEPT)
def _own_peer(address: str) -> Peer:
    peer = plain_address(address)
    return Peer(peer, prefix_of(peer))


def prefix_of(address: str) -> str:
    """An IPv4 address itself, an IPv6 address's /64; text that is no address (a Unix socket's) unchanged."""
    plain = plain_address(address)
    if ":" not in plain:
        return plain
    packed = packed_of(plain)
    return plain if packed is None else _prefix(packed)


def _prefix(packed: bytes) -> str:
    if len(packed) == 4:
        return text_of(packed)
    return f"{text_of(packed[:_SUBSCRIBER_BYTES].ljust(len(packed), bytes(1)))}/{SUBSCRIBER_PREFIX_BITS}"


def _hops(lines: Sequence[str]) -> list[str]:
    """The last hops of the list, in order; several lines are one list (RFC 9110 5.3)."""
    return [hop for line in lines[-HOPS_LIMIT:] for hop in line.rsplit(",", HOPS_LIMIT)[-HOPS_LIMIT:]][-HOPS_LIMIT:]


def _packed_hop(hop: str) -> bytes | None:
    """The address in a hop, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`."""
    text = hop.strip()
    packed = packed_of(text)
    if packed is None and (found := _WITH_PORT.fullmatch(text)):
        packed = packed_of(found["six"] or found["four"])
    return packed
