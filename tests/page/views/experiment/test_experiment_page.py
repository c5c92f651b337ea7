"""The page of an experiment: what is shown, what is not, and when it could be."""

import pytest
from control_world import APP
from experiment_readings import DAY_MS, NOW, a_reading, compared, measured
from msgspec.structs import replace

from edge.domain.comparing.reading import ArmReading, ShownState, SplitReading
from edge.page.rendering import render
from edge.page.views.experiment.page import reading_values
from edge.page.views.experiment.shown_reading import (
    arms_table,
    comparisons_words,
    difference_table,
    facts,
    lede,
    pill,
    state_kind,
    sure_chart,
)


def plain(text):
    return str(text).replace("\u202f", " ")


def rendered(reading):
    return render("experiment.html", {**reading_values(reading, NOW), "buttons": ()}).decode()


def test_the_first_sentence_leads():
    lead, rest = lede(a_reading())
    assert lead == "New has fewer unhandled errors: 0.71 to 0.93 times as many as control."
    assert rest.startswith("Whether trips paid differ")
    assert lede(a_reading(sentence="Nothing can be compared yet.")) == ("Nothing can be compared yet.", "")


def test_the_pill_says_for_how_long_it_runs_or_when_it_ended():
    assert pill(a_reading(), NOW) == ("run", "Runs, day 14")
    ended = a_reading(ended_ms=int(NOW * 1000) - 3 * DAY_MS)
    assert pill(ended, NOW) == ("idle", "Ended 24 Nov, 14:32")


def test_a_row_has_both_figures_with_denominators_and_what_they_say():
    rows = [row["cells"] for row in difference_table(a_reading())["rows"]]
    assert [(plain(row[1]["text"]), plain(row[1]["of"])) for row in rows] == [
        ("0.14", "a device, of 30,912"),
        ("0.21 %", "59 of 28,340"),
        ("14.9 %", "4,606 of 30,912"),
        ("0.03 %", "9 of 30,912"),
    ]
    assert [row[4]["state"] for row in rows] == [
        ["good", "Fewer in new"],
        ["idle", "No difference shown"],
        ["idle", "Not shown yet"],
        ["idle", "Too early"],
    ]
    assert rows[0][3]["of"] == "0.71 to 0.93 times" and rows[3][3] == ""


@pytest.mark.parametrize(
    ("better", "state", "kind"),
    [
        ("more", ShownState.MORE, "good"),
        ("more", ShownState.FEWER, "warn"),
        ("fewer", ShownState.MORE, "warn"),
        ("", ShownState.MORE, "run"),
        ("more", ShownState.DOUBTED, "warn"),
        ("more", ShownState.UNKNOWN, "idle"),
    ],
)
def test_what_is_shown_is_good_only_if_it_is_wanted(better, state, kind):
    comparison = compared(state, "says")
    measure = measured("x", "X", comparison, (10, 1, 1.0), (10, 1, 1.0), better=better)
    assert state_kind(measure, comparison) == kind


def test_more_than_two_arms_have_a_row_each():
    arms = [*a_reading().arms, ArmReading(name="third", bundle="4.11.5", share="20%", devices=9, installed=1)]
    measure = a_reading().measures[1]
    measure = replace(measure, comparisons=(*measure.comparisons, compared(ShownState.EARLY, "Too early", arm="third")))
    table = difference_table(a_reading(arms=tuple(arms), measures=(measure,)))
    assert [row["cells"][0]["text"] for row in table["rows"]] == ["Fails to start, new", "Fails to start, third"]
    assert table["rows"][1]["cells"][2]["of"] == "not known"


def test_how_wide_intervals_are_is_explained():
    assert plain(comparisons_words(a_reading())).startswith("4 comparisons, each at 98.75 %, so that all of them hold")
    assert plain(comparisons_words(a_reading(comparisons=1))).startswith("The interval holds at 95 %")


def test_the_chart_is_of_the_measure_that_shows_most():
    assert "Unhandled errors, new against control, over time" in sure_chart(a_reading(), NOW)
    assert sure_chart(a_reading(measures=a_reading().measures[1:]), NOW) is None


def test_a_doubted_split_shows_no_comparison():
    split = SplitReading(doubted=True, odds=5000.0, limit=1000.0, sentence="The split is doubted: 60 to 40 %.")
    reading = a_reading(split=split)
    assert sure_chart(reading, NOW) is None and pill(reading, NOW)[0] == "warn"
    assert "may differ in more than what they are offered" in rendered(reading)


def test_nothing_is_good_before_a_device_is_in_an_arm():
    nobody = a_reading(arms=tuple(replace(each, devices=0) for each in a_reading().arms))
    assert 'class="notice good"' in rendered(a_reading()) and 'class="notice good"' not in rendered(nobody)


def test_what_is_an_arms_own_stands_beside_its_bundle():
    night = ArmReading(
        name="night",
        bundle="2",
        share="50%",
        devices=5,
        installed=1,
        windows=("daily 01:00-05:00 UTC",),
        spread_seconds=3600,
    )
    cell = arms_table(a_reading(arms=(a_reading().arms[0], night)))["rows"][1]["cells"][1]
    assert plain(cell["of"]) == "daily 01:00-05:00 UTC, spread over 1 h"
    assert dict(facts(a_reading(kind="timing"), NOW))["Compares"] == "when it is offered"


def test_an_arm_of_a_feature_shows_its_value_and_no_installation():
    arm = ArmReading(name="new", bundle="", share="50%", devices=5, installed=0, value='{"a":1}')
    reading = a_reading(kind="features", channel="feature:ads", arms=(a_reading().arms[0], arm))
    assert arms_table(reading)["rows"][1]["cells"][1:] == ['{"a":1}', "50\u202f%", {"text": "5", "of": ""}]
    assert dict(facts(reading, NOW))["Compares"] == "values"
    assert "given an arm's value" in comparisons_words(reading)


def test_names_and_questions_are_text():
    nasty = "<img src=x onerror=alert(1)>"
    source = rendered(a_reading(name=nasty, question=nasty, segment=nasty, sentence=nasty, notes=(nasty,)))
    assert "<img" not in source and "significant" not in source


async def test_a_channel_without_an_experiment_says_how_one_is_started(root, publish):
    await publish("1.0.0", "production")
    page = await root.get(f"/apps/{APP}/channels/production/experiment")
    assert page.status == 200 and "edge experiment start" in page.text, page.text
    page = await root.get(f"/apps/{APP}/experiments")
    assert page.status == 200 and "No experiment runs." in page.text
