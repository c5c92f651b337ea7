"""Answers of the API that pages are given again for some seconds: an overview asks for those of each app, several
people look at the same page, and one that is open looks again every few seconds.

What is known of an answer is its question, the roles of whom it was given to, and the heads that this
process knows: a change made here is seen at once, and nobody is shown what another token may read.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import partial
from typing import Any, NamedTuple

ANSWERS_LIMIT = 1_000  # of some kB each; then those asked longest ago are forgotten
# The state of a head does not change, and heads are read again with the list of apps, which every page has: what other
# writers change is seen after as many seconds as that is remembered.
REMEMBERED_SECONDS: Mapping[str, float] = {
    "list_apps": 4.0,
    "show_app": 600.0,
    "show_channel": 4.0,
    "show_rollout": 4.0,
    "show_figures": 4.0,
    "show_guard": 4.0,
    "read_experiment": 4.0,
}
COUNTED = frozenset({"show_figures", "show_guard", "read_experiment"})
COUNTING_AT_ONCE = 6  # questions about counts of all pages of the node: more would only wait, and take others' places


class Recalled(NamedTuple):
    """`at` is when it was asked for, by whoever asked first, in seconds since the epoch."""

    value: Any
    at: float


class _Known(NamedTuple):
    making: "asyncio.Task[Any]"
    at: float
    ends: float


class AnswerMemory:
    """Of one node; belongs to the loop. `clock` is in seconds, and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Hashable, _Known] = {}
        self._counting = asyncio.Semaphore(COUNTING_AT_ONCE)

    async def answer(self, name: str, key: Hashable, now: float, ask: Callable[[], Awaitable[Any]]) -> Recalled:
        """To a question of REMEMBERED_SECONDS. Raises what `ask` raises, which is not remembered."""
        at = self._clock()
        found = self._known.get((name, key))
        if found is None or found.ends <= at:
            making = asyncio.ensure_future(self._ask(name, ask))
            found = _Known(making, now, at + REMEMBERED_SECONDS[name])
            self._known.pop((name, key), None)
            self._known[name, key] = found  # as the one asked last
            making.add_done_callback(partial(self._made, (name, key)))
            self._forget(at)
        return Recalled(await asyncio.shield(found.making), found.at)

    async def _ask(self, name: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        if name not in COUNTED:
            return await ask()
        async with self._counting:
            return await ask()

    def _made(self, key: Hashable, making: "asyncio.Task[Any]") -> None:
        failed = making.cancelled() or making.exception() is not None
        known = self._known.get(key)
        if failed and known is not None and known.making is making:
            del self._known[key]

    def _forget(self, at: float) -> None:
        """The oldest, if there are too many, and before them whatever has ended."""
        while self._known:
            oldest = next(iter(self._known))
            if len(self._known) <= ANSWERS_LIMIT and self._known[oldest].ends > at:
                return
            del self._known[oldest]
