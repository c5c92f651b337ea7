"""Opens a bucket as the store of a node, or to look at it; asks it nothing yet."""

from pathlib import Path

from edge.store.objects.fs import FsStore
from edge.store.objects.probe import PROBE_KEY
from edge.store.s3.bucket_place import BucketPlace, parse_bucket_url
from edge.store.s3.client import AT_START, BucketClient, RefusedCall
from edge.store.s3.faults import FaultKind
from edge.store.s3.s3_store import BucketFiles, S3Store


def place_of(url: str, *, endpoint: str = "", path_style: bool = False, credentials_file: str = "") -> BucketPlace:
    """From options; raises ValueError for what is no address of a bucket."""
    bucket, prefix = parse_bucket_url(url)
    return BucketPlace(bucket, prefix, endpoint, path_style, Path(credentials_file) if credentials_file else None)


def open_bucket(place: BucketPlace, mirror: FsStore, *, wait: bool = True) -> S3Store:
    """Without `wait`, a bucket that does not answer at once is asked again in some seconds, and lost until then. Raises
    EdgeError as `BucketClient`."""
    bucket = BucketClient(place)
    if not wait and not _answers(place):
        bucket.rest()
    return S3Store(bucket, mirror)


def _answers(place: BucketPlace) -> bool:
    try:
        BucketClient(place, limits=AT_START).head(PROBE_KEY)
    except RefusedCall as refused:
        return refused.fault.kind is not FaultKind.LOST
    return True


def open_bucket_files(place: BucketPlace, scratch: FsStore) -> BucketFiles:
    """For those who verify or copy it: `scratch` has what is read, for as long as it is."""
    return BucketFiles(BucketClient(place), scratch)
