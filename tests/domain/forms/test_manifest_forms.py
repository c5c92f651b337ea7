"""What names do to a manifest: facts of a bundle, and which releases then get its zip (PROTOCOL.md §5.7)."""

import pytest
from factories import a_bundle

from edge.domain.file_names import NameFacts, NameRules, SameNames, name_facts
from edge.domain.forms.manifest_forms import WhyZip, sent_as, why_zip
from edge.domain.model import Encryption
from edge.domain.plugin import ManifestRules, Sent

ENCRYPTION = Encryption(session_key="iv:key", checksum="sum", key_id="k" * 20)


def facts(longest=10, listed=0, same=False, equal=False) -> NameFacts:
    return NameFacts(longest_bytes=longest, longest_listed_bytes=listed or longest, same=same, same_and_equal=equal)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([("index.html", "1")], facts(10)),
        ([("deep/in/x.js.br", "1")], facts(4, 7)),
        ([("ä.js", "1"), ("b.js", "2")], facts(5)),  # bytes, not letters
        ([("a/x.js", "1"), ("b/x.js", "2")], facts(4, same=True)),
        ([("a/x.js", "1"), ("b/x.js", "1")], facts(4, same=True, equal=True)),
        ([("a/x.js.br", "1"), ("b/x.js", "1")], facts(4, 7, same=True, equal=True)),  # as devices write them
        ([("a/x.js", "1"), ("b/X.js", "1")], facts(4)),  # case is told apart
        ([("x.js.br", "1"), ("x.js.br.br", "1")], facts(7, 10)),
        ([("a/x.js", "1"), ("b/x.js", "2"), ("c/y.js", "1")], facts(4, same=True)),  # equal, under another name
    ],
)
def test_the_facts_of_names(files, expected):
    assert name_facts(files) == expected
    assert name_facts(reversed(files)) == expected


def rules(sent=Sent.PACKED, same=SameNames.WORK, limit=186, counts=True, encrypted=True) -> ManifestRules:
    return ManifestRules(sent, encrypted, NameRules(same, limit, counts))


@pytest.mark.parametrize(
    ("names", "release", "why"),
    [
        (facts(), rules(), None),
        (facts(same=True), rules(), None),
        (facts(same=True), rules(same=SameNames.FAIL_WHEN_EQUAL), None),
        (facts(same=True), rules(same=SameNames.FAIL), WhyZip.SAME_NAME),
        (facts(same=True, equal=True), rules(), None),
        (facts(same=True, equal=True), rules(same=SameNames.FAIL_WHEN_EQUAL), WhyZip.SAME_NAME_AND_CONTENT),
        (facts(same=True, equal=True), rules(same=SameNames.FAIL), WhyZip.SAME_NAME),
        (facts(183, 186), rules(), None),
        (facts(184, 187), rules(), WhyZip.LONG_NAME),
        (facts(186, 189), rules(counts=False), None),
        (facts(187, 187), rules(counts=False), WhyZip.LONG_NAME),
        (facts(186, 189), rules(Sent.PLAIN), None),  # listed without the suffix
        (facts(187, 190), rules(Sent.PLAIN), WhyZip.LONG_NAME),
    ],
)
def test_names_that_a_release_stumbles_over_go_in_the_zip(names, release, why):
    bundle = a_bundle(names=names)
    assert why_zip(bundle, release) is why
    assert sent_as(bundle, release) is (Sent.ZIP if why else release.sent)


@pytest.mark.parametrize(
    ("changes", "release", "why"),
    [
        ({}, rules(Sent.PLAIN), None),
        ({"plain_files": False}, rules(Sent.PLAIN), WhyZip.PLAIN_FILES),
        ({"plain_files": False}, rules(Sent.PACKED), None),
        ({"encryption": ENCRYPTION}, rules(), None),
        ({"encryption": ENCRYPTION}, rules(encrypted=False), WhyZip.ENCRYPTED),
        ({"encryption": ENCRYPTION}, rules(Sent.PLAIN), WhyZip.ENCRYPTED),
        ({"encryption": ENCRYPTION, "manifest": None}, rules(), WhyZip.UNKNOWN_FILES),
        ({"names": None}, rules(), WhyZip.UNKNOWN_FILES),
    ],
)
def test_what_else_a_release_needs(changes, release, why):
    assert why_zip(a_bundle(**changes), release) is why


def test_a_release_without_manifests_gets_the_zip():
    assert sent_as(a_bundle(), rules(Sent.ZIP)) is Sent.ZIP
