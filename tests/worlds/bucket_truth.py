"""A control node whose truth is in a bucket, without processes: its mirror, its key and its releases."""

from pathlib import Path

from buckets import QUICK, a_client, a_place
from factories import APP, NOW, a_change
from s3_servers import Clock
from truths import Truth

from edge.assembly.region.origin_bucket import checks_of, tokens_of
from edge.control.access.tokens import Tokens
from edge.domain.model import AppId
from edge.node.processes.data_directory import DataDirectory
from edge.regions.following.follower import Follower
from edge.regions.sources.bucket import BucketSource
from edge.store.damage import NotTaken
from edge.store.key_set import open_trust
from edge.store.objects.fs import FsStore
from edge.store.releases import Releases
from edge.store.s3.client import BucketClient
from edge.store.s3.collection import CollectionDesk
from edge.store.s3.s3_store import S3Store
from edge.store.signing import load_or_create_writer


class BucketTruth(Truth):
    """`clock` is that of its collections, which pause by it."""

    def __init__(self, top: Path, address: str, prefix: str, limits=QUICK, clock: Clock | None = None) -> None:
        top.mkdir(exist_ok=True)
        self.top = top
        bucket = a_client(address, prefix, limits)
        desk = CollectionDesk(bucket, now=clock, clock=clock, pause=clock.pause) if clock else None
        self.store = S3Store(bucket, FsStore(top / "store"), desk)
        self.writer = load_or_create_writer(top / "writer.key")
        self.trust = open_trust(self.store, top, NOW, self.writer)
        self.releases = Releases(self.store, self.writer, self.trust)


class BucketOrigin:
    """An origin as its process has it opened, but for its workers: `follow` is one look of its follower."""

    def __init__(self, top: Path, address: str, prefix: str) -> None:
        self.place = a_place(address, folder=top, prefix=prefix)
        self.directory = DataDirectory(top / "data", NOW, self.place)
        self.tokens = tokens_of(self.directory)
        assert self.directory.bucket is not None
        self.store = self.directory.bucket

    @property
    def requests(self) -> int:
        """To the bucket, since the start; the follower's are not among them."""
        return sum(self.store.bucket.counts.taken().values())

    def commit(self, command, app: AppId = APP, **changes):
        return self.directory.releases.commit(app, a_change(command, **changes))

    async def follow(self) -> None:
        source = BucketSource(BucketClient(self.place))
        directory = self.directory
        follower = Follower(
            source,
            directory.mirror,
            directory.mirror_trust,
            _nobody_hears,
            directory.held,
            checks=checks_of(Tokens(directory.mirror, directory.mirror_trust, None)),
        )
        try:
            await follower.look()
        finally:
            await follower.fetcher.close()
            await source.close()
        assert not follower.refused


async def _nobody_hears(heads) -> NotTaken:
    return NotTaken()


def two_origins(top: Path, address: str) -> tuple[BucketOrigin, BucketOrigin]:
    """Of one bucket; the second one's key is listed by the first."""
    prefix = a_place(address).prefix
    for name in ("first", "second"):
        (top / name / "data" / "node").mkdir(parents=True)
    first = BucketOrigin(top / "first", address, prefix)
    key = load_or_create_writer(top / "second" / "data" / "node" / "writer.key").public
    first.directory.trust.add_writer(first.directory.writer, key, NOW)
    return first, BucketOrigin(top / "second", address, prefix)
