"""A publisher's folder or zip, read and checked: the same for whoever publishes it."""

from pathlib import Path

from edge.bundles.sources.files import Source
from edge.bundles.sources.read import read_source
from edge.bundles.sources.selection import Selection, build_selection
from edge.bundles.sources.suspects import check_suspects


def read_checked(path: Path, workdir: Path, selection: Selection | None = None) -> Source:
    """The files to publish. Raises as `read_source`, and Invalid `suspect_files` for what looks like a secret."""
    selection = selection or build_selection()
    source = read_source(path, workdir, selection)
    check_suspects(source.files, selection.included)
    return source
