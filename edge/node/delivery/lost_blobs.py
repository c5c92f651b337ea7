"""Blobs that a release names and the disk has lost: this node's fault, unlike an address that names nothing.

Devices get 503 until the blob is back, so an update is late rather than failed. Each lost blob is logged once.
"""

import logging

from edge.node.delivery.plan import TRANSIENT

RETRY_AFTER_SECONDS = 60  # someone has to restore it; newer Android plugins retry after 10 s whatever this is
LOST_HEADERS = (("Retry-After", str(RETRY_AFTER_SECONDS)), ("Cache-Control", TRANSIENT))  # of the 503
LOST_LIMIT = 10_000  # remembered and logged; a disk that lost more has lost everything, and the log shows it

log = logging.getLogger("edge.blobs")


class LostBlobs:
    """The blobs that one worker found missing and has not seen since, by digest."""

    def __init__(self) -> None:
        self._digests: set[str] = set()

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, app: str, digest: str) -> None:
        """Remember the blob as lost and log it, once."""
        if digest in self._digests or len(self._digests) >= LOST_LIMIT:
            return
        self._digests.add(digest)
        log.error(
            "blob %s is lost: a release of %s names it but it is not on disk; devices get 503 until it is back"
            " (publish the same bundle again, which uploads what is missing, or restore the blob from a backup)",
            digest,
            app,
        )

    def discard(self, digest: str) -> None:
        """The blob was read, so it is lost no longer."""
        self._digests.discard(digest)
