"""Files that the source says a coming release needs, fetched before anything signed names them.

So they have a budget: what is outstanding never takes more, goes first when room is needed, and is deleted when no
revision has named it in time.
"""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from edge.domain.model import AppId, Digest
from edge.regions.following.fetching import BlobFetcher
from edge.regions.following.transfer import BLOB_LIMIT_BYTES, WantedBlob

EXPECTED_SECONDS = 600.0  # after the announcement of its files, a release is expected
APPS_LIMIT = 10_000  # with announced releases; what does not fit is fetched once its revision is here
BLOBS_LIMIT = 20_000  # of one announcement
ANNOUNCEMENTS_LIMIT = 64  # that are looked at or wait for it; the others are forgotten
OUTSTANDING_LIMIT = 20_000  # files that no revision names yet: made-up ones leave room in line for those of releases
OUTSTANDING_LIMIT_BYTES = 4 * 2**30  # that no revision names yet, by the sizes that were announced
OUTSTANDING_SHARE = 0.2  # of the cache's limit, at most
ANNOUNCED = 2.0  # the priority: before what channels offer
OVER_BUDGET = "announced_too_much"  # the code under which announcements beyond the budget are counted

_DIGEST = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger("edge.follow")


class _Announced(NamedTuple):
    bytes: int
    at: float


class AnnouncedBlobs:
    """Belongs to the loop, but for `name` and `take_overdue`. `refused` counts what went beyond the budget."""

    def __init__(
        self,
        fetcher: BlobFetcher,
        cache_limit_bytes: int,
        refused: Counter[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limit_bytes = min(OUTSTANDING_LIMIT_BYTES, int(cache_limit_bytes * OUTSTANDING_SHARE))
        self._fetcher = fetcher
        self._refused = refused
        self._clock = clock
        self._apps: dict[AppId, float] = {}
        self._outstanding: dict[str, _Announced] = {}
        self._looking: set[asyncio.Task[None]] = set()
        self._one = asyncio.Lock()
        self._is_over = False

    @property
    def outstanding_bytes(self) -> int:
        """Here or on the way, and named by no revision."""
        return sum(each.bytes for each in list(self._outstanding.values()))

    def expect(self, app: AppId, blobs: Iterable[tuple[str, int]]) -> None:
        """Believed as far as fetching goes, within the budget: what does not have its digest is dropped."""
        now = self._clock()
        self._apps = {each: at for each, at in self._apps.items() if now - at < EXPECTED_SECONDS}
        if len(self._apps) < APPS_LIMIT:
            self._apps[app] = now
        wanted = [
            WantedBlob(Digest(digest), size)
            for digest, size in list(blobs)[:BLOBS_LIMIT]
            if _DIGEST.fullmatch(digest) and 0 <= size <= BLOB_LIMIT_BYTES
        ]
        if wanted and len(self._looking) < ANNOUNCEMENTS_LIMIT:
            looking = asyncio.create_task(self._look(wanted, now))
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)

    def is_expected(self, app: AppId) -> bool:
        """Whether a release of the app was announced lately."""
        at = self._apps.get(app)
        return at is not None and self._clock() - at < EXPECTED_SECONDS

    def name(self, digests: Iterable[str]) -> None:
        """A verified revision names these. Safe among threads."""
        if self._outstanding:
            for each in digests:
                self._outstanding.pop(each, None)

    def is_outstanding(self, digest: str) -> bool:
        """Whether it came for an announcement alone. Safe among threads."""
        return digest in self._outstanding

    def take_overdue(self) -> list[str]:
        """What no revision named in time; it is outstanding no more. Safe among threads."""
        due = self._clock() - EXPECTED_SECONDS
        overdue = [digest for digest, each in list(self._outstanding.items()) if each.at <= due]
        self.name(overdue)
        return overdue

    async def close(self) -> None:
        for each in self._looking:
            each.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)

    async def _look(self, wanted: list[WantedBlob], now: float) -> None:
        async with self._one:
            missing = await asyncio.to_thread(self._fetcher.missing, wanted)
            left = self.limit_bytes - self.outstanding_bytes
            taken: list[WantedBlob] = []
            for each in missing:
                size = each.bytes or 0
                has_place = len(self._outstanding) < OUTSTANDING_LIMIT
                if each.digest not in self._outstanding and size <= left and has_place:
                    self._outstanding[each.digest] = _Announced(size, now)
                    left -= size
                    taken.append(each)
            self._say(len({each.digest for each in missing if each.digest not in self._outstanding}))
            self._fetcher.ahead(taken, (ANNOUNCED, -now))

    def _say(self, beyond: int) -> None:
        if beyond:
            self._refused[OVER_BUDGET] += beyond
            if not self._is_over:
                log.warning(
                    "files were announced beyond %d bytes or %d files that no revision names yet: they are fetched "
                    "once one does",
                    *(self.limit_bytes, OUTSTANDING_LIMIT),
                )
        self._is_over = bool(beyond)
