"""What a bundle may be. Packing and verifying apply the same numbers, so what one makes the other accepts."""

from edge.domain.errors import Invalid, TooLarge
from edge.domain.manifest import FILE_COUNT_LIMIT

INDEX = "index.html"  # what a device opens
MIB = 1024 * 1024

CHUNK_BYTES = 256 * 1024  # held at a time, of any file; larger ones measured no faster
BLOB_LIMIT_BYTES = 1024 * MIB  # one stored object; the largest web builds are some hundred MB
PLAIN_LIMIT_BYTES = 2048 * MIB  # all files unpacked: below what 32-bit sizes and small devices take
MANIFEST_LIMIT_BYTES = 32 * MIB  # FILE_COUNT_LIMIT entries with the longest names, all signed, take 25 MB
# Real text deflates 3:1 to 20:1, deflate itself ends at 1032:1. Small files may be all one byte, large ones are a trap.
ENTRY_RATIO_LIMIT = 200
ENTRY_RATIO_FREE_BYTES = MIB  # plain bytes of one file that nobody asks about
TOTAL_RATIO_LIMIT = 100
TOTAL_RATIO_FREE_BYTES = 16 * MIB
# Of a packed file over its plain bytes, for what cannot be compressed: brotli's own bound adds 4 bytes in 16 kB, and
# encrypting up to 16. More is padding that devices would download.
PACKED_ALLOWANCE_BYTES = 1024
PACKED_ALLOWANCE_SHIFT = 12


def packed_limit_bytes(plain_bytes: int) -> int:
    """The largest that a file of `plain_bytes` may be when it is packed."""
    return plain_bytes + (plain_bytes >> PACKED_ALLOWANCE_SHIFT) + PACKED_ALLOWANCE_BYTES


def check_count(files: int) -> None:
    """Raises Invalid `empty_bundle`, TooLarge `zip_too_many_files`."""
    if files == 0:
        raise Invalid("empty_bundle", "the bundle has no files")
    if files > FILE_COUNT_LIMIT:
        raise TooLarge("zip_too_many_files", f"{files} files, at most {FILE_COUNT_LIMIT}")


def check_not_empty(name: str, plain_bytes: int) -> None:
    """Of what is to be encrypted. Raises Invalid `empty_file`: devices refuse an encrypted file without a byte
    (device-protocol §5.4), and left out of the manifest it would be missing on those that read one.
    """
    if plain_bytes == 0:
        raise Invalid(
            "empty_file", f"{name!r} is empty, which devices refuse when it is encrypted: remove it or put a space in"
        )


def check_sizes(files: list[tuple[str, int]]) -> int:
    """(name, plain bytes) of every file; returns the sum. Raises TooLarge `zip_too_large` naming the file."""
    total = 0
    for name, plain_bytes in files:
        if plain_bytes > BLOB_LIMIT_BYTES:
            raise TooLarge("zip_too_large", f"{name!r} has {plain_bytes} bytes, at most {BLOB_LIMIT_BYTES}")
        total += plain_bytes
        if total > PLAIN_LIMIT_BYTES:
            raise TooLarge("zip_too_large", f"with {name!r} the files exceed {PLAIN_LIMIT_BYTES} bytes")
    return total


def check_entry_ratio(name: str, plain_bytes: int, packed_bytes: int) -> None:
    """Raises Invalid `zip_ratio`."""
    if plain_bytes > max(ENTRY_RATIO_FREE_BYTES, packed_bytes * ENTRY_RATIO_LIMIT):
        raise Invalid(
            "zip_ratio", f"{name!r} unpacks {packed_bytes} bytes to {plain_bytes}, at most {ENTRY_RATIO_LIMIT}:1"
        )


def check_zip(plain_bytes: int, zip_bytes: int) -> None:
    """The whole zip. Raises TooLarge `zip_too_large`, Invalid `zip_ratio`."""
    if zip_bytes > BLOB_LIMIT_BYTES:
        raise TooLarge("zip_too_large", f"the zip has {zip_bytes} bytes, at most {BLOB_LIMIT_BYTES}")
    if plain_bytes > max(TOTAL_RATIO_FREE_BYTES, zip_bytes * TOTAL_RATIO_LIMIT):
        raise Invalid("zip_ratio", f"the zip unpacks {zip_bytes} bytes to {plain_bytes}, at most {TOTAL_RATIO_LIMIT}:1")
