"""Opens what `upstream.source` names."""

from pathlib import Path
from urllib.parse import urlsplit

from edge.config import ConfigError, UpstreamOptions
from edge.regions.source import TruthSource
from edge.regions.sources.store import StoreSource
from edge.store.objects.files import StoreFiles


def open_source(upstream: UpstreamOptions) -> TruthSource:
    """Raises EdgeError: it needs a package that is not installed, or a file that cannot be read."""
    if upstream.source.startswith("file://"):
        folder = Path(urlsplit(upstream.source).path)
        return StoreSource(StoreFiles(folder), str(folder))
    raise ConfigError("upstream.source", f"{upstream.source!r} cannot be followed by this release")


def home_of(upstream: UpstreamOptions) -> str:
    """The control address of the node that is told what devices report; "" for none."""
    return upstream.home or ("" if upstream.source.startswith(("s3://", "file://")) else upstream.source)
