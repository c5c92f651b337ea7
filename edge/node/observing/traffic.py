"""What a worker's doors answered: requests by route and class of status, and bytes, in plain slots.

Counting a request is two additions, and its line in the access log, where one is kept, is an append.
"""

from itertools import product

from edge.node.observing.access_log import AccessLog
from edge.node.observing.counts import RequestCount

ROUTES = ("updates", "stats", "bundles", "channel_self", "manifest_size", "probes", "other")
UPDATES, STATS, BUNDLES, CHANNEL_SELF, MANIFEST_SIZE, PROBES, OTHER = range(len(ROUTES))
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")

_BY_PATH = {
    "/updates": UPDATES,
    "/stats": STATS,
    "/channel_self": CHANNEL_SELF,
    "/updates/manifest_size": MANIFEST_SIZE,
    "/livez": PROBES,
    "/readyz": PROBES,
}


class Traffic:
    """`access` is None where no access log is kept. `checks` and `checks_bytes` are for the one answer that goes out by
    the million, an update check's 200: whoever gives it adds to them, which costs a tenth of a call.
    """

    __slots__ = ("_requests", "_sent_bytes", "access", "checks", "checks_bytes")

    def __init__(self, access: AccessLog | None = None) -> None:
        self.access = access
        self.checks = self.checks_bytes = 0
        self._requests = [0] * (len(ROUTES) * len(CLASSES))
        self._sent_bytes = [0] * len(ROUTES)

    def note(self, route: int, status: int, sent_bytes: int) -> None:
        """One answer of `route`, an index into ROUTES; heads count as sent bytes too. `status` is 100 to 599."""
        self._requests[route * len(CLASSES) + status // 100 - 1] += 1
        self._sent_bytes[route] += sent_bytes

    def requests(self) -> list[RequestCount]:
        """Those that are not zero, in the order of ROUTES and CLASSES."""
        self._take_checks()
        places = product(ROUTES, CLASSES)
        return [RequestCount(*place, n) for place, n in zip(places, self._requests, strict=True) if n]

    def sent_bytes(self) -> dict[str, int]:
        """By route, those that are not zero."""
        self._take_checks()
        return {route: n for route, n in zip(ROUTES, self._sent_bytes, strict=True) if n}

    def _take_checks(self) -> None:
        self._requests[UPDATES * len(CLASSES) + 1] += self.checks
        self._sent_bytes[UPDATES] += self.checks_bytes
        self.checks = self.checks_bytes = 0


def route_of(path: str) -> int:
    """Any path has a route, and there are only these: nobody makes labels by asking for new paths."""
    return BUNDLES if path.startswith("/bundles/") else _BY_PATH.get(path, OTHER)
