"""What a client makes of the names that a manifest lists: where limits on names come from (device-protocol §5.4, §5.7).

No file system of a device is the limit. A client strips the suffix of packed files, and names cache and temporary files
after the last part of a path, with something of its own around it: that is what grows too long, or meets its like.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

BROTLI_SUFFIX = ".br"

# Of the last part of a path, in bytes of UTF-8. These fit every release; `NameRules` has the limit of each.
PART_LIMIT_ANDROID_BYTES = 183  # 186 with the suffix: around it come 64 digits, "_" and what marks a file in progress
PART_LIMIT_IOS_BYTES = 149  # a longer one fails for good: its version name is dead on that device
PART_LIMIT_ZIP_BYTES = 255  # a zip's files are unpacked under their own names (executed, 8.51.23)


class SameNames(enum.Enum):
    """What becomes of files that share their last part, which clients download side by side."""

    WORK = "works"
    FAIL_WHEN_EQUAL = "fails_when_content_is_equal"  # one temporary file for a hash and a last part
    FAIL = "fails"  # one temporary file for a last part


class NameRules(NamedTuple):
    """Which names one plugin release can take in a manifest, from the capability table (`wire.plugins.forms`)."""

    same: SameNames = SameNames.WORK
    limit_bytes: int = PART_LIMIT_IOS_BYTES  # of a last part
    suffix_counts: bool = False  # towards that limit, where the file is packed


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFacts:
    """What of a bundle's names a release may stumble over; computed once, when the bundle is published."""

    longest_bytes: int  # of the last parts, as devices write the files
    longest_listed_bytes: int  # the same with the suffix of packed files
    same: bool  # some files share their last part
    same_and_equal: bool  # and some of those have equal content


def target_name(name: str) -> str:
    """Where a device writes the file: a `.br` suffix is stripped after decoding (device-protocol §5.4)."""
    return name.removesuffix(BROTLI_SUFFIX)


def last_part(name: str) -> str:
    return name.rpartition("/")[2]


def name_facts(files: Iterable[tuple[str, str]]) -> NameFacts:
    """Of at least one (name as a manifest lists it, hash of the plain bytes).

    Names are compared as devices write them, letter by letter: Android and iOS tell case apart.
    """
    listed = [(last_part(name), plain_hash) for name, plain_hash in files]
    written = [(target_name(part), plain_hash) for part, plain_hash in listed]
    return NameFacts(
        longest_bytes=max(len(part.encode()) for part, _ in written),
        longest_listed_bytes=max(len(part.encode()) for part, _ in listed),
        same=len({part for part, _ in written}) < len(written),
        same_and_equal=len(set(written)) < len(written),
    )
