"""What a device that runs an earlier version fetches of a bundle: the files that its cache does not have.

A device finds a file in its cache by hash and base name (PROTOCOL.md §5.4), whichever path it has. What its native app
holds is not known here. Each bundle is remembered as 4 bytes a file: two different files look alike once in 4 * 10^9
times, which makes an estimate of bytes wrong and nothing else.
"""

from array import array
from collections.abc import Collection
from typing import NamedTuple

import msgspec
import xxhash

from edge.domain.file_names import last_part, target_name
from edge.domain.forms.link_model import Difference


class _File(msgspec.Struct):
    name: str
    hash: str
    bytes: int


class _Files(msgspec.Struct):
    files: list[_File]


_decoder = msgspec.json.Decoder(_Files)


class ManifestPrints(NamedTuple):
    """The files of a manifest: of each its print and its stored bytes."""

    files: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, document: bytes) -> "ManifestPrints":
        """`document` is one that `manifest.read_manifest` takes."""
        return cls(tuple((_print_of(file), file.bytes) for file in _decoder.decode(document).files))

    @property
    def prints(self) -> "array[int]":
        """Of each file, 4 bytes."""
        return array("I", (number for number, _ in self.files))

    def without(self, had: Collection[int]) -> Difference:
        """What is left for a device that has these files. A file listed twice is fetched once, if one after the other;
        at worst twice, which is what counts."""
        sizes = [size for number, size in self.files if number not in had]
        return Difference(len(sizes), sum(sizes), max(sizes, default=0))


def _print_of(file: _File) -> int:
    return xxhash.xxh32_intdigest(f"{file.hash}_{last_part(target_name(file.name))}".encode())
