"""Segments in words and bars: who is in, what they run, how they are used; unknown is not 0."""

import pytest
from markupsafe import Markup

from edge.control.shapes.impact import RunningView
from edge.control.shapes.insight.segment_reach import SegmentCounted, SegmentsReach, SegmentUseView
from edge.control.shapes.targeting import SegmentTested, SegmentView
from edge.page.views.segments.shown import (
    both_of,
    counted_words,
    language,
    lede_of,
    table_of,
    unjudged_words,
    words_of_test,
)

NOW = 1_700_000_000.0
EVIL = "<script>"


def segment(name="beta", channel=None, where="is_prod"):
    return SegmentView(name=name, where=where, leave=None, channel=channel, priority=10, yield_to_self_set=None)


def use(name="beta", devices=100, **given):
    running = [RunningView(bundle="1.0.0", devices=devices)] if devices else []
    defaults = {"running": running, "withheld": 0, "judged": 0, "sessions": 0, "errors": 0, "both": {name: devices}}
    return SegmentUseView(name=name, devices=devices, **defaults | given)


def reach(*uses, devices=1_000, in_any=100, unjudged=0):
    return SegmentsReach(
        app="com.acme.app",
        devices=devices,
        in_any=in_any,
        unjudged=unjudged,
        since=NOW,
        cut=False,
        segments=list(uses),
    )


def cells(each, found):
    return table_of("com.acme.app", [each], found, [], may=False)["rows"][0]["cells"]


@pytest.mark.parametrize(
    ("segments", "found", "expected"),
    [
        ([], None, "No segments yet. An expression selects devices; rollouts, experiments and channels can use it."),
        ([segment()], None, "1 segment. None leads to a channel."),
        (
            [segment(channel="beta"), segment("b")],
            reach(use()),
            "2 segments. 100 of 1,000 known devices are in at least one; 1 leads to a channel.",
        ),
    ],
)
def test_the_sentence_at_the_top(segments, found, expected):
    assert "".join(lede_of(segments, found)) == expected


def test_a_share_has_its_denominator_and_unknown_is_no_zero():
    found = cells(segment(), reach(use()))
    assert found[2] == {"text": "100", "bold": True, "of": "10.0\u202f%"}
    assert found[5]["text"] == found[6]["text"] == "not known"
    assert cells(segment(), None)[2:] == ["–"] * 5


@pytest.mark.parametrize(
    ("given", "sessions", "errors"),
    [
        ({"judged": 50, "sessions": 500, "errors": 10}, "10.0", {"text": "20", "of": "10 in 500"}),
        ({"judged": 5, "sessions": 9, "errors": 1}, "1.8", {"text": "too few", "tone": "muted", "of": "1 in 9"}),
    ],
)
def test_use_is_told_of_whom_it_is_known(given, sessions, errors):
    found = cells(segment(), reach(use(**given)))
    assert (found[5]["text"], found[6]) == (sessions, errors)


def test_what_they_run_is_a_bar_with_words():
    running = [RunningView(bundle=name, devices=n) for name, n in (("2.0.0", 70), ("1.0.0", 20), ("0.9.0", 10))]
    found = cells(segment(), reach(use(running=running)))[3]
    assert "f-old" in found and "2.0.0 70.0\u202f%, older 30.0\u202f%" in found


def test_strangers_words_are_escaped():
    found = table_of("com.acme.app", [segment(EVIL, where=EVIL)], reach(use(EVIL)), [], may=True)["rows"][0]["cells"]
    for each in found:
        assert not isinstance(each, Markup) or EVIL not in each


def test_who_is_in_several():
    one, other = use("a", both={"a": 100, "b": 7}), use("b", 50, both={"a": 7, "b": 50})
    rows = [each["cells"] for each in both_of(reach(one, other))["rows"]]
    assert rows == [["a", {"text": "100", "bold": True}, "7"], ["b", "7", {"text": "50", "bold": True}]]
    assert both_of(reach(one)) is None and both_of(None) is None and both_of(reach(one, other, devices=0)) is None


def test_how_many_are_not_judged():
    assert unjudged_words(reach(unjudged=77)) == "of 77 of 1,000 known devices"
    assert unjudged_words(reach()) == "" == unjudged_words(None)


def test_what_an_expression_matches():
    counted = SegmentCounted(
        name="tried",
        where="x",
        devices=200,
        matching=20,
        unknown={"sessions_7d": 3},
        warnings=["never true"],
        since=NOW,
        cut=True,
    )
    lead, beside = counted_words(counted, NOW)
    assert lead == "20 of 200 known devices match, 10.0\u202f%."
    assert beside[0] == "sessions_7d is unknown of 3 of them. What is unknown matches nothing."
    assert "Only reports since" in beside[1] and beside[2] == "never true"


def test_one_device():
    tested = SegmentTested(
        name="x", where="x", leave=None, matches=True, leaves=None, unknown=["country"], judged="on 27 Nov"
    )
    assert words_of_test(tested, "00009a6b") == "Device 00009a6b matches. Judged on 27 Nov. Unknown of it: country."


def test_every_word_of_the_language_is_listed():
    assert {"name", "kind", "meaning", "example"} == set(language()[0]) and len(language()) > 10
