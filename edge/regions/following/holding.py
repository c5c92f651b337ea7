"""How long a new revision waits for the files that it offers, while what was offered before goes on being offered.

Only what does nothing but begin to offer something newer waits until they are here: a withdrawal, a pause or a way back
never does.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, AppState, Channel, VersionName
from edge.domain.states import served_of
from edge.regions.following.bringing import AppBringer
from edge.regions.following.copying import StoreCopy
from edge.regions.following.fetching import BUILD_WAITS, BlobFetcher, Came
from edge.regions.following.transfer import WantedBlob
from edge.store.heads import Head

OFFERED_WAIT_SECONDS = 1.0  # of what does not begin something newer, for what it offers
STALLED_SECONDS = 60.0  # without a byte from a source that answers: then it is told without its files
HELD_SECONDS = 1800.0  # at most, while the source answers, however its bytes trickle
AGAIN_SECONDS = 1.0  # between two looks at what has arrived
AGAIN_PAUSES = 8  # of those at most until files are asked for again that a source did not give
LACKED_LIMIT = 64  # missing files of one release that are proven missing before it is told; the others, when asked for


async def _say_nothing(digest: str, app: str) -> None:
    return None


class ReleaseHolding:
    """Belongs to the loop. `lacks` is told of files that a release is told without, by digest and app, and returns when
    the node offers nothing that needs them. `answers` is whether the source does."""

    def __init__(
        self,
        copy: StoreCopy,
        fetcher: BlobFetcher,
        bringer: AppBringer,
        answers: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
        pause_seconds: float = AGAIN_SECONDS,
    ) -> None:
        self.lacks: Callable[[str, str], Awaitable[object]] = _say_nothing
        self.pause_seconds = pause_seconds
        self._copy = copy
        self._fetcher = fetcher
        self._bringer = bringer
        self._answers = answers
        self._monotonic = monotonic

    async def wait(self, app: AppId, served: Head | None, state: AppState) -> None:
        """Returns when the revision may be told in place of the `served` one."""
        wanted = await asyncio.to_thread(self._bringer.missing, state)
        if not wanted:
            return
        if not await asyncio.to_thread(self._holds, app, served, state):
            fetching = asyncio.ensure_future(self._fetcher.fetch_missing(wanted, BUILD_WAITS))
            await asyncio.wait({fetching}, timeout=OFFERED_WAIT_SECONDS)
            fetching.cancel()  # the transfers go on
            return
        await self._until_here(wanted)
        lacking = await asyncio.to_thread(self._fetcher.missing, wanted)
        await asyncio.gather(*(self.lacks(each.digest, app) for each in lacking[:LACKED_LIMIT]))

    async def _until_here(self, wanted: list[WantedBlob]) -> None:
        """Or until they come no more. While the source does not answer, nothing else can be offered in their place, and
        no time passes."""
        held = still = 0.0
        arrived, last, lost, pause = self._fetcher.arrived_bytes, self._monotonic(), True, self.pause_seconds
        while lost:
            fetching = asyncio.ensure_future(self._fetcher.fetch_all(wanted, BUILD_WAITS))
            try:
                while not fetching.done():
                    await asyncio.wait({fetching}, timeout=self.pause_seconds)
                    now, come = self._monotonic(), self._fetcher.arrived_bytes
                    passed = now - last if self._answers() else 0.0
                    held, still = held + passed, still + passed if come == arrived else 0.0
                    arrived, last = come, now
                    if still >= STALLED_SECONDS or held >= HELD_SECONDS:
                        return
                lost = Came.LOST in fetching.result().values()
            finally:
                fetching.cancel()
            if lost:
                await asyncio.sleep(pause)
                pause = min(2 * pause, AGAIN_PAUSES * self.pause_seconds)

    def _holds(self, app: AppId, served: Head | None, state: AppState) -> bool:
        """In a thread. What cannot be compared is told."""
        if served is None:
            return False
        try:
            return only_begins(self._copy.read(app, served), state)
        except (EdgeError, OSError):
            return False


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
