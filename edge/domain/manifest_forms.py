"""How a bundle goes to a plugin release: file by file, packed or plain, or as its zip.

The release's abilities come from the capability table and the bundle's facts from its publication, so nothing is looked
up here: a check asks this of every offer.
"""

import enum

from edge.domain.file_names import NameFacts, NameRules, SameNames
from edge.domain.model import Bundle, ManifestRules, Sent


class WhyZip(enum.Enum):
    """Why a release that takes manifests gets a bundle as its zip."""

    SAME_NAME = "same_name"  # files that share the last part of their path
    SAME_NAME_AND_CONTENT = "same_name_and_content"
    LONG_NAME = "long_name"
    PLAIN_FILES = "plain_files"  # it needs them, and they are not there
    ENCRYPTED = "encrypted"  # it needs plain files, or reads no encrypted ones
    UNKNOWN_FILES = "unknown_files"  # encrypted elsewhere


def sent_as(bundle: Bundle, rules: ManifestRules) -> Sent:
    return Sent.ZIP if rules.sent is Sent.ZIP or why_zip(bundle, rules) else rules.sent


def why_zip(bundle: Bundle, rules: ManifestRules) -> WhyZip | None:
    """None: a release that takes manifests gets one of this bundle."""
    if bundle.manifest is None or bundle.names is None:
        return WhyZip.UNKNOWN_FILES
    if bundle.encryption is not None and not (rules.encrypted and rules.sent is Sent.PACKED):
        return WhyZip.ENCRYPTED
    if fault := _name_fault(bundle.names, rules.names, packed=rules.sent is Sent.PACKED):
        return fault
    return WhyZip.PLAIN_FILES if rules.sent is Sent.PLAIN and not bundle.plain_files else None


def _name_fault(facts: NameFacts, rules: NameRules, *, packed: bool) -> WhyZip | None:
    if facts.same and rules.same is SameNames.FAIL:
        return WhyZip.SAME_NAME
    if facts.same_and_equal and rules.same is SameNames.FAIL_WHEN_EQUAL:
        return WhyZip.SAME_NAME_AND_CONTENT
    longest = facts.longest_listed_bytes if packed and rules.suffix_counts else facts.longest_bytes
    return WhyZip.LONG_NAME if longest > rules.limit_bytes else None
