"""What can be measured, by the names that people use."""

import pytest

from edge.domain.comparing.measures import (
    MEASURES_LIMIT,
    RELEASE_MEASURES,
    TIMING_MEASURES,
    parse_measure,
    parse_measures,
    usual_measures,
)
from edge.domain.comparing.reading import MeasureKind
from edge.domain.errors import Invalid
from edge.domain.model import Arm, SegmentName, VersionName

KNOWN = ("failed", "install_failed", "crashed", "erred", "errors", "sessions", "installed", "installed:24h")


@pytest.mark.parametrize("text", [*KNOWN, "install_time:2h", "event:checkout done", "outcome:ticket", "value:revenue"])
def test_a_measure_keeps_the_name_it_was_asked_for_by(text):
    found = parse_measure(text)
    assert found.id == text
    assert found.title and found.noun


def test_a_time_within_which_a_device_counts():
    assert parse_measure("installed:90m").within_seconds == 5_400
    assert parse_measure("installed:90m").title == "Has its bundle within 90 min"
    assert parse_measure("install_time").id == "install_time:24h"
    assert parse_measure("install_time:2h").unit == "hours"


LONG = "outcome:" + "x" * 80


@pytest.mark.parametrize(
    "text", ["", "speed", "event:", "event:\x1b[0m", "installed:0s", "installed:31d", LONG, "failed:1h"]
)
def test_what_is_no_measure_is_refused(text):
    with pytest.raises(Invalid) as caught:
        parse_measure(text)
    assert caught.value.code in ("invalid_measure", "invalid_duration")


def test_each_counts_once_and_there_are_not_too_many():
    assert len(parse_measures(("failed", "failed", "crashed"))) == 2
    with pytest.raises(Invalid, match="more widens"):
        parse_measures(tuple(f"event:e{n}" for n in range(MEASURES_LIMIT + 1)))


def test_what_is_usual_depends_on_what_differs():
    arm = Arm(name="a", bundle=VersionName("1.0.0"), weight=50_000)
    timing = Arm(name="b", bundle=VersionName("1.0.0"), weight=50_000, spread_seconds=600)
    criteria = Arm(name="b", bundle=VersionName("1.0.0"), weight=50_000, segment=SegmentName("phones"))
    assert usual_measures((arm, arm)) == usual_measures((arm, criteria)) == RELEASE_MEASURES
    assert usual_measures((arm, timing)) == TIMING_MEASURES
    assert {each.kind for each in parse_measures(TIMING_MEASURES)} == set(MeasureKind)
