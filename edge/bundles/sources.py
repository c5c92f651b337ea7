"""What a publisher points at, a folder or a zip, as an ordered list of safely named files on disk.

`index.html` is at its root or in its single top folder, which is stripped. A zip is unpacked to files named by number,
so no name in it ever becomes a path. Junk is left out; what else is wrong is refused with the reason.
"""

import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge.bundles.limits import CHUNK_BYTES, INDEX, check_count, check_sizes
from edge.domain.errors import Invalid
from edge.domain.manifest import check_name, check_targets

# What desktops, archivers and version control leave behind, wherever it lies; never part of a web app.
JUNK_NAMES = frozenset(
    {
        *("__MACOSX", ".DS_Store", ".AppleDouble", "Icon\r", "Thumbs.db", "desktop.ini"),
        *(".git", ".gitignore", ".gitattributes", ".gitkeep", ".gitmodules", ".hg", ".svn"),
    }
)
JUNK_PREFIX = "._"  # macOS: a file's attributes, beside it

_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, ValueError)
_UNPACKED = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})


class SourceFile(NamedTuple):
    name: str  # as devices will see it
    path: Path
    bytes: int


def read_source(path: Path, workdir: Path) -> tuple[SourceFile, ...]:
    """The files of `path`, sorted by name. A zip's are unpacked below `workdir`, its owner's to delete.

    Raises Invalid `source_not_found`, `empty_bundle`, `no_index`, `unsafe_name`, `duplicate_name`; of a folder
    `symlink_outside`, `symlink_broken`, `symlink_loop`, `special_file`; of a zip `zip_malformed`, `zip_encrypted`,
    `zip_compression`, `zip_symlink`; TooLarge `zip_too_many_files`, `zip_too_large`.
    """
    if path.is_dir():
        found = _read_folder(path)
    elif path.is_file():
        found = _read_zip(path, workdir / "unpacked")
    else:
        raise Invalid("source_not_found", f"{str(path)!r} is neither a folder nor a file")
    check_count(len(found))
    files = sorted(_without_top(found, path))
    check_targets(file.name for file in files)
    check_sizes([(file.name, file.bytes) for file in files])
    return tuple(files)


def _is_junk(segment: str) -> bool:
    return segment in JUNK_NAMES or segment.startswith(JUNK_PREFIX)


def _without_top(files: list[SourceFile], path: Path) -> list[SourceFile]:
    names = {file.name for file in files}
    if INDEX in names:
        return files
    tops = {name.split("/")[0] for name in names}
    top = f"{tops.pop()}/"
    if not tops and top + INDEX in names:
        return [file._replace(name=file.name.removeprefix(top)) for file in files]
    raise Invalid("no_index", f"no {INDEX} at the root of {str(path)!r}, nor in a single top folder")


def _read_folder(root: Path) -> list[SourceFile]:
    inside = root.resolve()
    files: list[SourceFile] = []
    for file in _walk(inside, "", inside, frozenset({inside})):
        files.append(file)
        check_count(len(files))  # here already: a home folder by mistake must not be walked to its end
    return files


def _walk(folder: Path, prefix: str, inside: Path, above: frozenset[Path]) -> Iterator[SourceFile]:
    """`above`: the real folders on the way down, to see a link that leads back up."""
    for path in folder.iterdir():
        if _is_junk(path.name):
            continue
        name = prefix + path.name
        check_name(name)
        real = _resolve(path, name, inside) if path.is_symlink() else path
        found = real.stat()
        if stat.S_ISREG(found.st_mode):
            yield SourceFile(name, real, found.st_size)
        elif not stat.S_ISDIR(found.st_mode):
            raise Invalid("special_file", f"{name!r} is neither a file nor a folder")
        elif real in above:
            raise Invalid("symlink_loop", f"{name!r} is a link to a folder that it is in")
        else:
            yield from _walk(real, f"{name}/", inside, above | {real})


def _resolve(link: Path, name: str, inside: Path) -> Path:
    try:
        real = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise Invalid("symlink_broken", f"{name!r} is a link that leads nowhere") from error
    if not real.is_relative_to(inside):
        raise Invalid("symlink_outside", f"{name!r} is a link that leaves the folder")
    if any(_is_junk(segment) for segment in real.relative_to(inside).parts):
        raise Invalid("symlink_outside", f"{name!r} is a link to what is left out of the bundle")
    return real


def _read_zip(path: Path, unpacked: Path) -> list[SourceFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not _skipped(entry)]
            check_count(len(entries))
            check_targets(entry.orig_filename for entry in entries)
            check_sizes([(entry.orig_filename, entry.file_size) for entry in entries])
            unpacked.mkdir(parents=True, exist_ok=True)
            return [_unpack(archive, entry, unpacked / str(number)) for number, entry in enumerate(entries)]
    except _DAMAGE as error:
        raise Invalid("zip_malformed", f"{str(path)!r}: {error}") from error


def _skipped(entry: zipfile.ZipInfo) -> bool:
    """Junk and folders are; what cannot be unpacked is refused by name. `orig_filename`: before a NUL cuts it."""
    name = entry.orig_filename
    if any(_is_junk(segment) for segment in name.split("/")):
        return True
    check_name(name.removesuffix("/"))
    if entry.flag_bits & _ENCRYPTED:
        raise Invalid("zip_encrypted", f"{name!r} is encrypted by the zip itself")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise Invalid("zip_symlink", f"{name!r} is a symbolic link")
    if entry.compress_type not in _UNPACKED:
        raise Invalid("zip_compression", f"{name!r}: compression method {entry.compress_type} is not supported")
    return name.endswith("/")


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> SourceFile:
    """zipfile stops at the declared size and checks the CRC; it lets fewer bytes pass."""
    with archive.open(entry) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file, CHUNK_BYTES)
        size = file.tell()
    if size != entry.file_size:
        raise zipfile.BadZipFile(f"{entry.orig_filename!r} has {size} bytes, declares {entry.file_size}")
    return SourceFile(entry.orig_filename, target, size)
