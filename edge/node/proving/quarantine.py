"""Blobs that releases name and this node cannot serve: said once, counted, and known until they are whole again.

A blob is judged by the file that was read, so what an upload or a restore puts in its place is judged by itself.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator

from edge.node.proving.proof_book import ProofBook
from edge.node.proving.verdicts import BlobDamage, Fault

QUARANTINE_LIMIT = 10_000  # blobs named to workers and in the log; with more, the disk is lost, and the log shows it
PUBLISH_AGAIN = "publish the same bundle again, which uploads what is missing, or run `edge store repair`"
FOLLOW = "it did not come from what this node follows, which is asked for it again every minute"

_WORDS = {
    Fault.WRONG: "is damaged: its bytes on disk do not match the digest in its name",
    Fault.MISSING: "is lost: it is not on disk",
    Fault.UNREADABLE: "cannot be read: see the permissions, and the kernel's log for errors of the disk",
}

log = logging.getLogger("edge.blobs")


class Quarantine:
    """Belongs to one thread. `changed` is called after each change of `digests`; `found` counts blobs by fault, since
    this process started. At most `limit` blobs are kept. `cure` is what the log says to do."""

    def __init__(
        self,
        book: ProofBook,
        changed: Callable[[], None] = lambda: None,
        limit: int = QUARANTINE_LIMIT,
        cure: str = PUBLISH_AGAIN,
    ) -> None:
        self.found: Counter[str] = Counter()
        self.healed = 0
        self.changed = changed
        self._book = book
        self._cure = cure
        self._limit = limit
        self._damage = dict(list(book.damage().items())[:limit])
        for digest, damage in self._damage.items():
            self._say(digest, damage)

    def __len__(self) -> int:
        return len(self._damage)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._damage))

    def __contains__(self, digest: object) -> bool:
        return digest in self._damage

    @property
    def digests(self) -> frozenset[str]:
        return frozenset(self._damage)

    def of(self, digest: str) -> BlobDamage | None:
        """What is known of the blob."""
        return self._damage.get(digest)

    def add(self, digest: str, damage: BlobDamage) -> None:
        """Said once for each blob and kind of fault."""
        held = self._damage.get(digest)
        if held == damage or (held is None and len(self._damage) >= self._limit):
            return
        self._damage[digest] = damage
        self._book.note_damage(digest, damage)
        if held is None or held.fault is not damage.fault:
            self.found[damage.fault.value] += 1
            self._say(digest, damage)
        if held is None:
            self.changed()

    def release(self, digest: str) -> None:
        """The blob was read and is whole."""
        if self._damage.pop(digest, None) is not None:
            self.healed += 1
            log.warning("blob %s is whole again", digest)
            self.changed()

    def forget(self, digest: str) -> None:
        """Nothing names the blob any more."""
        if self._damage.pop(digest, None) is not None:
            self._book.forget_damage(digest)
            self.changed()

    def _say(self, digest: str, damage: BlobDamage) -> None:
        log.error(
            "blob %s %s. A release of %s names it: until it is whole, devices are not offered it and get 503, or, if it"
            " is of a patch, get the whole file (%s)",
            *(digest, _WORDS[damage.fault], damage.app or "an app", self._cure),
        )
