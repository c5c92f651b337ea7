"""A control node whose truth is in a bucket, without processes: its mirror, its key and its releases."""

from itertools import count
from pathlib import Path

from buckets import QUICK, a_client
from factories import NOW
from s3_servers import Clock
from truths import Truth

from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.releases import Releases
from edge.store.s3.collection import CollectionDesk
from edge.store.s3.s3_store import REUSED_SECONDS, S3Store
from edge.store.signing import load_or_create_writer


class BucketTruth(Truth):
    """`clock` is that of its collections, which pause by it. Nothing is read from memory: each look is long ago."""

    def __init__(self, top: Path, address: str, prefix: str, limits=QUICK, clock: Clock | None = None) -> None:
        top.mkdir(exist_ok=True)
        self.top = top
        bucket = a_client(address, prefix, limits)
        desk = CollectionDesk(bucket, now=clock, clock=clock, pause=clock.pause) if clock else None
        self.store = S3Store(bucket, FsStore(top / "store"), desk, clock=count(step=2 * REUSED_SECONDS).__next__)
        self.writer = load_or_create_writer(top / "writer.key")
        self.trust = open_trust(self.store, top, NOW, self.writer)
        self.releases = Releases(self.store, self.writer, self.trust)
