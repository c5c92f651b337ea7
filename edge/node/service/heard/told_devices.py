"""Which devices go with which kind of check, in an order that tells what each was last heard of with. Pure.

A device may have been heard of in several ways since the last hand-over. So what is handed over comes in rounds: in the
first each device is with what it was first heard of with, in the next with what came then, and in the last one with its
latest.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from edge.node.service.heard.check_notes import TakenChecks
from edge.node.service.heard.kinds import CheckLabels

ROUNDS_LIMIT = 8  # of a device that changes more often in some seconds, the changes in the middle are left out


class NotedChecks(NamedTuple):
    """`n` checks that are alike, and the keys of devices among them, 8 bytes each."""

    at: float  # in seconds since the epoch
    labels: CheckLabels
    segments: tuple[str, ...]
    n: int
    devices: bytes


def noted_of(taken: TakenChecks) -> Iterator[NotedChecks]:
    """All checks, and all devices in their rounds."""
    first, *later = _rounds(taken)
    for number, (n, of) in enumerate(zip(taken.counts, taken.of, strict=True)):
        if of is not None and (n or number in first):
            yield NotedChecks(taken.at, *of, n, _packed(first.get(number, [])))
    for each in later:
        for number, keys in each.items():
            of = taken.of[number]
            assert of is not None, "number 0 has no devices"
            yield NotedChecks(taken.at, *of, 0, _packed(keys))


def _rounds(taken: TakenChecks) -> list[dict[int, list[int]]]:
    """The keys in each round, by number."""
    rounds: list[dict[int, list[int]]] = [defaultdict(list)]
    came: dict[int, int] = {}
    latest: dict[int, int] = {}
    for key, number in zip(taken.keys, taken.numbers, strict=True):
        times = came[key] = came.get(key, 0) + 1
        if times >= ROUNDS_LIMIT:
            latest[key] = number
            continue
        if times > len(rounds):
            rounds.append(defaultdict(list))
        rounds[times - 1][number].append(key)
    if latest:
        rounds.append(defaultdict(list))
        for key, number in latest.items():
            rounds[-1][number].append(key)
    return rounds


def _packed(keys: list[int]) -> bytes:
    return struct.pack(f"<{len(keys)}q", *keys)
