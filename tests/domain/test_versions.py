import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.versions import VERSION_LIMIT, Version, coerce_native, parse_version

# The order of semver.org 11.4, from its own example, lowest first.
ASCENDING = [
    "0.0.0",
    "0.9.10",
    "1.0.0-0",
    "1.0.0-2",
    "1.0.0-10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.10.0",
    "2.0.0",
    "999999999999999.0.0",
]


def test_versions_order_as_semver_says():
    parsed = [parse_version(text) for text in ASCENDING]
    assert None not in parsed
    assert parsed == sorted(parsed)
    assert len(set(parsed)) == len(ASCENDING)


@pytest.mark.parametrize("text", ["1.0.0+build", "1.0.0+a.b-c", "1.0.0+001"])
def test_build_metadata_has_no_place_in_the_order(text):
    assert parse_version(text) == Version(1, 0, 0)


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0-a..b"),
        *("1.0.0 ", " 1.0.0", "1.0.0\n", "1.0.٣", "-1.0.0", "builtin", "1.0.0-" + "a" * VERSION_LIMIT),
        "9999999999999999.0.0",
    ],
)
def test_what_is_not_a_semantic_version_is_refused(text):
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1", (1, 0, 0)),
        ("1.2", (1, 2, 0)),
        ("1.2.3", (1, 2, 3)),
        ("1.2.3.4", (1, 2, 3)),
        ("v2.1", (2, 1, 0)),
        ("1.02.3", (1, 2, 3)),
        ("1.2.3 (45)", (1, 2, 3)),
        ("1.2.x", (1, 2, 0)),
        ("builtin", (0, 0, 0)),
        ("unknown", (0, 0, 0)),
    ],
)
def test_native_versions_keep_their_first_three_numbers(text, version):
    assert coerce_native(text)[:3] == version


def test_a_native_prerelease_is_below_its_release():
    assert coerce_native("1.2.3-beta") < coerce_native("1.2.3")


@pytest.mark.parametrize("text", ["", "abc", ".1", "-1", "9999999999999999"])
def test_a_native_version_without_a_number_is_refused(text):
    assert coerce_native(text) is None


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    strict = parse_version(text)
    assert strict is None or coerce_native(text) == strict


NUMBERS = st.integers(0, 10**15 - 1)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_release_reads_back_as_written(major, minor, patch):
    assert parse_version(f"{major}.{minor}.{patch}") == Version(major, minor, patch)
