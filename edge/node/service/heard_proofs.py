"""When this node heard each head shard's proof of freshness, kept on disk for a process that starts while cut off.

The supervisor's: workers and the control API are told, and judge by `domain.schedule.freshness`. On a node that holds
the truth nothing is stale and nothing is written.
"""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from edge.domain.schedule.durations import rough_duration as span
from edge.domain.schedule.freshness import HeardProof, Staleness, heard_before, staleness_of
from edge.store.disk.durable_files import replace_file
from edge.store.disk.set_aside import Damaged, clear_for_file, read_own_file

FORMAT = 1
KEEP_SECONDS = 30.0  # between two notes: what a reboot while cut off may add to a proof's age
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger("edge.node")


class _Kept(msgspec.Struct):
    format: int
    boot: str
    latest: float  # of the node's clock, in seconds since the epoch
    heard: dict[str, HeardProof]


_decoder = msgspec.json.Decoder(_Kept)


def since_boot() -> float:
    """In seconds, also those of a suspended machine. The same in all processes of this machine; never set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Of this boot of the machine; "" where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


class HeardProofs:
    """`limit_seconds` is how old a proof may be, 0: the node holds the truth. Belongs to the loop, but for `save`."""

    def __init__(
        self,
        path: Path,
        limit_seconds: float,
        clock: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = since_boot,
        boot: str | None = None,
    ) -> None:
        self.limit_seconds = limit_seconds
        self._path = path
        self._clock, self._since_boot = clock, since_boot
        self._boot = boot_id() if boot is None else boot
        self._kept = self._load() if limit_seconds else None
        self._proofs: dict[str, HeardProof] = {}
        self._latest = self._kept.latest if self._kept is not None else 0.0
        self._saved_at = float("-inf")
        self._news = False
        self._started = False
        self._stale: frozenset[str] = frozenset()

    @property
    def heard(self) -> dict[str, float]:
        """When each proof was heard, in seconds since the machine's boot."""
        return {shard: proof.heard for shard, proof in self._proofs.items()}

    def learn(self, issued: Mapping[str, float]) -> None:
        """`issued` is when each verified shard was signed. The first call is at the start: what is known then was read
        from this node's disk, and later ones are heard as they come."""
        if not self.limit_seconds:
            return
        for shard, at in issued.items():
            known = self._proofs.get(shard)
            if known is None or at > known.issued:
                self._proofs[shard] = HeardProof(at, self._since_boot() if self._started else self._found(shard, at))
                self._news = self._news or self._started
        self._started = True

    def stale(self) -> dict[str, Staleness]:
        """The shards whose proofs are too old, and why."""
        now, booted = self._clock(), self._since_boot()
        judged = ((each, staleness_of(proof, now, booted, self.limit_seconds)) for each, proof in self._proofs.items())
        return {shard: staleness for shard, staleness in judged if staleness is not None}

    def watch(self) -> None:
        """Say once when shards become stale, and once when all are fresh again."""
        stale = self.stale()
        if stale and not self._stale:
            worst = max(stale.values(), key=lambda each: each.age_seconds)
            by_clock = worst.now - worst.issued >= worst.age_seconds
            clock = "; if the node above is reached, this node's clock is wrong" if by_clock else ""
            log.warning(
                "offering nothing new for %d of %d head shards: the last proof of what is current is %s old, and no "
                "older one than %s counts (upstream.max_stale_seconds); downloads and ways back go on%s",
                *(len(stale), len(self._proofs), span(worst.age_seconds), span(worst.limit_seconds), clock),
            )
        elif self._stale and not stale:
            log.info("what is current is known again: new updates are offered")
        self._stale = frozenset(stale)

    def save(self) -> None:
        """Note on disk what a next process needs, if it is time. Blocks; a disk that cannot be written is no reason to
        stop: the next process then goes by the wall clock."""
        booted = self._since_boot()
        if not self.limit_seconds or booted - self._saved_at < KEEP_SECONDS:
            return
        # A proof that was just heard says that the clock is what it is; else it is not believed to go back.
        self._latest = self._clock() if self._news else max(self._latest, self._clock())
        self._news, self._saved_at = False, booted
        content = msgspec.json.encode(_Kept(FORMAT, self._boot, self._latest, self._proofs))
        with suppress(OSError):
            clear_for_file(self._path, "how old this node's view is follows from its clock")
            replace_file(self._path, content, self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}"))

    def _found(self, shard: str, issued: float) -> float:
        """When a proof was heard that was on the disk at the start."""
        kept = self._kept.heard.get(shard) if self._kept is not None else None
        same_boot = self._kept is not None and bool(self._boot) and self._kept.boot == self._boot
        if same_boot and kept is not None and kept.issued == issued:
            return min(kept.heard, self._since_boot())
        return heard_before(issued, self._latest, self._clock(), self._since_boot(), self.limit_seconds)

    def _load(self) -> _Kept | None:
        try:
            kept = _decoder.decode(read_own_file(self._path))
        except (Damaged, OSError, msgspec.DecodeError):
            return None
        return kept if kept.format == FORMAT else None
