"""Takes head shards from the source: verified, then what they newly name, each app for itself.

The copy has a shard when its look ends. Apps whose revisions or files are not here by then are held
(`store.held_heads`): they are served as before, also by the next process, and told once they have come. A fork that is
found by then refuses the whole shard, and with it every app in it: somebody signed two histories.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from typing import NamedTuple

from edge.domain.errors import EdgeError
from edge.domain.model import AppId
from edge.regions.following.bringing import AppBringer
from edge.regions.following.chain import FORKED
from edge.regions.following.copying import StoreCopy
from edge.regions.following.fetching import BlobFetcher
from edge.regions.following.holding import ReleaseHolding
from edge.regions.source import SourceLost
from edge.store.heads import SHARDS, Head, Heads
from edge.store.held_heads import Apps, HeldHead, HeldHeads
from edge.store.objects.port import head_key

APPS_AT_ONCE = 16  # brought at once of all shards; a cold region brings all
BRING_SECONDS = 60.0  # for the revisions of one app since the last look; after that others have their turn
LOOK_SECONDS = 2.0  # that a look waits for what it began; the rest is told when it is here
CHAIN_SECONDS = 8.0  # and then for the proof that an app's revisions follow the known ones: it may show a fork
LAND_SHARE = 10.0  # of the time that noting what has come takes, until more of the shard is noted

log = logging.getLogger("edge.follow")


class _Coming:
    """An app on the way to this head. `kept`: the copy has the shard that names it."""

    def __init__(self, head: Head, *, kept: bool = False) -> None:
        self.head = head
        self.kept = kept
        self.task: asyncio.Task[None] | None = None
        self.proven = asyncio.Event()  # its revisions follow the known ones; or the task is done

    @property
    def is_here(self) -> bool:
        task = self.task
        return task is not None and task.done() and not task.cancelled() and task.exception() is None

    @property
    def is_idle(self) -> bool:
        return self.task is None or (self.task.done() and not self.is_here)

    @property
    def error(self) -> BaseException | None:
        task = self.task
        return task.exception() if task is not None and task.done() and not task.cancelled() else None


class _Judged(NamedTuple):
    """What is to be brought of a verified shard. `settled` is served already, and here: what is missing beside a
    revision is mended in the background. `accepted`: by an operator, after the store went back."""

    moved: dict[AppId, Head]
    settled: dict[AppId, Head]
    served: Apps
    known: Apps
    accepted: bool


class ShardTaker:
    """Belongs to the loop. `announced(app)`: whether a release of it was announced lately. `tell` is called with heads
    that came after their look; `trouble` with what keeps an app from coming."""

    def __init__(
        self,
        copy: StoreCopy,
        heads: Heads,
        held: HeldHeads,
        fetcher: BlobFetcher,
        bringer: AppBringer,
        holding: ReleaseHolding,
        *,
        announced: Callable[[AppId], bool],
        tell: Callable[[Apps], Awaitable[object]],
        trouble: Callable[[AppId, Exception], None],
    ) -> None:
        self.look_seconds = LOOK_SECONDS
        self._copy, self._heads, self._held = copy, heads, held
        self._fetcher, self._bringer, self._holding = fetcher, bringer, holding
        self._announced, self._tell, self._trouble = announced, tell, trouble
        self._here: dict[AppId, Head] = {}  # whose revisions are known to be in the copy
        self._coming: dict[str, dict[AppId, _Coming]] = {}  # by shard: what is not served yet
        self._writing: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._places = asyncio.Semaphore(APPS_AT_ONCE)
        self._landing: dict[str, asyncio.Task[None]] = {}

    @property
    def held_apps(self) -> int:
        """Apps that are served from an older head than the copy's, or not yet."""
        return sum(len(coming) for coming in self._coming.values())

    def served(self) -> dict[AppId, Head]:
        """Every app's head, as it is served. Blocks."""
        return {app: head for shard in SHARDS for app, head in self._served(shard).items()}

    def coming(self) -> dict[AppId, Head]:
        """The heads that are held."""
        return {app: each.head for coming in list(self._coming.values()) for app, each in list(coming.items())}

    async def take(self, name: str, content: bytes) -> dict[AppId, Head]:
        """The heads that can be told now. Raises Untrusted for a shard of which nothing is used, OSError."""
        judged = await asyncio.to_thread(self._judge, name, content)
        before = await self._coming_of(name)
        fresh, begun = dict[AppId, _Coming](), dict[AppId, _Coming]()
        for app, head in judged.moved.items():
            old = before.get(app)
            if old is not None and old.head == head:
                fresh[app] = old
                continue
            fresh[app] = begun[app] = _Coming(head)
            served, known = judged.served.get(app), judged.known.get(app)
            self._begin(name, app, begun[app], served, known, accepted=judged.accepted)
        await self._wait(begun)
        self._check(begun)
        # What is settled may be a change of this node's own that its workers were not told of.
        news = judged.settled | await self._keep(name, content, fresh)
        self._here |= news
        self._hear(name)
        return news

    async def resume(self) -> None:
        """Try again what is held and on no way: after a restart, and with a source that answers."""
        begun: dict[AppId, _Coming] = {}
        for name in SHARDS:
            coming = await self._coming_of(name)
            idle = {app: each for app, each in coming.items() if each.is_idle}
            if idle:
                served, known = await asyncio.to_thread(self._served, name), self._heads.known(name)
                for app, each in idle.items():
                    self._begin(name, app, each, served.get(app), known.apps.get(app), accepted=False, again=True)
                begun |= idle
            self._hear(name)
        await self._wait(begun)
        if self._landing:
            await asyncio.wait(self._landing.values(), timeout=self.look_seconds)

    async def close(self) -> None:
        """Ends everything; the next process goes on with it."""
        tasks = [each.task for coming in self._coming.values() for each in coming.values() if each.task is not None]
        for task in (*tasks, *self._landing.values()):
            task.cancel()
        await asyncio.gather(*tasks, *self._landing.values(), return_exceptions=True)

    def _served(self, name: str) -> Apps:
        """Blocks."""
        return self._held.serve(name, lambda: self._heads.known(name).apps)

    def _judge(self, name: str, content: bytes) -> _Judged:
        """In a thread. Raises Untrusted."""
        shard, known, served = self._heads.judge(name, content), self._heads.known(name), self._served(name)
        unseen = {app: head for app, head in shard.apps.items() if self._here.get(app) != head}
        settled = {app: head for app, head in unseen.items() if served.get(app) == head and self._copy.has(app, head)}
        moved = {app: head for app, head in unseen.items() if app not in settled}
        return _Judged(moved, settled, served, known.apps, accepted=shard.epoch > known.epoch)

    async def _coming_of(self, name: str) -> dict[AppId, _Coming]:
        """With what an earlier process held."""
        if name not in self._coming:
            held = await asyncio.to_thread(self._held.entries, name)
            apps = (await asyncio.to_thread(self._heads.last_good, name)).apps if held else {}
            found = {app: apps[app] for app, each in held.items() if app in apps and each.holds(apps[app])}
            self._coming.setdefault(name, {app: _Coming(head, kept=True) for app, head in found.items()})
        return self._coming[name]

    def _begin(
        self,
        name: str,
        app: AppId,
        coming: _Coming,
        served: Head | None,
        known: Head | None,
        *,
        accepted: bool,
        again: bool = False,
    ) -> None:
        arriving = self._arrive(app, coming, served, known, accepted=accepted, again=again)
        coming.task = asyncio.create_task(arriving)
        coming.task.add_done_callback(lambda done: self._note(name, app, coming))

    async def _arrive(
        self, app: AppId, coming: _Coming, served: Head | None, known: Head | None, *, accepted: bool, again: bool
    ) -> None:
        """Returns when the head can be told."""
        with nullcontext() if again else self._fetcher.releases_first():
            async with self._places:
                try:
                    async with asyncio.timeout(BRING_SECONDS):
                        state = await self._bringer.bring(
                            app, coming.head, known, accepted=accepted, proven=coming.proven.set
                        )
                except TimeoutError as error:
                    raise SourceLost("source_lost", f"the revisions of app {app!r} come too slowly") from error
        if served is not None or self._announced(app):
            await self._holding.wait(app, served, state)
        else:
            self._bringer.look_ahead(state)

    def _note(self, name: str, app: AppId, coming: _Coming) -> None:
        coming.proven.set()
        error = coming.error
        if getattr(error, "code", "") == FORKED and not coming.kept:
            return  # the whole shard is refused
        if isinstance(error, EdgeError | OSError):
            self._trouble(app, error)
        elif error is not None:
            log.error("bug while bringing revision %d of app %s", coming.head.revision, app, exc_info=error)
        elif coming.kept:
            self._hear(name)

    async def _wait(self, begun: Mapping[AppId, _Coming]) -> None:
        tasks = {each.task for each in begun.values() if each.task is not None}
        if not tasks or not (await asyncio.wait(tasks, timeout=self.look_seconds))[1]:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(CHAIN_SECONDS):
                for each in begun.values():
                    await each.proven.wait()

    def _check(self, begun: Mapping[AppId, _Coming]) -> None:
        """Raises a fork: then nothing of the shard counts."""
        fork = next((each.error for each in begun.values() if getattr(each.error, "code", "") == FORKED), None)
        if fork is not None:
            for each in begun.values():
                if each.task is not None:
                    each.task.cancel()
            raise fork

    async def _keep(self, name: str, content: bytes, fresh: dict[AppId, _Coming]) -> dict[AppId, Head]:
        """The commit point of the copy: the shard, and before it what is held of it. Returns what is served newly."""
        async with self._writing[name]:
            replaced = [each for app, each in self._coming[name].items() if fresh.get(app) is not each]
            fresh = {app: each for app, each in fresh.items() if not (each.kept and self._here.get(app) == each.head)}
            news = {app: each.head for app, each in fresh.items() if each.is_here}
            late = {app: each for app, each in fresh.items() if app not in news}
            await asyncio.to_thread(self._write, name, content, {app: each.head for app, each in late.items()})
            for each in replaced:
                if each.task is not None:
                    each.task.cancel()
            self._coming[name] = late
            for each in late.values():
                each.kept = True
        return news

    def _write(self, name: str, content: bytes, late: Apps) -> None:
        """Whatever a crash leaves, no app goes back, and none is served of which something is not here. In a thread."""
        served = self._served(name)
        held = {app: HeldHead(served.get(app), head) for app, head in late.items()}
        self._held.write(name, {**self._held.entries(name), **held})
        self._copy.put(head_key(name), content, lambda stored: self._heads.order_of(name, stored))
        self._heads.shard(name)
        self._held.write(name, held)

    def _hear(self, name: str) -> None:
        if name not in self._landing and self._landed(name):
            landing = self._landing[name] = asyncio.create_task(self._land(name))
            landing.add_done_callback(lambda done: self._landing.pop(name, None))

    def _landed(self, name: str) -> dict[AppId, Head]:
        coming = self._coming.get(name, {})
        return {app: each.head for app, each in coming.items() if each.kept and each.is_here}

    async def _land(self, name: str) -> None:
        """Serve what came after its look."""
        while self._landed(name):
            began = time.monotonic()
            async with self._writing[name]:
                news, entries = self._landed(name), await asyncio.to_thread(self._held.entries, name)
                left = {app: each for app, each in entries.items() if app not in news}
                try:
                    await asyncio.to_thread(self._held.write, name, left)
                except OSError as error:  # the next look tries again
                    log.error("cannot note what of head shard %s is here now: %s", name, error)
                    return
                self._here |= news
                for app in news:
                    del self._coming[name][app]
            await self._tell(news)
            await asyncio.sleep((time.monotonic() - began) * LAND_SHARE)
