import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.errors import Invalid
from edge.domain.shares import SHARE_LIMIT, WHOLE_SHARE, format_share, parse_share


@pytest.mark.parametrize(
    ("text", "share", "shown"),
    [
        ("0", 0, "0%"),
        ("0.001", 1, "0.001%"),
        ("0.01", 10, "0.01%"),
        ("0.100", 100, "0.1%"),
        ("1", 1000, "1%"),
        ("5", 5000, "5%"),
        ("05%", 5000, "5%"),
        ("12.5%", 12_500, "12.5%"),
        ("99.999", 99_999, "99.999%"),
        ("100", WHOLE_SHARE, "100%"),
        ("100.000%", WHOLE_SHARE, "100%"),
    ],
)
def test_shares_are_read_and_shown(text, share, shown):
    assert parse_share(text) == share
    assert format_share(share) == shown


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("100.001", "above 100%"),
        ("101", "above 100%"),
        ("999.999%", "above 100%"),
        ("0.0001", "more than 3 decimals"),
        ("5.0000", "more than 3 decimals"),
        *((text, "not a percentage") for text in ("", "%", ".5", "5.", "5 %", " 5", "5%%", "-1", "+1", "1e1", "nan")),
        *((text, "not a percentage") for text in ("12,5", "1000", "٥", "5\n", "half", "0x5", "1" * 100_000)),
    ],
)
def test_what_is_no_share_is_refused(text, why):
    with pytest.raises(Invalid, match=why) as refused:
        parse_share(text)
    assert refused.value.code == "invalid_share"
    assert len(refused.value.message) < 200


@given(st.integers(0, WHOLE_SHARE))
def test_what_is_shown_reads_back(share):
    assert parse_share(format_share(share)) == share
    assert len(format_share(share)) <= SHARE_LIMIT
