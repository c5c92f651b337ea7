"""The form in which a plugin release gets a bundle: file by file, packed or plain, or as a zip.

What the release can take comes from the capability table, and the bundle's facts are from its publication, so that this
looks nothing up: every offer needs it. Where a release can take both, `ChosenForms` has what was chosen for the version
that the device runs.
"""

import enum
from typing import NamedTuple

from edge.domain.file_names import NameFacts, NameRules, SameNames
from edge.domain.model import Bundle, Platform, UpdateCheck
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
_ZIP, _PACKED, _IOS = Sent.ZIP, Sent.PACKED, Platform.IOS


class ChosenForms(NamedTuple):
    """For one bundle, what was chosen at publish (`forms.choice`) for devices that can take either form."""

    known: frozenset[str]  # earlier versions that were compared
    zips: frozenset[str]  # those of them whose devices get the zip
    others: bool  # whether devices of other versions do
    on_ios: bool  # whether iOS does at all

    def is_zip(self, check: UpdateCheck) -> bool:
        if check.platform is _IOS and not self.on_ios:
            return False
        # On builtin, whose files the node does not know, even if a bundle has the native version's name.
        if check.version_name == check.version_build or check.version_name not in self.known:
            return self.others
        return check.version_name in self.zips


def sent_to(bundle: Bundle, forms: ChosenForms | None, check: UpdateCheck) -> Sent:
    """The form that this device gets the bundle in. `forms` None: files, where its release can take them."""
    rules = check.plugin.manifest
    sent = sent_as(bundle, rules)
    return _ZIP if forms is not None and sent is _PACKED and rules.zip_too and forms.is_zip(check) else sent


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
