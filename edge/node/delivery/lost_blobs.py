"""Blobs that a release names and the disk does not have: a fault of this node's, unlike an address that names nothing.

Devices hear 503 until the blob is back, so that an update is late and not failed. Each is said once in the log.
"""

import logging

RETRY_AFTER_SECONDS = 60  # a person has to bring it back; new Android releases ask again after 10 s whatever they hear
LOST_LIMIT = 10_000  # remembered as said; a disk that lost more has lost everything, and said so often enough

log = logging.getLogger("edge.blobs")


class LostBlobs:
    """What one worker has missed and not found since."""

    def __init__(self) -> None:
        self._digests: set[str] = set()

    def __len__(self) -> int:
        return len(self._digests)

    def note(self, app: str, digest: str) -> None:
        if digest in self._digests or len(self._digests) >= LOST_LIMIT:
            return
        self._digests.add(digest)
        log.error(
            "blob %s is lost: a release of %s names it and the disk does not have it; devices hear 503 until it is back"
            " (publish the same bundle again, which uploads what is missing, or restore it from a backup)",
            digest,
            app,
        )

    def found(self, digest: str) -> None:
        self._digests.discard(digest)
