"""Many lives in one node's time, with an operator who releases, rolls out, withdraws and experiments meanwhile."""

import heapq
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

from tests.truth.diary import Diary, HandedOver
from tests.truth.generations import Member
from tests.truth.in_process import InProcess
from tests.truth.life import DAY, HOUR, Life

HAND_OVER_MS = 10_000  # as a worker does

Act = Callable[[], None]
_Turn = tuple[int, int, Iterator[int]]  # when a life goes on, its index, and it


class Deed(NamedTuple):
    """What the operator does, and when."""

    at_ms: int
    act: Act


async def live(
    node: InProcess,
    diary: Diary,
    members: Sequence[Member],
    deeds: Sequence[Deed],
    fails: Callable[[str], float],
    *,
    days: int,
    seed: int,
    each_hour: Callable[[], Awaitable[None]],
    after_deed: Callable[[], Awaitable[None]],
    hand_over_ms: int = HAND_OVER_MS,
) -> None:
    """From the node's time on, for `days`. `each_hour` is called at full hours, `after_deed` after what the operator
    does, both with nothing under way; what was heard is handed over every `hand_over_ms`, a part of an hour."""
    begin, end = node.now_ms, node.now_ms + days * DAY
    diary.devices.extend(member.owner for member in members)
    lives = [Life(index, each, node, diary, fails, seed).run(end) for index, each in enumerate(members)]
    queue: list[_Turn] = []
    for index, each in enumerate(lives):
        _go_on(queue, index, each)
    planned = sorted(deeds, key=lambda deed: deed.at_ms)
    hour = begin + HOUR
    for now in range(begin + hand_over_ms, end + hand_over_ms, hand_over_ms):
        busy = bool(queue) and queue[0][0] < now
        while planned and planned[0].at_ms < now:
            await _live_until(node, queue, planned[0].at_ms)
            node.tick(planned[0].at_ms)
            planned.pop(0).act()
            await node.settle()
            await node.hand_over()  # as before each count
            diary.entries.append(HandedOver(node.now_ms))
            await after_deed()
        await _live_until(node, queue, now)
        if busy:
            await node.settle()
            node.tick(now)
            await node.hand_over()
            diary.entries.append(HandedOver(now))
        if now >= hour:
            node.tick(now)
            await each_hour()
            hour += HOUR


async def _live_until(node: InProcess, queue: list[_Turn], now_ms: int) -> None:
    while queue and queue[0][0] < now_ms:
        at, index, each = heapq.heappop(queue)
        node.tick(at)
        _go_on(queue, index, each)
        if node.is_busy:
            await node.settle()


def _go_on(queue: list[_Turn], index: int, life: Iterator[int]) -> None:
    at = next(life, None)
    if at is not None:
        heapq.heappush(queue, (at, index, life))
