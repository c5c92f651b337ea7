"""What one batch of observations adds to the figures. Pure.

Labels are numbers here, whatever gives them out. A key is (app, group, bundle, subject). Numbers by the minute are
added up to hours and days once, at the end: so an event costs one step in one dictionary, that of its minute and place.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from edge.domain.statistics.histogram import bucket_of

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
HOUR_MINUTES, DAY_HOURS = 60, 24

Key = tuple[int, int, int, int]  # app, group, bundle, subject
PlaceCounts = defaultdict[tuple[int, int, int], defaultdict[int, int]]  # by app, group and bundle, then by subject


class Added(NamedTuple):
    """How much a period's sum grows."""

    period: int  # minutes, hours or days since the epoch
    key: Key
    n: int
    total: float


class Tally:
    """`counts` is open to who counts many alike: by minute, then by the parts of the key."""

    __slots__ = ("_sketches", "_spreads", "_totals", "counts")

    def __init__(self) -> None:
        self.counts: defaultdict[int, PlaceCounts] = defaultdict(_place_counts)
        self._totals: defaultdict[tuple[int, Key], float] = defaultdict(float)
        self._sketches: defaultdict[tuple[int, Key], set[int]] = defaultdict(set)
        self._spreads: defaultdict[tuple[int, Key, int], int] = defaultdict(int)

    def add(self, at_ms: int, key: Key, n: int, value: float | None) -> None:
        """Nothing is added by `n` = 0 without a value."""
        minute = at_ms // MINUTE_MS
        if n:
            self.counts[minute][key[:3]][key[3]] += n
        if value is not None:
            self._totals[minute, key] += value

    def note_device(self, at_ms: int, key: Key, device: int) -> None:
        """One of the distinct devices of a key."""
        self._sketches[at_ms // HOUR_MS, key].add(device)

    def note_value(self, at_ms: int, key: Key, value: float, n: int) -> None:
        """Into the key's histogram; with a negative `n`, out of it again."""
        self._spreads[at_ms // HOUR_MS, key, bucket_of(value)] += n

    def minutes(self, group_of: Callable[[int], int]) -> list[Added]:
        """Sums by minute, with `group_of` each group."""
        sums: defaultdict[tuple[int, Key], list[float]] = defaultdict(lambda: [0, 0.0])
        for minute, places in self.counts.items():
            for (app, group, bundle), counts in places.items():
                group = group_of(group)
                for subject, n in counts.items():
                    sums[minute, (app, group, bundle, subject)][0] += n
        for (minute, (app, group, bundle, subject)), value in self._totals.items():
            sums[minute, (app, group_of(group), bundle, subject)][1] += value
        return _sorted(sums)

    def hours(self) -> list[Added]:
        """Sums by hour."""
        sums: defaultdict[tuple[int, Key], list[float]] = defaultdict(lambda: [0, 0.0])
        for minute, places in self.counts.items():
            hour = minute // HOUR_MINUTES
            for place, counts in places.items():
                for subject, n in counts.items():
                    sums[hour, (*place, subject)][0] += n
        for (minute, key), value in self._totals.items():
            sums[minute // HOUR_MINUTES, key][1] += value
        return _sorted(sums)

    def sketches(self) -> Iterator[tuple[int, Key, set[int]]]:
        """The devices of each hour and key."""
        for (hour, key), devices in sorted(self._sketches.items(), key=lambda each: each[0]):
            yield hour, key, devices

    def spreads(self) -> list[tuple[int, Key, int, int]]:
        """Hour, key, bucket and how many more."""
        return [(*place, n) for place, n in sorted(self._spreads.items()) if n]


def _place_counts() -> PlaceCounts:
    return defaultdict(_subject_counts)


def _subject_counts() -> defaultdict[int, int]:
    return defaultdict(int)


def days_of(hours: list[Added]) -> list[Added]:
    """Sums by day from those by hour."""
    sums: defaultdict[tuple[int, Key], list[float]] = defaultdict(lambda: [0, 0.0])
    for hour, key, n, total in hours:
        both = sums[hour // DAY_HOURS, key]
        both[0] += n
        both[1] += total
    return _sorted(sums)


def _sorted(sums: dict[tuple[int, Key], list[float]]) -> list[Added]:
    # In the order of the tables' keys: neighbours are on one page.
    found = [Added(period, key, int(n), total) for (period, key), (n, total) in sums.items() if n or total]
    found.sort(key=lambda each: (each.key[0], each.period, each.key[1:]))
    return found
