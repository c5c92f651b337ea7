"""The revisions that lie in a store, found by their names alone: where a head or a link to one is damaged."""

import re
from collections import defaultdict
from collections.abc import Iterator

from edge.domain.model import AppId, Digest
from edge.store.heads import Head, shard_of
from edge.store.objects.port import ObjectStore, revision_key
from edge.store.stored_document import digest_of

_REVISION = re.compile(r"apps/([^/]+)/revisions/([0-9]+)-([0-9a-f]{64})\.json")


def lying_heads(store: ObjectStore, shard: str) -> dict[AppId, Head]:
    """For each app of a shard, its newest revision that is intact. It may be older than the lost head's."""
    heads = {}
    for app, revisions in _lying(store, "apps/").items():
        if shard_of(app) == shard:
            intact = ((n, digest) for n, digest in sorted(revisions, reverse=True) if _is_intact(store, app, n, digest))
            number, digest = next(intact, (0, None))
            if digest is not None:
                heads[app] = Head(number, digest)
    return heads


def lying_revision(store: ObjectStore, app: AppId, number: int) -> Digest | None:
    """The intact revision with this number; None if there is none, or more than one."""
    prefix = f"apps/{app}/revisions/{number}-"
    intact = [digest for _, digest in _lying(store, prefix)[app] if _is_intact(store, app, number, digest)]
    return intact[0] if len(intact) == 1 else None


def _lying(store: ObjectStore, prefix: str) -> defaultdict[AppId, list[tuple[int, Digest]]]:
    found: defaultdict[AppId, list[tuple[int, Digest]]] = defaultdict(list)
    for app, number, digest in _matches(store, prefix):
        found[app].append((number, digest))
    return found


def _matches(store: ObjectStore, prefix: str) -> Iterator[tuple[AppId, int, Digest]]:
    for key in store.keys(prefix):
        if match := _REVISION.fullmatch(key):
            yield AppId(match[1]), int(match[2]), Digest(match[3])


def _is_intact(store: ObjectStore, app: AppId, number: int, digest: Digest) -> bool:
    stored = store.get(revision_key(app, number, digest))
    return stored is not None and digest_of(stored.data) == digest
