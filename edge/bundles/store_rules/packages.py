"""Whether a zip within a bundle is a package of a system, or has code for one in it.

The zip is a stranger's: what is read of it is bounded, whatever it says of itself.
"""

import zipfile
from typing import BinaryIO, cast

from edge.bundles.limits import MIB
from edge.bundles.store_rules.native_code import HEAD_BYTES, native_kind, package_kind

MEMBERS_LIMIT = 2_000  # whose names are looked at
READ_LIMIT_BYTES = MIB  # at once: the directory is read whole, and one of 10,000 files has that
_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # unpacked in pieces; other methods give all that a piece holds


def package_in(file: BinaryIO) -> str:
    """What kind of package the zip is, or what code it holds; "" for any other, and for what is no zip."""
    try:
        with zipfile.ZipFile(cast("BinaryIO", _Modest(file))) as archive:
            members = archive.infolist()[:MEMBERS_LIMIT]
            if kind := package_kind(frozenset(each.filename for each in members)):
                return kind
            for each in members:
                if _sounds_native(each) and (kind := native_kind(_head_of(archive, each))):
                    return f"a zip with {kind} in it ({each.filename[:100]})"
    except Exception:  # a damaged zip makes the library raise of many kinds, of zlib's and struct's too
        return ""
    return ""


class _Modest:
    """The file, of which nobody reads much at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size_bytes: int = -1) -> bytes:
        """Raises ValueError for more than is read."""
        if size_bytes > READ_LIMIT_BYTES:
            raise ValueError("too much at once")
        return self._file.read(READ_LIMIT_BYTES if size_bytes < 0 else size_bytes)


def _sounds_native(member: zipfile.ZipInfo) -> bool:
    """Which members of a zip are worth opening; their bytes decide."""
    name = member.filename
    sounds = name.lower().endswith((".so", ".dylib", ".dex", ".exe", ".dll", ".class", ".a")) or ".framework/" in name
    return sounds and member.compress_type in _BOUNDED


def _head_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as opened:
        return opened.read(HEAD_BYTES)
