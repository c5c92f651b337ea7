"""What devices do with the names in a manifest, and the limits that follow (PROTOCOL.md §5.4, §5.7).

The file system is not the limit. A device strips the suffix of packed files and names its cache and temporary files
after the last part of a path, with a prefix and a suffix: those names become too long, or collide.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

BROTLI_SUFFIX = ".br"

# Of the last part of a path, in UTF-8. These fit every release; `NameRules` has the limit of each.
PART_LIMIT_ANDROID_BYTES = 183  # 186 with the suffix; 64 digits, "_" and a mark for files in progress are added
PART_LIMIT_IOS_BYTES = 149  # a longer one fails for good: the device never takes that version again
PART_LIMIT_ZIP_BYTES = 255  # a zip's files are unpacked under their own names (tested with 8.51.23)


class SameNames(enum.Enum):
    """What happens to files that share their last part, as they download at the same time."""

    WORK = "works"
    FAIL_WHEN_EQUAL = "fails_when_content_is_equal"  # one temporary file per hash and last part
    FAIL = "fails"  # one temporary file per last part


class NameRules(NamedTuple):
    """Which names one plugin release can take in a manifest, from the capability table (`wire.plugins.forms`)."""

    same: SameNames = SameNames.WORK
    limit_bytes: int = PART_LIMIT_IOS_BYTES  # of a last part
    suffix_counts: bool = False  # towards that limit, where the file is packed


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFacts:
    """What in a bundle's names can make a release fail; computed once, when the bundle is published."""

    longest_bytes: int  # of the last parts, as devices write the files
    longest_listed_bytes: int  # the same with the suffix of packed files
    same: bool  # some files share their last part
    same_and_equal: bool  # and some of those have equal content


def target_name(name: str) -> str:
    """Where a device writes the file: it strips a `.br` suffix after decoding (PROTOCOL.md §5.4)."""
    return name.removesuffix(BROTLI_SUFFIX)


def last_part(name: str) -> str:
    """What follows the last `/`."""
    return name.rpartition("/")[2]


def name_facts(files: Iterable[tuple[str, str]]) -> NameFacts:
    """`files` has at least one (name as the manifest lists it, hash of the plain bytes).

    Names are compared as devices write them, and case-sensitively, as Android and iOS do.
    """
    listed = [(last_part(name), plain_hash) for name, plain_hash in files]
    written = [(target_name(part), plain_hash) for part, plain_hash in listed]
    return NameFacts(
        longest_bytes=max(len(part.encode()) for part, _ in written),
        longest_listed_bytes=max(len(part.encode()) for part, _ in listed),
        same=len({part for part, _ in written}) < len(written),
        same_and_equal=len(set(written)) < len(written),
    )
