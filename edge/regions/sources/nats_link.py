"""A connection to NATS that is kept up in the background, and the key-value bucket in which hints of changes are.

Nothing rests on it: whoever follows polls, too. So a server that is down, slow, strange or hostile costs an attempt
every fraction of a second and nothing else, and a lost connection is made anew, never repaired: after a restart of the
server a repaired one would be silent for many seconds.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.domain.errors import Unavailable

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js.kv import KeyValue
    from nats.protocol.parser import Parser

CONNECT_SECONDS = 2  # for one attempt
BUCKET_SECONDS = 3.0  # to find or make the bucket
PAUSE_SECONDS = 0.4  # between two attempts at most: a server that is back is heard within a second
PING_SECONDS = 2  # a line that is dead without a word is noticed within three of these
HINTS_SECONDS = 600.0  # a hint that nobody took by then is of no use
VALUE_LIMIT_BYTES = 256 << 10  # of a hint: as much as a feed tells
UNREAD_LIMIT_BYTES = 4 << 20  # of one message that is still coming: NATS has 1 MiB, unless its operator raised that
BUCKET_LIMIT_BYTES = 64 << 20  # all hints of a store together
AGAIN_SECONDS = 0.1  # until a task that did not end is cancelled again
CREDENTIALS_LIMIT_BYTES = 4_096
DOMAIN = "edge"  # of JetStream at the hub, as in config/nats/hub.conf

log = logging.getLogger("edge.nats")

Attend = Callable[["KeyValue"], Awaitable[None]]


class NatsLink:
    """To the server at `url`, for the store of this id. Raises Unavailable `missing_extra` if nats-py is not installed.

    `connected` is whether it is now; `losses` and `strange` count lost connections, and messages that mean nothing.
    """

    def __init__(
        self,
        url: str,
        credentials_file: str,
        store_id: str,
        *,
        draw: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        _require_library()
        self.connected = False
        self.losses = self.strange = 0
        self._url, self._credentials_file = url, credentials_file
        self._bucket_name = f"edge-{store_id}"
        self._draw, self._sleep = draw, sleep
        self._trouble = ""

    async def run(self, attend: Attend) -> None:
        """Have `attend` work with the bucket whenever there is a connection, until cancelled."""
        from nats.errors import Error

        while True:
            try:
                await self._connected_once(attend)
            except (Error, OSError, TimeoutError, Unavailable, ValueError) as error:
                self._note_trouble(error)
            self.connected = False
            _end_if_cancelled()
            await self._sleep(PAUSE_SECONDS * (0.5 + self._draw() / 2))

    async def _connected_once(self, attend: Attend) -> None:
        """Returns or raises when the connection is lost."""
        from nats.aio.client import Client

        lost, client = asyncio.Event(), Client()
        client._ps = _bounded_parser(client)  # the library's own keeps whatever a server sends
        try:
            await self._connect(client, lost)
            async with asyncio.timeout(BUCKET_SECONDS):
                bucket = await self._bucket(client)
            _end_if_cancelled()
            self._note_fine()
            working = asyncio.ensure_future(attend(bucket))
            losing = asyncio.ensure_future(lost.wait())
            try:
                await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    working.result()
            finally:
                await _cancelled(working, losing)
            self.losses += 1
        finally:
            with suppress(Exception):  # it is over, in whatever state it is
                async with asyncio.timeout(CONNECT_SECONDS):
                    await client.close()

    async def _connect(self, client: "Client", lost: asyncio.Event) -> None:
        async def lose() -> None:
            lost.set()

        async def note(error: Exception) -> None:
            self._note_trouble(error)

        credentials = await asyncio.to_thread(read_nats_credentials, self._credentials_file)
        async with asyncio.timeout(CONNECT_SECONDS * 2):
            await client.connect(
                self._url,
                error_cb=note,
                closed_cb=lose,
                disconnected_cb=lose,
                allow_reconnect=False,
                max_reconnect_attempts=1,  # it never returns from a server that is down else
                reconnect_time_wait=0,
                connect_timeout=CONNECT_SECONDS,
                ping_interval=PING_SECONDS,
                tls=ssl.create_default_context() if self._url.startswith("tls:") else None,
                name="edge",
                **credentials,
            )

    async def _bucket(self, client: "Client") -> "KeyValue":
        """At the server, or at the hub behind a leaf node, which is asked by the name of its domain."""
        from nats.js.errors import ServiceUnavailableError

        try:
            return await self._bucket_in(client, None)
        except ServiceUnavailableError:
            return await self._bucket_in(client, DOMAIN)

    async def _bucket_in(self, client: "Client", domain: str | None) -> "KeyValue":
        from nats.js.api import KeyValueConfig
        from nats.js.errors import NotFoundError

        stream = client.jetstream(domain=domain, timeout=BUCKET_SECONDS)
        try:
            return await stream.key_value(self._bucket_name)
        except NotFoundError:
            return await stream.create_key_value(
                KeyValueConfig(
                    bucket=self._bucket_name,
                    ttl=HINTS_SECONDS,
                    max_value_size=VALUE_LIMIT_BYTES,
                    max_bytes=BUCKET_LIMIT_BYTES,
                )
            )

    def _note_trouble(self, error: Exception) -> None:
        """Said once until it is fine again."""
        if not self._trouble:
            reason = str(error) or type(error).__name__
            log.warning("no hints by NATS from %s now; changes are found by polling: %s", self._url, reason)
        self._trouble = str(error) or type(error).__name__

    def _note_fine(self) -> None:
        self.connected = True
        if self._trouble:
            log.info("hints by NATS from %s again", self._url)
        self._trouble = ""


def _bounded_parser(client: "Client") -> "Parser":
    """The library's, which ends the connection where more comes of a message, or of a line, than there can be."""
    from nats.errors import ProtocolError
    from nats.protocol.parser import Parser

    class Bounded(Parser):
        async def parse(self, data: bytes = b"") -> None:
            await super().parse(data)
            if max(len(self.buf), self.needed) > UNREAD_LIMIT_BYTES:
                self.reset()
                raise ProtocolError(f"a message or line of more than {UNREAD_LIMIT_BYTES} bytes")

    return Bounded(client)


def _require_library() -> None:
    try:
        import nats  # noqa: F401 - only whether it is there
    except ImportError as error:
        wanted = "upstream.nats needs a library that is not installed: pip install 'edge-updates[nats]'"
        raise Unavailable("missing_extra", wanted) from error


def read_nats_credentials(file: str) -> dict[str, Any]:
    """Read at each connection, so that new ones need no restart. Raises Unavailable `bad_credentials`, OSError."""
    if not file:
        return {}
    with Path(file).open("rb") as opened:
        text = opened.read(CREDENTIALS_LIMIT_BYTES + 1).decode("utf-8", "replace").strip()
    user, colon, password = text.partition(":")
    if not text or len(text) > CREDENTIALS_LIMIT_BYTES or "\n" in text:
        raise Unavailable("bad_credentials", f"{file} must have one line: user:password, or a token")
    return {"user": user, "password": password} if colon else {"token": text}


def _end_if_cancelled() -> None:
    """The library takes a cancellation for an error here and there."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _cancelled(*tasks: "asyncio.Future[Any]") -> None:
    """Cancelled again until they end: `asyncio.wait_for` of Python 3.11, which the library uses, may lose one."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_SECONDS)
