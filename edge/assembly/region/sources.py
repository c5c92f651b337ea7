"""Opens what `upstream.source` names."""

from pathlib import Path
from urllib.parse import urlsplit

from edge.config import Retention, UpstreamOptions
from edge.regions.source import TruthSource
from edge.regions.sources.bucket import BucketSource
from edge.regions.sources.node import NodeSource
from edge.regions.sources.store import StoreSource
from edge.regions.upstream import Upstream
from edge.store.objects.files import StoreFiles
from edge.store.s3.bucket_place import BucketPlace, is_bucket_url
from edge.store.s3.client import BucketClient
from edge.store.s3.opening import place_of


def open_source(upstream: UpstreamOptions, servers: Retention | None = None) -> TruthSource:
    """`servers` has the server and the keys of a bucket. Raises EdgeError: it needs a package that is not installed, or
    a file that cannot be read."""
    if upstream.source.startswith("file://"):
        folder = Path(urlsplit(upstream.source).path)
        return StoreSource(StoreFiles(folder), str(folder))
    if is_bucket_url(upstream.source):
        return BucketSource(BucketClient(bucket_place(upstream.source, servers or Retention())))
    return NodeSource(Upstream(upstream.source, Path(upstream.token_file), insecure=upstream.insecure))


def bucket_place(url: str, servers: Retention) -> BucketPlace:
    """Of an address that the configuration's check has passed."""
    return place_of(
        url, endpoint=servers.endpoint, path_style=servers.path_style, credentials_file=servers.credentials_file
    )


def bucket_variables(store: Retention) -> dict[str, str]:
    """The options of a bucket, for a command in a process of its own; none without one."""
    if not store.url:
        return {}
    words = {"URL": store.url, "ENDPOINT": store.endpoint, "CREDENTIALS_FILE": store.credentials_file}
    return {f"EDGE_STORE_{name}": word for name, word in words.items()} | {
        "EDGE_STORE_PATH_STYLE": str(store.path_style).lower()
    }


def home_of(upstream: UpstreamOptions) -> str:
    """The control address of the node that is told what devices report; "" for none."""
    return upstream.home or ("" if upstream.source.startswith(("s3://", "file://")) else upstream.source)
