"""Counts what a worker answered: requests by route and class of status, and bytes sent.

Counting a request costs two additions, and its line in the access log, if there is one, an append.
"""

from itertools import product

from edge.node.observing.access_log import AccessLog
from edge.node.observing.counts import RequestCount

ROUTES = ("updates", "stats", "bundles", "channel_self", "manifest_size", "events", "features", "probes", "other")
UPDATES, STATS, BUNDLES, CHANNEL_SELF, MANIFEST_SIZE, EVENTS, FEATURES, PROBES, OTHER = range(len(ROUTES))
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")

_BY_PATH = {
    "/updates": UPDATES,
    "/stats": STATS,
    "/channel_self": CHANNEL_SELF,
    "/updates/manifest_size": MANIFEST_SIZE,
    "/events": EVENTS,
    "/livez": PROBES,
    "/readyz": PROBES,
}


class Traffic:
    """`access` is None without an access log. `checks` and `checks_bytes` are for the most frequent answer, an update
    check's 200: its sender adds to them, which costs a tenth of a call to `note`.
    """

    __slots__ = ("_requests", "_sent_bytes", "access", "checks", "checks_bytes")

    def __init__(self, access: AccessLog | None = None) -> None:
        self.access = access
        self.checks = self.checks_bytes = 0
        self._requests = [0] * (len(ROUTES) * len(CLASSES))
        self._sent_bytes = [0] * len(ROUTES)

    def note(self, route: int, status: int, sent_bytes: int) -> None:
        """Count an answer of `route`, an index into ROUTES. `sent_bytes` includes the head; `status` is 100 to 599."""
        self._requests[route * len(CLASSES) + status // 100 - 1] += 1
        self._sent_bytes[route] += sent_bytes

    def requests(self) -> list[RequestCount]:
        """Counts above zero, in the order of ROUTES and CLASSES."""
        self._take_checks()
        places = product(ROUTES, CLASSES)
        return [RequestCount(*place, n) for place, n in zip(places, self._requests, strict=True) if n]

    def sent_bytes(self) -> dict[str, int]:
        """Counts above zero, by route."""
        self._take_checks()
        return {route: n for route, n in zip(ROUTES, self._sent_bytes, strict=True) if n}

    def _take_checks(self) -> None:
        self._requests[UPDATES * len(CLASSES) + 1] += self.checks
        self._sent_bytes[UPDATES] += self.checks_bytes
        self.checks = self.checks_bytes = 0


def route_of(path: str) -> int:
    """An index into ROUTES for any path: new paths cannot create labels."""
    if path.startswith("/features/"):
        return FEATURES
    return BUNDLES if path.startswith("/bundles/") else _BY_PATH.get(path, OTHER)
