"""The files of a publisher's zip, made by any tool: unpacked to files named by number, so that no name becomes a path.

Names are taken as UTF-8 if they are valid UTF-8, marked or not; `./` and doubled slashes are removed; backslashes
separate folders in a zip made on Windows. Any other odd name is refused with the reason and the remedy.
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

from edge.bundles.limits import CHUNK_BYTES, check_count, check_sizes
from edge.bundles.sources.files import Source, SourceFile, top_folder
from edge.bundles.sources.selection import GIT, IGNORE_FILE, IGNORE_LIMIT_BYTES, LeftOut, Selection, is_junk
from edge.bundles.zip.form import FLAG_UTF8, FLAGS_ENCRYPTED
from edge.domain.errors import Invalid
from edge.domain.manifest import NAME_LIMIT_BYTES, check_name, check_targets

ENTRY_LIMIT = 200_000  # in the directory: ten times a bundle's files, since rules may leave most out
_UNICODE_PATH = 0x7075  # Info-ZIP's extra field: version, CRC-32 of the name, the name in UTF-8
_DRIVES = frozenset({0, 6, 10, 14})  # "made by" MS-DOS, OS/2, NTFS, VFAT, whose names contain no backslash
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, ValueError)
_UNPACKED = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})


class _Entry(NamedTuple):
    name: str  # its path in the zip, with forward slashes
    member: zipfile.ZipInfo


def read_zip(path: Path, unpacked: Path, selection: Selection) -> Source:
    """The zip's files, unpacked into the folder `unpacked`, unsorted. Raises Invalid `zip_malformed`, `zip_encrypted`,
    `zip_compression`, `zip_symlink`, `unsafe_name`, `duplicate_name`, and as `top_folder` and the checks of a bundle's
    size.
    """
    try:
        with _open(path) as archive:
            return _read(archive, str(path), unpacked, selection)
    except _DAMAGE as error:
        raise Invalid("zip_malformed", f"{str(path)!r}: {error}") from error


def _open(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except UnicodeDecodeError as error:
        raise _not_utf8(error.object, "although it is marked as such") from error
    if len(archive.infolist()) > ENTRY_LIMIT:
        check_count(len(archive.infolist()))
    return archive


def _read(archive: zipfile.ZipFile, where: str, unpacked: Path, selection: Selection) -> Source:
    entries = list(_entries(archive))
    files = [entry for entry in entries if not entry.name.endswith("/") and not _is_junk(entry.name)]
    top = top_folder((e.name for e in files if selection.left_out(e.name) is None), where)
    selection = selection.with_own(_ignore_file(archive, entries, top))
    kept, left_out = _select(files, top, selection)
    if any(GIT in entry.name.split("/") for entry in entries):
        left_out.add(LeftOut(f"{GIT}/", GIT))
    check_count(len(kept))
    check_targets(entry.name for entry in kept)
    check_sizes([(entry.name, entry.member.file_size) for entry in kept])
    for entry in kept:
        _check_kind(entry)
    unpacked.mkdir(parents=True, exist_ok=True)
    found = (_unpack(archive, entry, unpacked / str(number)) for number, entry in enumerate(kept))
    return Source(tuple(found), tuple(left_out))


def _entries(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for member in archive.infolist():
        name = _decode_name(member)
        if "\\" in name and not _is_junk(name):
            name = _with_slashes(name, member)
        name = _without_dots(name)
        if not name:
            continue  # the root itself, as `./`
        if name.endswith("/") and not _is_junk(name):
            check_name(name.removesuffix("/"))  # a folder is not unpacked, but an unsafe name is hostile
        yield _Entry(name, member)


def _select(files: list[_Entry], top: str, selection: Selection) -> tuple[list[_Entry], set[LeftOut]]:
    kept, left_out = [], set()
    for entry in files:
        name = entry.name.removeprefix(top)
        why = selection.left_out(name)
        if why is None:
            kept.append(_Entry(name, entry.member))
        else:
            left_out.add(why)
    return kept, left_out


def _decode_name(member: zipfile.ZipInfo) -> str:
    """From `orig_filename`, which a NUL has not cut. zipfile decodes unmarked names from code page 437."""
    if member.flag_bits & FLAG_UTF8:
        return member.orig_filename
    raw = member.orig_filename.encode("cp437")
    try:
        return _unicode_path(member.extra, raw) or raw.decode()
    except UnicodeDecodeError as error:
        lossy = raw.decode(errors="replace")
        if _is_junk(lossy):
            return lossy  # left out anyway
        raise _not_utf8(raw, "but in some code page of the machine that made the zip") from error


def _unicode_path(extra: bytes, raw: bytes) -> str:
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1:
            (crc32,) = struct.unpack_from("<L", field, 1)
            return field[5:].decode() if crc32 == zlib.crc32(raw) else ""
    return ""


def _not_utf8(raw: bytes, how: str) -> Invalid:
    shown = repr(raw[:NAME_LIMIT_BYTES])
    return Invalid(
        "unsafe_name",
        f"zip: the name {shown} is not UTF-8, {how}: publish the folder itself, or make the zip with UTF-8 names "
        "(7-Zip: -mcu=on)",
    )


def _with_slashes(name: str, member: zipfile.ZipInfo) -> str:
    if member.create_system in _DRIVES:
        return name.replace("\\", "/")
    raise Invalid(
        "unsafe_name",
        f"zip: {name[:NAME_LIMIT_BYTES]!r} has a backslash, which separates folders only in zips made on Windows: "
        "rename the file, or make the zip with forward slashes",
    )


def _without_dots(name: str) -> str:
    """`./a//b/./` as `a/b/`, as every unpacker reads it. Absolute names and those with `..` stay, to be refused."""
    if "./" not in name and "//" not in name and not name.endswith("/."):
        return name
    parts = [part for part in name.split("/") if part not in ("", ".")]
    root = "/" if name.startswith("/") else ""
    if not parts:
        return root
    end = "/" if name.endswith(("/", "/.")) else ""
    return root + "/".join(parts) + end


def _is_junk(name: str) -> bool:
    return any(is_junk(segment) for segment in name.split("/"))


def _ignore_file(archive: zipfile.ZipFile, entries: list[_Entry], top: str) -> bytes:
    for entry in entries:
        if entry.name == top + IGNORE_FILE:
            _check_kind(entry)
            with archive.open(entry.member) as file:
                return file.read(IGNORE_LIMIT_BYTES + 1)
    return b""


def _check_kind(entry: _Entry) -> None:
    name, member = entry
    if member.flag_bits & FLAGS_ENCRYPTED:
        raise Invalid("zip_encrypted", f"{name!r} is encrypted inside the zip")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Invalid("zip_symlink", f"{name!r} is a symbolic link")
    if member.compress_type not in _UNPACKED:
        raise Invalid("zip_compression", f"{name!r}: compression method {member.compress_type} is not supported")


def _unpack(archive: zipfile.ZipFile, entry: _Entry, target: Path) -> SourceFile:
    """zipfile stops at the declared size and checks the CRC, but accepts fewer bytes."""
    check_name(entry.name)
    with archive.open(entry.member) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file, CHUNK_BYTES)
        size = file.tell()
    if size != entry.member.file_size:
        raise zipfile.BadZipFile(f"{entry.name!r} has {size} bytes, but declares {entry.member.file_size}")
    return SourceFile(entry.name, target, size)
