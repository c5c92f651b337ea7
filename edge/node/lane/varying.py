"""The lines of a head whose values vary from request to request and decide nothing: cut out, they leave what repeats.

Thousands of devices behind a proxy differ in the addresses and ids that it writes, and all devices in `User-Agent`.
Only a plain value is cut: printable ASCII, not too long, behind a name, a colon and a space. Anything else stays where
it is, and is read by the parser. Pure.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from edge.node.service.peers import FORWARDED_FOR, FORWARDED_SCHEME, REQUEST_ID, Places

VALUE_LIMIT_BYTES = 512  # of a value that is cut; a chain of sixteen addresses has 300

# Written by proxies, load balancers and tracing for each request or device; this server reads none of them.
_UNREAD = (
    *("user-agent", "forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-correlation-id"),
    *("traceparent", "tracestate", "baggage", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid"),
    *("cf-ray", "cf-connecting-ip", "cf-connecting-ipv6", "true-client-ip", "fly-client-ip", "fly-request-id"),
    *("x-amzn-trace-id", "x-amz-cf-id", "x-cloud-trace-context", "x-azure-ref", "x-azure-clientip"),
    *("x-datadog-trace-id", "x-datadog-parent-id", "uber-trace-id", "x-forwarded-port"),
)


class Varying:
    """Cuts heads. `country_header` is the configured one, or ""."""

    def __init__(self, country_header: str = "") -> None:
        by_place = (FORWARDED_FOR, country_header, FORWARDED_SCHEME, REQUEST_ID)
        # What a proxy states, and the place of each in `Places`.
        self.stated = {name.lower().encode(): place for place, name in enumerate(by_place) if name}
        names = {*self.stated, *(name.encode() for name in _UNREAD)}
        spelled = {spelling for name in names for spelling in (name, name.title(), _as_go_does(name))}
        spelled |= {b"X-Request-ID", b"X-Real-IP", country_header.encode()} - {b""}
        words = _either(spelled)
        self._split = re.compile(rb"(\r\n%s: )([ -~]{0,%d})(?=\r\n)" % (words, VALUE_LIMIT_BYTES)).split

    def cut(self, text: bytes) -> tuple[bytes, list[bytes], list[bytes]]:
        """What is left of a head with nothing behind the colons of lines that vary; their names; their values."""
        parts = self._split(text)
        values = parts[2::3]
        del parts[2::3]
        return b"".join(parts), parts, values

    def places(self, parts: Sequence[bytes]) -> Places:
        """Of the values, by the second result of `cut`."""
        found: list[list[int]] = [[], [], [], []]
        for at, name in enumerate(parts[1::2]):
            place = self.stated.get(name.strip(b"\r\n: ").lower())
            if place is not None:
                found[place].append(at)
        return Places(*map(tuple, found))


def _as_go_does(name: bytes) -> bytes:
    """Go's canonical form, as Caddy sends it: `X-B3-Traceid`; Python's has a capital behind a digit, too."""
    return b"-".join(word.capitalize() for word in name.split(b"-"))


def _either(words: Iterable[bytes]) -> bytes:
    """A pattern of any of these words, in which what begins alike is compared once."""
    return b"(?:%s)" % b"|".join(_branches(list(words)))


def _branches(words: list[bytes]) -> Iterator[bytes]:
    for first in sorted({word[:1] for word in words}):
        rests = [word[1:] for word in words if word[:1] == first]
        if not first:
            yield b""
        else:
            yield re.escape(first) + (re.escape(rests[0]) if len(rests) == 1 else _either(rests))
