"""Where a bucket is: its address, the server that has it, and where its keys are read from. Holds no secret."""

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

SCHEME = "s3"
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


class BucketPlace(NamedTuple):
    """`prefix` has no slash at either end. `endpoint` is the server's address without the bucket; empty: Amazon's, by
    the region. `credentials_file` is None where the environment or the instance has the keys."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    path_style: bool = False
    credentials_file: Path | None = None

    @property
    def url(self) -> str:
        return f"{SCHEME}://{self.bucket}{'/' if self.prefix else ''}{self.prefix}"

    @property
    def endpoint_for_client(self) -> str:
        """As the client wants it: with the bucket in its name, unless that is part of the path. Empty: Amazon's."""
        if not self.endpoint or self.path_style:
            return self.endpoint.rstrip("/")
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{self.bucket}.{parts.netloc}"


def parse_bucket_url(url: str) -> tuple[str, str]:
    """The bucket and the prefix of `s3://bucket/prefix`. Raises ValueError with what is wrong."""
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != SCHEME:
        raise ValueError(f"{url!r} is no address of a bucket: write s3://bucket or s3://bucket/prefix")
    if _BUCKET.fullmatch(bucket) is None or ".." in bucket:
        raise ValueError(f"{bucket[:80]!r} is no name of a bucket: 3 to 63 small letters, digits, dots and hyphens")
    prefix = prefix.rstrip("/")
    if prefix and (_PREFIX.fullmatch(prefix) is None or not {".", ".."}.isdisjoint(prefix.split("/"))):
        raise ValueError(f"{prefix[:80]!r} is no prefix: names of letters, digits, dots, hyphens and underscores")
    return bucket, prefix


def is_bucket_url(text: str) -> bool:
    return text.startswith(f"{SCHEME}://")
