"""Revisions by (app, number, digest): the digest alone verifies one, so reading needs no keys.

The process that verified the head passes these three on to workers, which have no keys and read nothing else.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from edge.domain.changes.commands import Change
from edge.domain.errors import Unavailable
from edge.domain.model import AppId, AppState, ChannelName, DeviceId, Digest
from edge.domain.targeting.partial_overrides import REPAIR, joined, split
from edge.store.healing import keep_bytes
from edge.store.objects.port import AlreadyExists, ObjectStore, blob_key, revision_key
from edge.store.revision_document import (
    NO_OVERRIDES,
    Revision,
    RevisionLine,
    encode_overrides,
    encode_revision,
    parse_line,
    parse_revision,
)
from edge.store.stored_document import check_digest, counting, digest_of

_log = logging.getLogger(__name__)


class Revisions:
    """Reads and writes revisions in a store. `refused` counts refused documents by code. Blocks."""

    def __init__(self, store: ObjectStore, refused: Counter[str] | None = None) -> None:
        self.refused: Counter[str] = Counter() if refused is None else refused
        self._store = store

    def load_revision(self, app: AppId, number: int, digest: Digest) -> AppState:
        """The app's state. Raises Untrusted, or Unavailable `missing_object` if the store does not have it (yet). Parts
        of its overrides that cannot be read are lost in it (see `partial_overrides`)."""
        return self.read(app, number, digest).state

    def read(self, app: AppId, number: int, digest: Digest) -> Revision:
        """As `load_revision`, with the links that the next revision needs."""
        lost: set[Digest] = set()

        def load(blob: Digest) -> bytes:
            try:
                with counting(self.refused):
                    return self._blob(blob)
            except (Unavailable, OSError):
                lost.add(blob)
                return NO_OVERRIDES

        with counting(self.refused):
            found = parse_revision(self._revision(app, number, digest), app, number, load)
        parts = {shard: blob for shard, blob in found.shards.items() if blob in lost}
        return found._replace(state=replace(found.state, overrides=joined(found.state.overrides, parts)))

    def line(self, app: AppId, number: int, digest: Digest) -> RevisionLine:
        """Its line in the app's history. Raises as `load_revision`."""
        with counting(self.refused):
            return parse_line(self._revision(app, number, digest), app, number)

    def content(self, app: AppId, number: int, digest: Digest) -> bytes:
        """Its bytes, verified. Raises Untrusted, Unavailable `missing_object`."""
        with counting(self.refused):
            return self._revision(app, number, digest)

    def has(self, app: AppId, number: int, digest: Digest) -> bool:
        """Whether the store has the revision, unread."""
        return self._store.has(revision_key(app, number, digest))

    def write(self, state: AppState, change: Change, before: Revision | None, previous: Digest | None) -> Digest:
        """Store the revision after `before`, whose digest is `previous`; overrides first. Returns its digest; no head
        refers to it yet.

        Raises TooLarge `revision_too_large`. The override blobs are written by then, which is harmless.
        """
        if before is not None and state.overrides is before.state.overrides:
            shards = before.shards
        else:
            shards = self._write_overrides(state.overrides, before.shards if before else {})
        content = encode_revision(state, change, previous, shards, before.state.revision if before else 0)
        digest = digest_of(content)
        for part, blob in split(state.overrides)[1].items():
            unread = "%s: revision %d keeps part %s of the overrides unread: blob %s cannot be read; run `%s`"
            _log.warning(unread, state.app, state.revision, part, blob, REPAIR)
        self._put(revision_key(state.app, state.revision, digest), content, digest)
        return digest

    def _write_overrides(
        self, overrides: Mapping[DeviceId, ChannelName], stored: Mapping[str, Digest]
    ) -> dict[str, Digest]:
        """Returns the digests of all parts: of a lost one, the digest that it had."""
        known, lost = split(overrides)
        shards = dict(lost)
        for shard, content in encode_overrides(known).items():
            digest = shards[shard] = digest_of(content)
            if stored.get(shard) != digest:
                keep_bytes(self._store, content)
        return dict(sorted(shards.items()))

    def _put(self, key: str, content: bytes, digest: Digest) -> None:
        """Create the object. An existing one must have the same bytes."""
        try:
            self._store.create(key, content)
        except AlreadyExists:
            self._get(key, digest)

    def _revision(self, app: AppId, number: int, digest: Digest) -> bytes:
        return self._get(revision_key(app, number, digest), digest)

    def _blob(self, digest: Digest) -> bytes:
        return self._get(blob_key(digest), digest)

    def _get(self, key: str, digest: Digest) -> bytes:
        stored = self._store.get(key)
        if stored is None:
            raise Unavailable("missing_object", f"{key} is not in the store")
        return check_digest(stored.data, digest, key)
