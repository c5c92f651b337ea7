"""Reads a publisher's folder or zip as an ordered list of safely named files on disk.

`index.html` is at its root or in its single top folder, which is stripped. Junk is left out, and what the selection
leaves out; anything else that is wrong is refused with the reason.
"""

from pathlib import Path

from edge.bundles.limits import INDEX, check_count, check_sizes
from edge.bundles.sources.files import Source
from edge.bundles.sources.folder import read_folder
from edge.bundles.sources.selection import Selection, build_selection
from edge.bundles.sources.zip_archive import read_zip
from edge.domain.errors import Invalid
from edge.domain.manifest import check_targets


def read_source(path: Path, workdir: Path, selection: Selection | None = None) -> Source:
    """The files of `path`, sorted by name. A zip's are unpacked below `workdir`, which the caller deletes.

    Raises Invalid `source_not_found`, `empty_bundle`, `no_index`, `unsafe_name`, `duplicate_name`; TooLarge
    `zip_too_many_files`, `zip_too_large`; and as `read_folder`, `read_zip` and, for the source's .edgeignore,
    `parse_ignore_file`.
    """
    selection = selection or build_selection()
    if path.is_dir():
        found = read_folder(path, selection)
    elif path.is_file():
        found = read_zip(path, workdir / "unpacked", selection)
    else:
        raise Invalid("source_not_found", f"{str(path)!r} is neither a folder nor a file")
    source = Source(tuple(sorted(found.files)), tuple(sorted(found.left_out)))
    check_count(len(source.files))
    if all(file.name != INDEX for file in source.files):
        raise Invalid("no_index", f"{INDEX} of {str(path)!r} is left out of the bundle")
    check_targets(file.name for file in source.files)
    check_sizes([(file.name, file.bytes) for file in source.files])
    return source
