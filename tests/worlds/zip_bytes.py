"""Zips built byte by byte, so that every field can lie. The defaults make an honest one."""

import struct
import zlib
from dataclasses import dataclass

REGULAR = 0o100644
SYMLINK = 0o120777
FOLDER = 0o040755


@dataclass
class Member:
    """One entry; None means "as it truly is". `local_*` is what only the header in front of the bytes says."""

    name: bytes | str = b"index.html"
    plain: bytes = b"hello"
    method: int = 8
    flags: int = 0
    mode: int = REGULAR
    packed: bytes | None = None
    crc32: int | None = None
    packed_bytes: int | None = None
    plain_bytes: int | None = None
    offset: int | None = None
    extra: bytes = b""
    comment: bytes = b""
    disk: int = 0
    local_name: bytes | None = None
    local_plain_bytes: int | None = None
    local_extra: bytes | None = None
    signature: bytes = b"PK\x01\x02"
    listed: bool = True  # in the directory
    present: bool = True  # among the bytes before it

    @property
    def raw_name(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name

    @property
    def body(self) -> bytes:
        if self.packed is not None:
            return self.packed
        return deflate(self.plain) if self.method == 8 else self.plain

    def shared(self, name: bytes, plain_bytes: int, extra: bytes) -> bytes:
        flags = self.flags | (0 if self.raw_name.isascii() or not isinstance(self.name, str) else 0x800)
        crc32 = zlib.crc32(self.plain) if self.crc32 is None else self.crc32
        packed_bytes = len(self.body) if self.packed_bytes is None else self.packed_bytes
        return struct.pack(
            "<5H3L2H", 20, flags, self.method, 0, 33, crc32, packed_bytes, plain_bytes, len(name), len(extra)
        )

    @property
    def declared(self) -> int:
        return len(self.plain) if self.plain_bytes is None else self.plain_bytes

    def local(self) -> bytes:
        name = self.raw_name if self.local_name is None else self.local_name
        plain_bytes = self.declared if self.local_plain_bytes is None else self.local_plain_bytes
        extra = self.extra if self.local_extra is None else self.local_extra
        return b"PK\x03\x04" + self.shared(name, plain_bytes, extra) + name + extra

    def central(self, offset: int) -> bytes:
        at = offset if self.offset is None else self.offset
        fields = struct.pack("<3H2L", len(self.comment), self.disk, 0, self.mode << 16, at)
        shared = self.shared(self.raw_name, self.declared, self.extra)
        return self.signature + struct.pack("<H", 0x0314) + shared + fields + self.raw_name + self.extra + self.comment


def deflate(plain: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(plain) + packer.flush()


def build_zip(
    *members: Member,
    prefix: bytes = b"",
    gap: bytes = b"",
    count: int | None = None,
    directory_offset: int | None = None,
    directory_bytes: int | None = None,
    comment: bytes = b"",
    behind: bytes = b"",
    in_front: bytes = b"",
) -> bytes:
    """`prefix` comes first, `gap` before the directory, `in_front` before the end record, `behind` after it."""
    body, directory = prefix, b""
    for member in members:
        directory += member.central(len(body)) if member.listed else b""
        body += member.local() + member.body if member.present else b""
    body += gap
    said_count = sum(member.listed for member in members) if count is None else count
    said_bytes = len(directory) if directory_bytes is None else directory_bytes
    said_offset = len(body) if directory_offset is None else directory_offset
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, said_count, said_count, said_bytes, said_offset, len(comment))
    return body + directory + in_front + end + comment + behind
