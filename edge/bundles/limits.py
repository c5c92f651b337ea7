"""Limits of a bundle. Packing and verifying apply the same ones, so that verifying accepts what packing makes."""

from edge.domain.errors import Invalid, TooLarge
from edge.domain.manifest import FILE_COUNT_LIMIT

INDEX = "index.html"  # what a device opens
MIB = 1024 * 1024

CHUNK_BYTES = 256 * 1024  # in memory at a time, of any file; larger chunks measured no faster
BLOB_LIMIT_BYTES = 1024 * MIB  # one stored object; the largest web builds are some hundred MB
PLAIN_LIMIT_BYTES = 2048 * MIB  # all files unpacked: below the limits of 32-bit sizes and small devices
MANIFEST_LIMIT_BYTES = 32 * MIB  # FILE_COUNT_LIMIT entries with the longest names, all signed, take 25 MB
# Real text deflates 3:1 to 20:1; deflate's maximum is 1032:1. A small file may be one byte repeated, a large one is a
# zip bomb.
ENTRY_RATIO_LIMIT = 200
ENTRY_RATIO_FREE_BYTES = MIB  # plain bytes of one file to which the limit does not apply
TOTAL_RATIO_LIMIT = 100
TOTAL_RATIO_FREE_BYTES = 16 * MIB
# Of a packed file over its plain bytes, for what cannot be compressed: brotli's own bound adds 4 bytes in 16 kB, and
# encrypting up to 16. More is padding that devices would download.
PACKED_ALLOWANCE_BYTES = 1024
PACKED_ALLOWANCE_SHIFT = 12


def packed_limit_bytes(plain_bytes: int) -> int:
    """The largest packed size allowed for a file of `plain_bytes`."""
    return plain_bytes + (plain_bytes >> PACKED_ALLOWANCE_SHIFT) + PACKED_ALLOWANCE_BYTES


def check_count(files: int) -> None:
    """Raises Invalid `empty_bundle`, TooLarge `zip_too_many_files`."""
    if files == 0:
        raise Invalid("empty_bundle", "the bundle has no files")
    if files > FILE_COUNT_LIMIT:
        raise TooLarge("zip_too_many_files", f"the bundle has {files} files; the limit is {FILE_COUNT_LIMIT}")


def check_not_empty(name: str, plain_bytes: int) -> None:
    """For a file to be encrypted. Raises Invalid `empty_file`: devices refuse an empty encrypted file (PROTOCOL.md
    §5.4), and if it were left out of the manifest, devices that use one would lack it.
    """
    if plain_bytes == 0:
        raise Invalid(
            "empty_file", f"{name!r} is empty, and devices refuse empty encrypted files: remove it or put a space in it"
        )


def check_sizes(files: list[tuple[str, int]]) -> int:
    """Takes (name, plain bytes) of every file; returns the sum. Raises TooLarge `zip_too_large`, naming the file."""
    total = 0
    for name, plain_bytes in files:
        if plain_bytes > BLOB_LIMIT_BYTES:
            raise TooLarge("zip_too_large", f"{name!r} has {plain_bytes} bytes; the limit is {BLOB_LIMIT_BYTES}")
        total += plain_bytes
        if total > PLAIN_LIMIT_BYTES:
            raise TooLarge("zip_too_large", f"up to {name!r}, the files exceed the limit of {PLAIN_LIMIT_BYTES} bytes")
    return total


def check_entry_ratio(name: str, plain_bytes: int, packed_bytes: int) -> None:
    """Of one file. Raises Invalid `zip_ratio`."""
    if plain_bytes > max(ENTRY_RATIO_FREE_BYTES, packed_bytes * ENTRY_RATIO_LIMIT):
        raise Invalid(
            "zip_ratio", f"{name!r} unpacks {packed_bytes} bytes to {plain_bytes}; the limit is {ENTRY_RATIO_LIMIT}:1"
        )


def is_too_small(plain_bytes: int, zip_bytes: int) -> bool:
    """Whether a zip exceeds the limit of the ratio."""
    return plain_bytes > max(TOTAL_RATIO_FREE_BYTES, zip_bytes * TOTAL_RATIO_LIMIT)


def check_zip(plain_bytes: int, zip_bytes: int) -> None:
    """Of the whole zip. Raises TooLarge `zip_too_large`, Invalid `zip_ratio`."""
    if zip_bytes > BLOB_LIMIT_BYTES:
        raise TooLarge("zip_too_large", f"the zip has {zip_bytes} bytes; the limit is {BLOB_LIMIT_BYTES}")
    if is_too_small(plain_bytes, zip_bytes):
        raise Invalid(
            "zip_ratio", f"the zip unpacks {zip_bytes} bytes to {plain_bytes}; the limit is {TOTAL_RATIO_LIMIT}:1"
        )
