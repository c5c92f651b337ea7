"""More requests than a small node takes: begun, never ended, and begun again before their time is over."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from edge.node.service.limits.admission import connections_limit

DESCRIPTORS = 1024  # of the node
CONNECTIONS = connections_limit(DESCRIPTORS) * 7 // 8  # of those it takes: three quarters are too many to be at work on
TURN_SECONDS = 8.0  # in which each is begun again once; a node gives a body 20 s
START_SECONDS = 120.0
# A body in chunks of which the first never ends: such a request is at work from its head on.
_REQUEST = b"POST /updates HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"
_NO_BUNDLE = "/bundles/com.example.app/zip/none"

Address = tuple[str, int]


@contextlib.contextmanager
def crowding(url: str) -> Iterator[None]:
    """As long as it lasts, the node at `url` has more requests under way than it wants."""
    where = (str(urlsplit(url).hostname), urlsplit(url).port or 80)
    crowd = [_begin(where) for _ in range(CONNECTIONS)]
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(where, crowd, over))
    keeper.start()
    try:
        _wait_until_overloaded(where)
        yield
    finally:
        over.set()
        keeper.join()
        for connection in crowd:
            connection.close()


def _keep(where: Address, crowd: list[socket.socket], over: threading.Event) -> None:
    """Replace one after another, so that there are never fewer."""
    number = 0
    while not over.wait(TURN_SECONDS / CONNECTIONS):
        fresh = _begin(where)
        crowd[number].close()
        crowd[number] = fresh
        number = (number + 1) % CONNECTIONS


def _begin(where: Address) -> socket.socket:
    connection = socket.create_connection(where, timeout=START_SECONDS)
    connection.sendall(_REQUEST)
    return connection


def _wait_until_overloaded(where: Address) -> None:
    end = time.monotonic() + START_SECONDS
    while not _sheds_downloads(where):
        assert time.monotonic() < end, "the node is not overloaded by its crowd"
        time.sleep(0.1)


def _sheds_downloads(where: Address) -> bool:
    connection = http.client.HTTPConnection(*where, timeout=START_SECONDS)
    connection.request("GET", _NO_BUNDLE)
    status = connection.getresponse().status
    connection.close()
    return status == 503
