"""Group commit: appends of many callers are written together, and each caller wakes when its own is durable.

One thread writes and syncs, never the loop's; everything that arrives during a sync, or in one turn of the loop, shares
the next one. The queue is bounded by items and by bytes, and refuses at once beyond that. A failed group fails its own
callers alone; the next group is tried again. Where it is not the disk that fails, each append of the group is tried by
itself: what one peer can send must not fail others'. What an append holds and where it goes is the target's business.
"""

import asyncio
import contextlib
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

IDLE_SECONDS = 60.0  # how late a quiet target notices that it has something to do
UNLIMITED = sys.maxsize

Append = TypeVar("Append")
AppendIn = TypeVar("AppendIn", contravariant=True)
Settled = Callable[[Exception | None], None]


class QueueFull(Exception):
    """More waits for the disk than the limits allow."""

    def __init__(self, items: int, size_bytes: int) -> None:
        super().__init__(f"{items} items, {size_bytes} bytes are waiting for the disk")
        self.items, self.size_bytes = items, size_bytes


class QueueClosed(Exception):
    """The queue takes no more appends."""


class GroupTarget(Protocol[AppendIn]):
    """Where groups go. Every method runs on the committing thread."""

    def commit(self, group: Sequence[AppendIn]) -> None:
        """Write the appends in order and sync them. Raises: then none of them counts."""

    def tend(self) -> float:
        """Do what is due besides commits, after each group and each idle wait. Returns seconds: the longest wait until
        the next call."""

    def close(self) -> None:
        """Called once, after the last group."""


class CommitLimits(NamedTuple):
    """How much may wait for the disk, and at what size a group ends; a group may exceed its size by one append."""

    queue_items: int
    queue_bytes: int = UNLIMITED
    group_items: int = UNLIMITED
    group_bytes: int = UNLIMITED


class _Signal(Enum):
    WAKE = 1
    CLOSE = 2


class _Waiting(NamedTuple, Generic[Append]):
    append: Append
    items: int
    size_bytes: int
    settled: Settled


class GroupCommit(Generic[Append]):
    """For one event loop. `committed`, `failed` and `refused` count items."""

    def __init__(
        self,
        target: GroupTarget[Append],
        limits: CommitLimits,
        *,
        name: str,
        translate: Callable[[Exception], Exception],
    ) -> None:
        """Starts a thread called `name`. `translate` makes what a caller gets of what the target raised, once for each
        caller: a shared exception would gather every caller's traceback."""
        self.committed = self.failed = self.refused = 0
        self._target, self._limits, self._translate = target, limits, translate
        self._waiting: deque[_Waiting[Append]] = deque()
        self._signals: queue.SimpleQueue[_Signal] = queue.SimpleQueue()
        self._signalled = False  # on the loop: the appends of this turn will be
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting_items = self._waiting_bytes = 0  # changed on the loop alone
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, append: Append, items: int, size_bytes: int = 0) -> asyncio.Future[None]:
        """The future is done when the append is durable, and raises what `translate` made when it is not. Cancelling it
        does not take the append back. Raises QueueFull, QueueClosed: then nothing is queued."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.submit(append, items, size_bytes, partial(settle, done))
        return done

    def submit(self, append: Append, items: int, size_bytes: int, settled: Settled) -> None:
        """As `put`, for who needs no future: `settled` is called once, on the loop and in a later turn of it, with None
        or with what a future would raise."""
        limits = self._limits
        if self._closed:
            self.refused += items
            raise QueueClosed
        if self._waiting_items + items > limits.queue_items or self._waiting_bytes + size_bytes > limits.queue_bytes:
            self.refused += items
            raise QueueFull(self._waiting_items, self._waiting_bytes)
        self._waiting_items += items
        self._waiting_bytes += size_bytes
        self._waiting.append(_Waiting(append, items, size_bytes, settled))
        if not self._signalled:
            # Not at once: to wake the thread for each append costs more than the append, and makes groups of one.
            self._signalled = True
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._signal)

    def _signal(self) -> None:
        self._signalled = False
        self._signals.put(_Signal.WAKE)

    def wake(self) -> None:
        """Have the target tended soon. Raises QueueClosed."""
        if self._closed:
            raise QueueClosed
        self._signals.put(_Signal.WAKE)

    async def close(self) -> None:
        """Commit what waits, close the target, end the thread. Appends from now on are refused."""
        if not self._closed:
            self._closed = True
            self._signals.put(_Signal.CLOSE)
        await asyncio.to_thread(self._thread.join)

    def _settle(self, group: list[_Waiting[Append]], error: Exception | None) -> None:
        """On the loop: free the group's place in the queue and wake its callers."""
        items = sum(waiting.items for waiting in group)
        self._waiting_items -= items
        self._waiting_bytes -= sum(waiting.size_bytes for waiting in group)
        if error is None:
            self.committed += items
        else:
            self.failed += items
        for waiting in group:
            try:
                waiting.settled(self._translate(error) if error else None)
            except Exception as bug:  # the others' appends are settled all the same, as futures' callbacks are
                message = f"a caller of {self._thread.name} failed when it was told"
                asyncio.get_running_loop().call_exception_handler({"message": message, "exception": bug})

    def _run(self) -> None:
        """The thread: one group after the other until closed and drained."""
        wait_seconds, closing = IDLE_SECONDS, False
        while self._waiting or not closing:
            if not self._waiting:
                closing = self._await_signal(wait_seconds) or closing
            for part, error in self._committed(self._next_group()):
                assert self._loop is not None, "nothing waits before the first append"
                with contextlib.suppress(RuntimeError):  # the loop is closed: no caller waits any more
                    self._loop.call_soon_threadsafe(self._settle, part, error)
            if not closing:
                wait_seconds = self._target.tend()
        self._target.close()

    def _await_signal(self, wait_seconds: float) -> bool:
        """Until something may wait, or nothing has for so long. Returns whether the queue was closed."""
        try:
            return self._signals.get(timeout=wait_seconds) is _Signal.CLOSE
        except queue.Empty:
            return False

    def _next_group(self) -> list[_Waiting[Append]]:
        """Everything that waits now, up to a group's limit."""
        group: list[_Waiting[Append]] = []
        items = size_bytes = 0
        while self._waiting and items < self._limits.group_items and size_bytes < self._limits.group_bytes:
            waiting = self._waiting.popleft()
            group.append(waiting)
            items += waiting.items
            size_bytes += waiting.size_bytes
        return group

    def _committed(self, group: list[_Waiting[Append]]) -> Iterator[tuple[list[_Waiting[Append]], Exception | None]]:
        """Parts of the group, each with what became of it."""
        error = self._commit(group) if group else None
        if error is None or isinstance(error, OSError) or len(group) == 1:
            yield from [(group, error)] if group else []
            return
        for each in group:
            yield [each], self._commit([each])

    def _commit(self, group: list[_Waiting[Append]]) -> Exception | None:
        try:
            self._target.commit([waiting.append for waiting in group])
        except Exception as error:  # the thread's boundary: any error belongs to those who wait
            return error
        return None


def settle(done: asyncio.Future[None], error: Exception | None) -> None:
    """Wake the caller that waits for the future, if it still does. On its loop."""
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
