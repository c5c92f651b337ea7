"""The last good revision of an app whose current one cannot be read.

The name of a revision holds the digest of its bytes, so each proves itself. Which of several with one number was the
app's is known by the digest that the next one names: one that lost the race for the head is never taken. A bundle is
not offered again that is known to have been withdrawn since.
"""

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, AppState, Bundle, Digest
from edge.domain.states import withdrawn_names
from edge.store.heads import Head
from edge.store.objects.port import ObjectStore, revision_key, revision_number, revisions_prefix
from edge.store.revision_document import NO_OVERRIDES, Revision, parse_revision
from edge.store.revisions import Revisions

WALK_LIMIT = 50  # revisions that are looked at: a disk that has lost more of an app is restored, not read around
WITHDRAWN_SINCE = "withdrawn in a later revision, which cannot be read"

_PREVIOUS = re.compile(rb'"previous":"([0-9a-f]{64})"')


def find_last_good(store: ObjectStore, app: AppId, head: Head, withdrawn: Collection[str] = ()) -> AppState | None:
    """The newest revision before `head` that can be read and was the app's, without offering what is in `withdrawn` or
    what the damaged one shows as withdrawn. None if there is none, or if the app is deleted in it or by the head.
    """
    if head.deleted:
        return None
    damaged = _bytes_of(store, app, head.revision, head.digest)
    found = _walk(store, app, head.revision, _named_in(damaged))
    if found is None or found.deleted:
        return None
    return _without(found, {*withdrawn, *_withdrawn_in(damaged, app, head.revision)})


def _walk(store: ObjectStore, app: AppId, below: int, wanted: Digest | None) -> AppState | None:
    """`wanted` is the digest of the next older revision of the app, where a document names it."""
    for number, digests in _numbered(store, app, below)[:WALK_LIMIT]:
        readable = {digest: found for digest in digests if (found := _read(store, app, number, digest)) is not None}
        if wanted is None and len(digests) == 1:
            wanted = digests[0]
        if wanted in readable:
            return readable[wanted].state
        if wanted in digests:
            wanted = _named_in(_bytes_of(store, app, number, wanted))
        else:  # each may have lost the race; what they all follow has not
            before = {found.previous for found in readable.values()}
            wanted = before.pop() if len(before) == 1 else None
    return None


def _numbered(store: ObjectStore, app: AppId, below: int) -> list[tuple[int, list[Digest]]]:
    """The numbers of stored revisions, newest first, with the digests of each."""
    found: defaultdict[int, list[Digest]] = defaultdict(list)
    for key in store.keys(revisions_prefix(app)):
        if 0 < (number := revision_number(key)) < below:
            found[number].append(Digest(key.rpartition("-")[2].removesuffix(".json")))
    return sorted(found.items(), reverse=True)


def _read(store: ObjectStore, app: AppId, number: int, digest: Digest) -> Revision | None:
    try:
        # Also with a lost part of its overrides, which stays lost. Not an older one with its overrides whole: devices
        # would be put on channels that they left.
        return Revisions(store).read(app, number, digest)
    except (EdgeError, OSError):
        return None


def _bytes_of(store: ObjectStore, app: AppId, number: int, digest: Digest) -> bytes:
    """What is stored, unverified; empty if there is nothing."""
    try:
        stored = store.get(revision_key(app, number, digest))
    except OSError:
        return b""
    return stored.data if stored else b""


def _named_in(damaged: bytes) -> Digest | None:
    """The digest that a damaged document names as its predecessor's: a hint, since what it names proves itself."""
    named = _PREVIOUS.search(damaged)
    return Digest(named[1].decode()) if named else None


def _withdrawn_in(damaged: bytes, app: AppId, number: int) -> frozenset[str]:
    """What a damaged document shows as withdrawn, if it can be read at all: that can only offer less."""
    try:
        return frozenset(withdrawn_names(parse_revision(damaged, app, number, lambda digest: NO_OVERRIDES).state))
    except EdgeError:
        return frozenset()


def _without(state: AppState, withdrawn: Collection[str]) -> AppState:
    def stopped(bundle: Bundle) -> Bundle:
        since = bundle.version in withdrawn and not bundle.withdrawn
        return replace(bundle, withdrawn=WITHDRAWN_SINCE) if since else bundle

    return replace(state, bundles={version: stopped(bundle) for version, bundle in state.bundles.items()})
