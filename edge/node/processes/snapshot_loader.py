"""Keeps what a worker serves up to date: builds revisions off the loop, one at a time, and swaps them in.

An app that devices ask for, or that was loaded before, is served from memory. Every other app is read once in the
background, so that damage is found before a device meets it, and is then let go of. What is damaged is left out, named
in the damages, and tried again until it can be read.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from itertools import islice

from edge.domain.model import AppId
from edge.node.service.snapshots.builder import Loaded, SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.damage import Damage, Grain
from edge.store.heads import Head

RETRY_SECONDS = 60.0  # how late a worker notices that what was damaged can be read again
# Loaded before the worker serves, so that a small node is never slow; a large one is ready in time all the same.
EAGER_LIMIT = 100
EAGER_SECONDS = 1.0
KEPT_LIMIT = 250  # apps that stay loaded although nobody asked for them: at 140 kB each, 35 MB a worker
ANNOUNCED_LIMIT = 8  # apps of one message that are read before it is acknowledged; a publish names one, a cold copy all
PAUSE_SHARE = 4.0  # of the time that a build in the background takes: it leaves four fifths of a core to requests

GRAINS: tuple[Grain, ...] = ("app", "revision", "bundle", "overrides", "id_set")  # what building an app can find


class SnapshotLoader:
    """Belongs to the loop. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        builder: SnapshotBuilder,
        served: ServedSnapshots,
        *,
        kept_limit: int = KEPT_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._builder = builder
        self._served = served
        self._kept_limit = kept_limit
        self._clock = clock
        self._building = asyncio.Lock()
        self._unread: dict[AppId, None] = {}  # to be read in the background, in this order
        self._damaged: set[AppId] = set()
        self._outdated: set[AppId] = set()  # built with other terms
        self._kept = 0  # loaded without having been asked for

    @property
    def unread(self) -> int:
        """Apps that are yet to be read, the one in progress included."""
        return len(self._unread) + self._building.locked()

    async def start(self, heads: Mapping[AppId, Head], limit: int = EAGER_LIMIT) -> None:
        """Know every app, and load the first ones; `run` reads the others."""
        self._served.learn(heads)
        self._unread = dict.fromkeys(heads)
        end = self._clock() + EAGER_SECONDS
        for app in list(islice(heads, limit)):
            await self._load(app)
            if self._clock() >= end:
                break

    async def load(self, heads: Mapping[AppId, Head]) -> list[Damage]:
        """Returns when every next request is answered from these revisions, or from newer ones, as far as they can be
        read; with what is damaged in them. Of many apps, those that are not loaded are read later."""
        self._served.learn(heads)
        for number, app in enumerate(heads):
            if number < ANNOUNCED_LIMIT or self._served.snapshot(app) is not None:
                await self._load(app)
            else:
                self._unread[app] = None
        return [damage for app in heads for damage in self._served.damages.of(app) if damage.grain in GRAINS]

    async def judge_again(self, changed: Collection[str]) -> None:
        """Returns when no next request is offered what these blobs have become useless for, or is again."""
        for app in await asyncio.to_thread(self._served.apps_with, changed):
            self._damaged.add(app)
            await self._load(app)

    def choose_again(self) -> None:
        """Have `run` build every loaded app again, with the builder's new terms; at the latest after its next retry."""
        loaded = self._served.loaded_apps()
        self._outdated.update(loaded)
        self._unread |= dict.fromkeys(loaded)

    async def run(self, retry_seconds: float = RETRY_SECONDS) -> None:
        """Until cancelled: load what is asked for; besides, read every app once, and again what is damaged."""
        asks, retry_at = self._served.asks, self._clock() + retry_seconds
        while True:
            if (app := asks.first()) is not None:
                await self._load(app)
                asks.settle(app)
            elif (app := next(iter(self._unread), None)) is not None:
                begun = self._clock()
                await self._load(app)
                await asks.arrive((self._clock() - begun) * PAUSE_SHARE)
            else:
                await asks.arrive(max(0.0, retry_at - self._clock()))
            if self._clock() >= retry_at:
                self._unread |= dict.fromkeys(self._damaged)
                retry_at = self._clock() + retry_seconds

    async def _load(self, app: AppId) -> None:
        async with self._building:
            self._unread.pop(app, None)
            loaded = await asyncio.to_thread(self._build, app)
            self._outdated.discard(app)
            if loaded is not None:
                self._take(app, loaded)

    def _build(self, app: AppId) -> Loaded | None:
        """None where the newest known revision is served whole."""
        served, head = self._served.snapshot(app), self._served.head(app)
        if head is None or (served and served.revision >= head.revision and app not in self._damaged | self._outdated):
            return None
        return self._builder.load(app, head, time.time(), served)

    def _take(self, app: AppId, loaded: Loaded) -> None:
        snapshot, damages = loaded
        if snapshot is None:
            self._served.miss(app)
        elif self._is_kept(app):
            self._served.swap([snapshot])
        else:
            self._served.let_go(app)
            self._builder.forget(app)
        self._served.damages.replace(app, GRAINS, damages)
        (self._damaged.add if damages else self._damaged.discard)(app)

    def _is_kept(self, app: AppId) -> bool:
        """Whether what was built is served, rather than built again when a device asks for it."""
        if self._served.snapshot(app) is not None or app in self._served.asks:
            return True
        if self._kept >= self._kept_limit:
            return False
        self._kept += 1
        return True
