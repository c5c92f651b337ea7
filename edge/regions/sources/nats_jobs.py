"""Duties of telling and hearing of changes by NATS, where `upstream.nats` names a server."""

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from edge.config import UpstreamOptions
from edge.regions.feed.events import FeedEvents
from edge.regions.source import SourceEvent
from edge.regions.sources.nats_hints import NatsHearing, NatsTelling
from edge.regions.sources.nats_link import NatsLink
from edge.store.heads import stated_order
from edge.store.objects.fs import FsStore
from edge.store.objects.port import head_key

PushJobs = Mapping[str, Callable[[], Coroutine[Any, Any, None]]]


def telling(upstream: UpstreamOptions, store_id: str, events: FeedEvents, mirror: FsStore) -> PushJobs:
    """Of a node that holds the truth. Raises Unavailable `missing_extra`."""
    if not upstream.nats:
        return {}

    def order_of(shard: str) -> tuple[int, int]:
        stored = mirror.get(head_key(shard))
        return stated_order(stored.data, shard) if stored is not None else (0, 0)

    return {"nats": NatsTelling(_link(upstream, store_id), events, order_of).run}


class Hinted(Protocol):
    """Who follows."""

    def hint(self, event: SourceEvent) -> None: ...

    def order_of(self, shard: str) -> tuple[int, int]: ...


def hearing(upstream: UpstreamOptions, store_id: str, follower: Hinted) -> PushJobs:
    """Of a node that follows. Raises Unavailable `missing_extra`."""
    if not upstream.nats:
        return {}
    link = _link(upstream, store_id)
    return {"nats": NatsHearing(link, follower.hint, follower.order_of, clock=time.monotonic).run}


def _link(upstream: UpstreamOptions, store_id: str) -> NatsLink:
    return NatsLink(upstream.nats, upstream.nats_credentials_file, store_id)
