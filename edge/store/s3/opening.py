"""Opens a bucket as the store of a node, or to look at it; asks it nothing yet."""

from pathlib import Path

from edge.store.objects.fs import FsStore
from edge.store.s3.bucket_place import BucketPlace, parse_bucket_url
from edge.store.s3.client import BucketClient
from edge.store.s3.s3_store import BucketFiles, S3Store


def place_of(url: str, *, endpoint: str = "", path_style: bool = False, credentials_file: str = "") -> BucketPlace:
    """From options; raises ValueError for what is no address of a bucket."""
    bucket, prefix = parse_bucket_url(url)
    return BucketPlace(bucket, prefix, endpoint, path_style, Path(credentials_file) if credentials_file else None)


def open_bucket(place: BucketPlace, mirror: FsStore) -> S3Store:
    """Raises EdgeError as `BucketClient`."""
    return S3Store(BucketClient(place), mirror)


def open_bucket_files(place: BucketPlace, scratch: FsStore) -> BucketFiles:
    """For those who verify or copy it: `scratch` has what is read, for as long as it is."""
    return BucketFiles(BucketClient(place), scratch)
