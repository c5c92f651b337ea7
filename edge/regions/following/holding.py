"""Holds a new release back from the workers until the files that it offers are here; the old one is offered meanwhile.

Only what does nothing but begin to offer something newer waits: a withdrawal, a pause or a way back never does.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, AppState, Channel, VersionName
from edge.domain.states import served_of
from edge.regions.following.copying import StoreCopy
from edge.regions.following.fetching import BUILD_WAITS, BlobFetcher, Came
from edge.regions.following.needs import blobs_of, offered_now
from edge.regions.following.transfer import WantedBlob
from edge.store.heads import Head

STALLED_SECONDS = 60.0  # without a byte from the source: then the release is offered, and devices' requests pull
HELD_SECONDS = 1800.0  # at most, however its bytes trickle
AGAIN_SECONDS = 1.0  # between two looks at what has arrived


class HeldBack(NamedTuple):
    """A release that is told once `wanted` are here."""

    app: AppId
    head: Head
    wanted: list[WantedBlob]


class ReleaseHolding:
    """Belongs to the loop. `told` are the heads that workers were told last, by app."""

    def __init__(
        self,
        copy: StoreCopy,
        fetcher: BlobFetcher,
        monotonic: Callable[[], float] = time.monotonic,
        pause_seconds: float = AGAIN_SECONDS,
    ) -> None:
        self.told: dict[AppId, Head] = {}
        self.pause_seconds = pause_seconds
        self._copy = copy
        self._fetcher = fetcher
        self._monotonic = monotonic
        self._latest: dict[AppId, Head] = {}

    async def sort(
        self, news: Mapping[AppId, Head], before: Mapping[AppId, Head]
    ) -> tuple[dict[AppId, Head], list[HeldBack]]:
        """What is told now, and what is held back; `before` are the heads that an earlier process told."""
        self._latest |= news
        held = await asyncio.to_thread(self._find_held, news, {**before, **self.told})
        later = {each.app for each in held}
        now = {app: head for app, head in news.items() if app not in later}
        for app in later & before.keys():
            self.told.setdefault(app, before[app])
        self.told |= now
        return now, held

    async def wait(self, held: HeldBack) -> bool:
        """Until the files are here, or come no more; returns whether the release is still the latest."""
        began = moved = self._monotonic()
        arrived, lost = self._fetcher.arrived_bytes, True
        while lost and self._is_latest(held):
            fetching = asyncio.ensure_future(self._fetcher.fetch_all(held.wanted, BUILD_WAITS))
            while not fetching.done() and self._is_latest(held):
                await asyncio.wait({fetching}, timeout=self.pause_seconds)
                now = self._monotonic()
                if self._fetcher.arrived_bytes != arrived:
                    arrived, moved = self._fetcher.arrived_bytes, now
                if now - moved >= STALLED_SECONDS or now - began >= HELD_SECONDS:
                    fetching.cancel()
                    return self._tell(held)
            lost = fetching.done() and Came.LOST in fetching.result().values()
            fetching.cancel()
            if lost:
                await asyncio.sleep(self.pause_seconds)
        return self._tell(held)

    def _is_latest(self, held: HeldBack) -> bool:
        return self._latest.get(held.app) == held.head

    def _tell(self, held: HeldBack) -> bool:
        if not self._is_latest(held):
            return False
        self.told[held.app] = held.head
        return True

    def _find_held(self, news: Mapping[AppId, Head], told: Mapping[AppId, Head]) -> list[HeldBack]:
        """In a thread. What cannot be compared is told."""
        found: list[HeldBack] = []
        for app, head in news.items():
            known = told.get(app)
            if known is None or known == head:
                continue
            with suppress(EdgeError, OSError):
                state = self._copy.read(app, head)
                blobs = (blob for bundle in offered_now(state) for blob in blobs_of(self._copy.mirror, bundle))
                wanted = self._fetcher.missing(dict.fromkeys(blobs))
                if wanted and only_begins(self._copy.read(app, known), state):
                    found.append(HeldBack(app, head, wanted))
        return found


def only_begins(before: AppState, after: AppState) -> bool:
    """Whether nothing was done to the app since but publishing, and offering what is newer than all that the channel
    offered."""
    alike = replace(before, revision=after.revision, bundles=after.bundles, channels=after.channels)
    if replace(alike, recent=after.recent) != after or not before.channels.keys() <= after.channels.keys():
        return False
    for name, bundle in before.bundles.items():
        if name not in after.bundles or after.bundles[name].withdrawn != bundle.withdrawn:
            return False
    return all(
        channel == after.channels[name] or _begins(before, channel, after, after.channels[name])
        for name, channel in before.channels.items()
    )


def _begins(before: AppState, channel: Channel, after: AppState, changed: Channel) -> bool:
    if changed.rolled_back or changed.taken_back != channel.taken_back:
        return False
    if channel.rollout is not None and channel.rollout.phase.is_active and changed.rollout != channel.rollout:
        return False
    if channel.experiment is not None and changed.experiment != channel.experiment:
        return False
    offered = _offered(before, channel)
    new = _offered(after, changed) - offered
    newest = max((before.bundles[name].published for name in offered if name in before.bundles), default=0.0)
    return bool(new) and all(name in after.bundles and after.bundles[name].published > newest for name in new)


def _offered(state: AppState, channel: Channel) -> set[VersionName]:
    found = {served_of(state, channel)} - {None}
    if channel.rollout is not None and channel.rollout.phase.is_active:
        found.add(channel.rollout.bundle)
    if channel.experiment is not None:
        found |= {arm.bundle for arm in channel.experiment.arms}
    return {name for name in found if name is not None}
