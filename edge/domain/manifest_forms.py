"""The form in which a plugin release gets a bundle: file by file, packed or plain, or as a zip.

What the release can take comes from the capability table, and the bundle's facts are from its publication, so that this
looks nothing up: every offer needs it.
"""

import enum

from edge.domain.file_names import NameFacts, NameRules, SameNames
from edge.domain.model import Bundle
from edge.domain.plugin import ManifestRules, Sent


class WhyZip(enum.Enum):
    """Why a release that takes manifests gets a bundle as its zip."""

    SAME_NAME = "same_name"  # files that share the last part of their path
    SAME_NAME_AND_CONTENT = "same_name_and_content"
    LONG_NAME = "long_name"
    PLAIN_FILES = "plain_files"  # it needs them, and the store has none
    ENCRYPTED = "encrypted"  # it needs plain files, or cannot read encrypted manifests
    UNKNOWN_FILES = "unknown_files"  # encrypted elsewhere


# A member looked up on its class costs 0.1 µs in Python 3.11, and every offer needs three.
_ZIP, _PACKED = Sent.ZIP, Sent.PACKED


def sent_as(bundle: Bundle, rules: ManifestRules) -> Sent:
    """The form that a release with these rules gets the bundle in."""
    return _ZIP if rules.sent is _ZIP or why_zip(bundle, rules) is not None else rules.sent


def why_zip(bundle: Bundle, rules: ManifestRules) -> WhyZip | None:
    """Why the release gets the bundle as a zip. None: it gets a manifest, if it takes any."""
    packed = rules.sent is _PACKED
    if bundle.manifest is None or bundle.names is None:
        return WhyZip.UNKNOWN_FILES
    if bundle.encryption is not None and not (rules.encrypted and packed):
        return WhyZip.ENCRYPTED
    fault = _name_fault(bundle.names, rules.names, packed)
    return WhyZip.PLAIN_FILES if fault is None and not (packed or bundle.plain_files) else fault


def _name_fault(facts: NameFacts, rules: NameRules, packed: bool) -> WhyZip | None:
    if facts.same and rules.same is SameNames.FAIL:
        return WhyZip.SAME_NAME
    if facts.same_and_equal and rules.same is SameNames.FAIL_WHEN_EQUAL:
        return WhyZip.SAME_NAME_AND_CONTENT
    longest = facts.longest_listed_bytes if packed and rules.suffix_counts else facts.longest_bytes
    return WhyZip.LONG_NAME if longest > rules.limit_bytes else None
