"""Answers about figures that are given again while nothing was counted since: several people watch the same page.

A question of a bundle that a million devices run takes seconds, and there are two threads for all of them. Of one
question at most one answer is being made at a time; who asks meanwhile shares the next one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

REMEMBERED_ANSWERS = 32  # and not those of more than `REMEMBERED_BYTES`: 32 MiB at most
REMEMBERED_BYTES = 1 << 20
REMEMBERED_SECONDS = 10.0  # figures of the last 24 hours say until when they are: until so long ago, then


@dataclass(slots=True, eq=False)
class _Remembered:
    """`version` is that of the figures when the answer's making began, in seconds `at`; None: it has not begun."""

    making: "asyncio.Task[bytes] | None" = None
    version: Hashable | None = None
    at: float = 0.0


class RememberedAnswers:
    """Belongs to the loop. `version` is equal as long as the figures are the same; `clock` is in seconds, and never
    goes back."""

    def __init__(self, version: Callable[[], Hashable], clock: Callable[[], float] = time.monotonic) -> None:
        self._version = version
        self._clock = clock
        self._known: dict[Hashable, _Remembered] = {}

    async def answer(self, question: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Of figures as they are now, or later. Raises what `make` raises, which is not remembered."""
        found = self._known.pop(question, None)
        if found is None or not self._serves(found):
            before, found = found, _Remembered()
            found.making = asyncio.ensure_future(self._make(question, found, before, make))
        self._known[question] = found  # as the one asked last
        if len(self._known) > REMEMBERED_ANSWERS:
            del self._known[next(iter(self._known))]
        assert found.making is not None, "it has just been begun, or was before"
        return await asyncio.shield(found.making)

    def _serves(self, known: _Remembered) -> bool:
        if known.version is None:
            return True
        is_new = known.making is None or not known.making.done() or self._clock() - known.at < REMEMBERED_SECONDS
        return is_new and known.version == self._version()

    async def _make(
        self, question: Hashable, this: _Remembered, before: _Remembered | None, make: Callable[[], Awaitable[bytes]]
    ) -> bytes:
        if before is not None and before.making is not None:
            await asyncio.wait({before.making})
        this.version, this.at = self._version(), self._clock()
        keep = False
        try:
            found = await make()
            keep = len(found) <= REMEMBERED_BYTES
            return found
        finally:
            if not keep and self._known.get(question) is this:
                del self._known[question]
