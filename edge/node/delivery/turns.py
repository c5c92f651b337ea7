"""The files that are being sent over plain connections, in turns: no coroutine, future or timer for a wait.

A transfer is in a queue as long as its peer keeps up. Each turn sends what the kernel accepts, up to TURN_BYTES, and
puts the transfer behind all others; after ROUND_BYTES the loop's other work has its turn. A peer that falls behind
leaves the queue: from then on the loop tells when its socket is writable, and each time gives it one turn.
One timer looks at the pace of all.
"""

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

from edge.node.delivery.pace import Pace, Patience, unacknowledged

TURN_BYTES = 512 * 1024  # of one transfer before all others have had a turn: about 70 µs of the kernel's work
ROUND_BYTES = 2 * 1024 * 1024  # of all in the queue before the loop's other work, an update check for example
CALL_BYTES = 16 * 1024  # of a round that any turn uses up: what could be sent in the time of a call that sends nothing
LOOKS = 256  # at transfers before the loop's other work: each takes 2 µs

# Ways the kernel reports a dead connection. Untranslated, ETIMEDOUT would look like a timeout of ours.
_GONE = {
    errno.ECONNABORTED,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
}


class Altered(Exception):
    """The file was changed while it was sent: our store's fault. The answer's last bytes are withheld."""


class Truncated(Altered):
    """The file is shorter than the answer's headers promised. The answer cannot be completed."""


class Transfer:
    """`count` bytes of `fd` from `offset`, for the socket `out`, which is a duplicate of the transport's.

    `done` ends with it: with an exception if it fails. `sent` bytes of it so far; `waits` once the loop watches `out`.
    """

    __slots__ = (
        *("_fd", "_intact", "_left", "_offset", "_pace", "_transport"),
        *("done", "out", "patience", "sent", "waits"),
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        out: int,
        part: tuple[int, int, int],
        patience: Patience,
        intact: Callable[[], bool],
        done: "asyncio.Future[None]",
    ) -> None:
        self._transport = transport
        self._fd, self._offset, self._left = part
        self._intact = intact
        self.sent = 0
        self._pace: Pace | None = None  # until the first look
        self.out = out
        self.patience = patience
        self.done = done
        self.waits = False

    def take_turn(self) -> int:
        """Send up to TURN_BYTES, after what the transport still buffers. Returns the bytes sent: 0 if the kernel takes
        none now, or if the transfer ends so. Whatever goes wrong ends this transfer and no other: it raises nothing."""
        try:
            return self._send()
        except Exception as error:
            self.fail(error)
            return 0

    def _send(self) -> int:
        if self._transport.is_closing():  # our duplicate would keep the connection alive
            self.fail(ConnectionResetError("the connection is closing"))
            return 0
        if self._transport.get_write_buffer_size():
            return 0
        wanted = min(self._left, TURN_BYTES)
        if wanted == self._left and not self._intact():
            self.fail(Altered(f"the file changed before its last {self._left} bytes"))
            return 0
        try:
            sent = os.sendfile(self.out, self._fd, self._offset, wanted) if wanted else 0
        except BlockingIOError:
            return 0
        except OSError as error:
            self.fail(_translated(error))
            return 0
        if wanted and not sent:
            self.fail(Truncated(f"the file ends {self._left} bytes early"))
            return 0
        self._offset += sent
        self.sent += sent
        self._left -= sent
        if not self._left:
            self.done.set_result(None)
        return sent

    def look(self, now: float) -> None:
        """End it if the peer is gone or too slow; `now` in seconds of a monotonic clock. Raises nothing, as a turn."""
        if self.done.done():
            return
        try:
            self._check_pace(now)
        except Exception as error:
            self.fail(error)

    def _check_pace(self, now: float) -> None:
        if self._transport.is_closing():
            self.fail(ConnectionResetError("the connection is closing"))
            return
        taken = self.sent - self._transport.get_write_buffer_size() - unacknowledged(self.out)
        if self._pace is None:
            self._pace = Pace(now, taken, *self.patience)
            return
        self._pace.check(now, taken)

    def fail(self, error: Exception) -> None:
        """End it with this, unless it has ended."""
        if not self.done.done():
            self.done.set_exception(error)


class TransferQueue:
    """The transfers of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: set[Transfer] = set()
        self._queue: deque[Transfer] = deque()
        self._running = False
        self._timer: asyncio.TimerHandle | None = None

    async def carry(self, transfer: Transfer) -> None:
        """Returns when all of it is sent. Raises what `Transfer.done` does."""
        self._open.add(transfer)
        self._queue.append(transfer)
        if not self._running:
            self._running = True
            self._loop.call_soon(self._run)
        self._look_within(transfer.patience.wake_seconds)
        try:
            await transfer.done
        finally:
            self._open.remove(transfer)
            if transfer.waits:  # before it is closed, or epoll keeps reporting a dead descriptor
                self._loop.remove_writer(transfer.out)

    def _run(self) -> None:
        """One round of the queue. The next one is sure, whatever happens in this: without it no transfer goes on."""
        queue, left = self._queue, ROUND_BYTES
        try:
            while queue and left > 0:
                transfer = queue.popleft()
                if transfer.done.done():  # cancelled
                    continue
                sent = transfer.take_turn()
                left -= sent + CALL_BYTES
                if transfer.done.done():
                    continue
                if sent:
                    queue.append(transfer)
                else:
                    self._wait(transfer)
        finally:
            if queue:
                self._loop.call_soon(self._run)
            else:
                self._running = False

    def _wait(self, transfer: Transfer) -> None:
        try:
            self._loop.add_writer(transfer.out, _take_turn, transfer)
        except Exception as error:  # the machine has no room for another watched descriptor
            transfer.fail(error)
        else:
            transfer.waits = True

    def _look_within(self, seconds: float) -> None:
        """Look at all transfers then at the latest, and again as long as there are some."""
        when = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        self._look_on(list(self._open), self._loop.time())

    def _look_on(self, rest: list[Transfer], now: float) -> None:
        for transfer in rest[:LOOKS]:
            transfer.look(now)
        if rest := rest[LOOKS:]:
            self._loop.call_soon(self._look_on, rest, now)
        elif self._open:
            self._look_within(min(transfer.patience.wake_seconds for transfer in self._open))


_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, TransferQueue] = WeakKeyDictionary()


def queue_of(loop: asyncio.AbstractEventLoop) -> TransferQueue:
    """Those of the loop, which all its transfers share."""
    queue = _queues.get(loop)
    if queue is None:
        queue = _queues[loop] = TransferQueue(loop)
    return queue


def _take_turn(transfer: Transfer) -> None:
    if not transfer.done.done():
        transfer.take_turn()


def _translated(error: OSError) -> Exception:
    return ConnectionResetError(error.errno, error.strerror) if error.errno in _GONE else error
