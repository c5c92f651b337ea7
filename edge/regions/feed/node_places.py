"""How many requests of one node's token are in progress: a stolen token must not take the control port's connections
from people and from other nodes."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from edge.domain.errors import Unavailable

# A node that follows has some 45 at most: 24 blobs, 16 apps' revisions, its events, facts, reports and segments.
NODE_REQUESTS_LIMIT = 64


class NodePlaces:
    """Belongs to the loop."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, token: str) -> Iterator[None]:
        """For a request with this node's token, while it is answered. Raises Unavailable `busy`."""
        if self._taken[token] >= NODE_REQUESTS_LIMIT:
            raise Unavailable("busy", f"token {token!r} has {NODE_REQUESTS_LIMIT} requests in progress already")
        self._taken[token] += 1
        try:
            yield
        finally:
            self._taken[token] -= 1
            if not self._taken[token]:
                del self._taken[token]
