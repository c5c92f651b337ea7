"""The words of comparisons."""

import pytest
from places import ROOT

from edge.domain.comparing.event_share import RatioInterval
from edge.domain.comparing.phrases import around, ruled_out, span

NOW_MS = 1_795_788_000_000  # 27 Nov 2026, 14:00 UTC
HOUR_MS = 3_600_000
TEXTS = {".py", ".md", ".html", ".css", ".ts", ".toml"}


def test_nothing_of_the_program_calls_a_result_significant():
    """What an interval that holds at every look shows, it shows; that word belongs to tests of a fixed size."""
    files = [path for path in (ROOT / "edge").rglob("*") if path.suffix in TEXTS and "node_modules" not in path.parts]
    assert len(files) > 500
    assert [path for path in files if "significan" in path.read_text().lower()] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (0.74, "more than +74 %"),
        (-0.123, "more than -12 %"),
        (0.004, "more than +0.4 %"),
        (3.2, "more than 4.20 times as many"),
        (19.0, "more than 20 times as many"),
    ],
)
def test_what_is_ruled_out(change, said):
    assert ruled_out(change) == said


@pytest.mark.parametrize(
    ("hours", "said"),
    [(1, "about 15:00 UTC"), (23, "about 13:00 UTC"), (9 * 24, "about 6 Dec"), (40 * 24, "about 6 Jan 2027")],
)
def test_when_something_could_be(hours, said):
    assert around(NOW_MS + hours * HOUR_MS, NOW_MS) == said


def test_an_interval_without_an_end():
    assert span(RatioInterval(1.5, None)) == "at least 1.50 times"
    assert span(RatioInterval(0.714, 0.931)) == "0.71 to 0.93 times"
