"""The tokens of a store in a bucket, for a node that has a verified copy of them on its disk.

Who asks is held against the copy, or what this process wrote since: no request waits for the bucket. What another
origin revokes is refused here once the copy has it, what this one revokes at once. Changes are made in the bucket.
"""

from contextlib import suppress

from edge.control.access.token_document import TokenDocument
from edge.control.access.tokens import HeldTokens, Tokens
from edge.store.disk.room import Reserve
from edge.store.key_set import Trust
from edge.store.objects.port import TOKENS_KEY, ObjectStore
from edge.store.signing import Writer
from edge.store.stored_document import Untrusted, read_stored


class BucketTokens(Tokens):
    """As Tokens. `problem` is the bucket's, as of the last change or `look`."""

    def __init__(
        self, store: ObjectStore, copy: ObjectStore, trust: Trust, writer: Writer, reserve: Reserve | None = None
    ) -> None:
        super().__init__(store, trust, writer, reserve)
        self._copy = copy
        self._copied: HeldTokens | None = None
        self._used: set[str] = set()

    def check(self) -> None:
        super()._last_good()

    def look(self, now: float) -> None:
        """Read the bucket's, so that `problem` is current, and note there which were used since the last look. `now` is
        in seconds since the epoch. Blocks."""
        with suppress(Untrusted):  # in `problem`
            self.check()
        while self._used and not self.problem:
            super()._note_use(self._used.pop(), now)

    def _note_use(self, name: str, now: float) -> None:
        self._used.add(name)

    def _last_good(self) -> TokenDocument:
        known = [each.document for each in (self._of_copy(), self._last) if each is not None]
        return max(known, key=lambda each: each.order) if known else super()._last_good()

    def _of_copy(self) -> HeldTokens | None:
        """None if it has none, or what it has is damaged: the follower mends it."""
        try:
            stored = read_stored(self._copy, TOKENS_KEY, "the copy of the tokens")
            if stored is not None and (self._copied is None or self._copied.tag != stored.tag):
                self._copied = HeldTokens(self._open(stored.data), stored.tag)
        except Untrusted:
            pass
        return self._copied
