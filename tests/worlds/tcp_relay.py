"""Links between processes on loopback, which can be slow, long, cut and healed: a relay of TCP in user space.

A `Link` is a port in front of another. Its bytes arrive `delay_seconds` later in each direction and at most at
`rate_bps`; a new connection costs a round trip more, as on a real line. Cut, it swallows everything, as a network does
whose cable is out: who connects waits, what was sent arrives once it is healed. Refusing, it resets. What TCP itself
does over a distance (slow start, loss) it does not emulate: `benchmarks/wide_area` does.

All links live on a loop in a thread of their own, so that what drives them may block.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

BLOCK_BYTES = 64 * 1024
IN_FLIGHT_BYTES = 16 * 1024 * 1024  # of one connection and direction, before its sender has to wait


class Line:
    """One direction of a link, shared by its connections."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self.rate_bps = 0.0  # 0: as fast as the machine
        self.carried_bytes = 0
        self._free_at = 0.0

    def arrival(self, size_bytes: int, now: float) -> float:
        """When bytes that are sent now have all arrived."""
        if self.rate_bps:
            self._free_at = max(now, self._free_at) + size_bytes * 8 / self.rate_bps
            return self._free_at + self.delay_seconds
        return now + self.delay_seconds


class Link:
    """From `port`, where it listens, to `target`, a port of loopback which may change at any time. Methods may be
    called from any thread and return when they have taken effect."""

    def __init__(self, relay: "TcpRelay", target: int, source: str) -> None:
        self.target, self._source = target, source
        self.up, self.down = Line(), Line()  # from who connects to the target, and back
        self.port = 0
        self.connections = 0  # taken so far
        self._relay = relay
        self._denied = b""
        self._whole = asyncio.Event()
        self._whole.set()
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_cut(self) -> bool:
        return not self._whole.is_set()

    def lengthen(self, round_trip_seconds: float) -> None:
        self.up.delay_seconds = self.down.delay_seconds = round_trip_seconds / 2

    def slow(self, rate_bps: float) -> None:
        self.up.rate_bps = self.down.rate_bps = rate_bps

    def deny(self, words: bytes) -> None:
        """Reset each connection on which these words go up: a request that nobody is to get through with. b"": none."""
        self._denied = words

    def cut(self) -> None:
        self._relay.call(self._set_whole(False))

    def heal(self) -> None:
        self._relay.call(self._set_whole(True))

    def refuse(self) -> None:
        """Reset what is connected, and every new connection from now on."""
        self._relay.call(self._close())

    def restore(self) -> None:
        """Listen again, at the same port."""
        self._relay.call(self.listen())

    def drop_connections(self) -> None:
        """Reset what is connected; new connections are taken."""
        self._relay.call(self._drop())

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port, limit=BLOCK_BYTES)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _set_whole(self, whole: bool) -> None:
        (self._whole.set if whole else self._whole.clear)()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._drop()

    async def _drop(self) -> None:
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # either end is gone, and so is the other then
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        # SYN and its answer; the client here was answered by loopback at once.
        await asyncio.sleep(self.up.delay_seconds + self.down.delay_seconds)
        there, back = await asyncio.open_connection(
            "127.0.0.1", self.target, limit=BLOCK_BYTES, local_addr=(self._source, 0)
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, back, self.up))
                group.create_task(self._pump(there, writer, self.down))
        except* OSError:
            pass
        finally:
            back.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line) -> None:
        """Ends with what it reads from, after the other side has it."""
        loop = asyncio.get_running_loop()
        waiting: deque[tuple[float, bytes]] = deque()
        changed = asyncio.Event()
        held = 0

        async def receive() -> None:
            nonlocal held
            block = b"-"
            while block:
                block = await reader.read(BLOCK_BYTES)
                if self._denied and line is self.up and self._denied in block:
                    raise ConnectionResetError("denied")
                waiting.append((line.arrival(len(block), loop.time()), block))
                held += len(block)
                changed.set()
                while held > IN_FLIGHT_BYTES:
                    await asyncio.sleep(0.005)

        async def send() -> None:
            nonlocal held
            while True:
                while not waiting:
                    changed.clear()
                    await changed.wait()
                due, block = waiting.popleft()
                if (left := due - loop.time()) > 0:
                    await asyncio.sleep(left)
                await self._whole.wait()
                if not block:
                    break
                writer.write(block)
                await writer.drain()
                line.carried_bytes += len(block)
                held -= len(block)
            with contextlib.suppress(OSError):
                writer.write_eof()

        async with asyncio.TaskGroup() as group:
            group.create_task(receive())
            group.create_task(send())


class TcpRelay:
    """The thread with the loop, for as long as the block."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._links: list[Link] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self._links:
            link.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def link(self, target: int) -> Link:
        # An address of its own, as each region has: servers count connections by address.
        link = Link(self, target, f"127.0.1.{len(self._links) + 1}")
        self.call(link.listen())
        self._links.append(link)
        return link

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
