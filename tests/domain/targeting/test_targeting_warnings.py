"""Expressions that are valid and match nobody say so when they are saved, as do those that forged reports can turn."""

import pytest

from edge.domain.errors import Invalid
from edge.domain.targeting.warnings import warnings_of


@pytest.mark.parametrize(
    "where",
    [
        'country == "DE"',
        'country != "DE" && country in ["AT", "CH"]',
        'country.startsWith("D")',
        'platform == "ios" && version_os >= "14"',
        'custom_id == "Germany"',
        'in_set("vip")',
        "bucket(5)",
        "sessions_7d > 10 && first_seen_days in [1, 2]",
        'platform == "ios" && feature("checkout")',
    ],
)
def test_an_expression_that_can_match_has_no_warning(where):
    assert warnings_of(where) == ()


@pytest.mark.parametrize(
    ("where", "about"),
    [
        ('country == "Germany"', ['"Germany"']),
        ('"germany" == country', ['"germany"']),
        ('country != "de"', ['"de"']),
        ('country == ""', ['""']),
        ('country in ["DE", "Austria", "ch"]', ['"Austria"', '"ch"']),
        ('country.startsWith("Ger")', ['"Ger"']),
        ('country.contains("e")', ['"e"']),
        ("!(errors_7d == 0) || errors_7d in [1, 2]", ["errors_7d"]),
        ("sessions_7d > errors_7d", ["errors_7d"]),
    ],
)
def test_what_matches_nobody_is_named_once(where, about):
    found = warnings_of(where)
    assert len(found) == len(about)
    for warning, name in zip(found, about, strict=True):
        assert name in warning


def test_the_way_out_is_read_too():
    assert len(warnings_of("sessions_7d > 10", "errors_7d > 3")) == 1


@pytest.mark.parametrize(
    ("where", "leave", "nobody"),
    [
        ("sessions_7d > 10", "sessions_7d > 20", True),
        ("sessions_7d > 10", "sessions_7d > 10", True),
        ("sessions_7d > 10", "sessions_7d == 11", True),
        ("sessions_7d > 10", "sessions_7d < 0", True),
        ("sessions_7d > 10", "sessions_7d < 7", False),
        ("sessions_7d > 10", "sessions_7d > 9", False),
        ("sessions_7d > 10", "first_seen_days > 20", False),
        ("sessions_7d < 3", "sessions_7d >= 3", False),
        ("sessions_7d < 3", "sessions_7d <= 1", True),
        ('platform == "ios" && sessions_7d > 10', "sessions_7d > 20", False),  # not judged
    ],
)
def test_a_way_out_that_nobody_takes_is_named(where, leave, nobody):
    assert any("no device ever leaves" in each for each in warnings_of(where, leave)) is nobody


def test_an_expression_that_is_wrong_is_refused():
    with pytest.raises(Invalid, match="column"):
        warnings_of("country ==")
