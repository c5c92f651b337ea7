"""Where publishes cache what they compressed: the user's cache folder, or EDGE_CACHE_DIR."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edge.bundles.packing.cache import PackingCache

CACHE_VARIABLE = "EDGE_CACHE_DIR"  # empty: no cache
_FOLDER = "packed"


@contextmanager
def open_memory(environ: Mapping[str, str]) -> Iterator[PackingCache | None]:
    """None if there is no folder for it. Trimmed at the end, even if the publish fails."""
    root = _root(environ)
    memory = PackingCache(root / _FOLDER) if root else None
    try:
        yield memory
    finally:
        if memory:
            memory.trim(time.time())


def _root(environ: Mapping[str, str]) -> Path | None:
    if CACHE_VARIABLE in environ:
        named = environ[CACHE_VARIABLE]
        return Path(named).absolute() if named else None
    # XDG base directory specification: a relative path is ignored.
    if environ.get("XDG_CACHE_HOME", "").startswith("/"):
        return Path(environ["XDG_CACHE_HOME"]) / "edge"
    try:
        return Path.home() / ".cache" / "edge"
    except RuntimeError:
        return None
