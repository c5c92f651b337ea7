"""Looking up a release: entries, neighbours, the two old releases under high numbers, everything above and below."""

import json
import pkgutil

import pytest

from edge.domain.errors import Invalid
from edge.domain.model import Platform
from edge.domain.versions import parse_version
from edge.wire.plugins.capabilities import capability, is_unknown_release, platform_of

TABLE = json.loads(pkgutil.get_data("edge.wire.plugins", "capabilities.json"))
ROWS = [pytest.param(row, id=f"{row['capability']}-{row['platform']}") for row in TABLE["capabilities"]]
PLATFORMS_OF = {"both": [Platform.ANDROID, Platform.IOS], "android": [Platform.ANDROID], "ios": [Platform.IOS]}
(ELECTRON,) = TABLE["families"]


@pytest.mark.parametrize("row", ROWS)
def test_every_range_is_found_from_both_its_ends(row):
    for first, last, value in row["ranges"]:
        for platform in PLATFORMS_OF[row["platform"]]:
            assert capability(row["capability"], platform, first) == value, first
            assert capability(row["capability"], platform, last) == value, last


@pytest.mark.parametrize("row", ROWS)
def test_the_ranges_of_a_row_ascend_inside_their_lines_and_every_line_has_some(row):
    edges = [parse_version(edge) for first, last, _ in row["ranges"] for edge in (first, last)]
    assert edges == sorted(edges)
    assert all(first.major == last.major for first, last in zip(edges[::2], edges[1::2], strict=True))
    assert {edge.major for edge in edges} == {4, 5, 6, 7, 8, 9, 10}


@pytest.mark.parametrize(
    ("version", "generation"),
    [
        ("4.0.0", "G0"), ("5.4.1", "G0"), ("5.4.2", "G0"), ("5.5.0", "G1"), ("5.9.5", "G1"), ("5.20.0", "G1"),
        ("5.43.2", "G1"), ("5.43.3", "G2"), ("5.45.9", "G2"), ("5.45.10", "G3"), ("5.99.0", "G3"),
        ("6.0.0-alpha.1", "G0"), ("6.0.0", "G0"), ("6.0.1", "G1"), ("6.14.24", "G1"), ("6.14.25", "G2"),
        ("6.45.9", "G2"), ("6.45.10-rc.1", "G2"), ("6.45.10", "G3"),
        ("7.0.0", "G1"), ("7.16.9", "G1"), ("7.17.0", "G2"), ("7.45.9", "G2"), ("7.45.10", "G3"),
        ("8.0.0", "G2"), ("8.0.1", "G1"), ("8.1.0", "G1"), ("8.2.0", "G2"), ("8.45.10", "G2"), ("8.45.11-0", "G2"),
        ("8.45.11", "G3"), ("8.51.23", "G3"),
        ("9.0.0", "G0"), ("9.0.0+build.7", "G0"), ("10.0.0", "G0"),
        ("9.0.0-beta.1", "G3"), ("9.0.1", "G3"), ("10.0.0-rc.1", "G3"), ("10.1.0", "G3"), ("11.0.0", "G3"),
        ("3.9.9", "G0"), ("0.0.1", "G0"), ("4.0.0-alpha", "G0"),
    ],
)  # fmt: skip
def test_generation_on_both_sides_of_every_border(version, generation):
    for platform in (Platform.ANDROID, Platform.IOS):
        assert capability("answer_generation", platform, version) == generation
    assert capability("answer_generation", Platform.ELECTRON, version) == "electron"


def test_a_pre_release_of_the_newest_is_not_yet_the_newest():
    assert capability("zip_checksum_plain", Platform.IOS, "8.51.23-rc.1") == "sha256"
    assert capability("zip_checksum_plain", Platform.IOS, "8.51.24") == "sha256_required"


@pytest.mark.parametrize("text", ["", "8", "8.51", "v8.51.23", "8.51.23 ", "8.51.23\n", "latest", "1." * 99 + "1"])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(Invalid) as caught:
        capability("answer_generation", Platform.IOS, text)
    assert caught.value.code == "invalid_plugin_version"


@pytest.mark.parametrize(
    ("version", "unknown"),
    [
        ("8.51.23", False), ("8.51.24", True), ("9.0.0", False), ("9.0.1", True), ("10.0.0", False), ("11.0.0", True),
        ("7.51.21", False), ("7.51.22", True), ("5.0.1", False), ("3.0.0", False),
    ],
)  # fmt: skip
def test_releases_above_the_table_are_told_apart(version, unknown):
    assert is_unknown_release(Platform.ANDROID, version) is unknown


@pytest.mark.parametrize("row", ELECTRON["capabilities"], ids=lambda row: row["capability"])
def test_a_familys_value_is_its_newest_releases_whatever_version_is_said(row):
    _, last, newest = row["ranges"][-1]
    assert last == ELECTRON["last"]
    for version in ("0.0.1", "0.0.6", "5.0.0", "8.51.23", "10.0.0"):
        assert capability(row["capability"], Platform.ELECTRON, version) == newest


@pytest.mark.parametrize("said", Platform)
def test_a_family_is_told_by_its_platform_or_by_its_own_version(said):
    assert platform_of(said, "0.0.1") is Platform.ELECTRON
    assert platform_of(said, "8.51.23") is said


def test_a_family_that_says_another_version_is_worth_counting():
    assert [is_unknown_release(Platform.ELECTRON, version) for version in ("0.0.1", "0.0.7")] == [False, True]
