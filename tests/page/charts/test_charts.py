"""Charts whole: the SVG, its words, its table and the values for the script."""

import json
import math
import re
from html.parser import HTMLParser

import pytest

from edge.page.charts.adoption import AdoptionCurve, AllowedShare, adoption_chart
from edge.page.charts.axes import share_axis
from edge.page.charts.chart import draw, draw_nothing, values_of
from edge.page.charts.comparing import DrawnRatio, ratio_chart
from edge.page.charts.guarding import GuardPoint, GuardSeries, evidence_chart, rate_chart
from edge.page.charts.intervals import funnel_bar, interval_bar, ratio_bar, sparkline, stacked_bar
from edge.page.charts.lines import ChartLine, Mark, draw_ends, draw_marks
from edge.page.charts.table import Table, draw_table, thinned

NOW = 1_795_789_925.0  # 2026-11-27 14:32:05 UTC
HOUR = 3600.0
NASTY = '</script><img src=x onerror="alert(1)"> &\u202e'

_VOID = {"line", "circle", "rect", "polyline", "polygon"}


class _Reading(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(markup):
    reading = _Reading()
    reading.feed(str(markup))
    assert not reading.open
    return reading


def growing(bundle, hours, top, **more):
    points = tuple((n * HOUR / 4, top * (1 - math.exp(-n / 40))) for n in range(int(hours * 4) + 1))
    return AdoptionCurve(bundle=bundle, points=points, **more)


def adoption(subject="2.31.0", **more):
    earlier = [growing("2.30.1", 90, 0.94, half=35_400.0, most=147_600.0), growing("2.30.0", 72, 0.9)]
    allowed = AllowedShare(steps=((0.0, 0.01), (6 * HOUR, 0.05), (12 * HOUR, 0.25)))
    return adoption_chart(growing(subject, 15, 0.2), earlier, allowed, **more)


def looked(at, n, k, log_odds, count_id="a"):
    return GuardPoint(
        at=at,
        attempts=n,
        failed=k,
        low=0.0,
        high=0.3,
        log_odds=log_odds,
        tested=n - 1,
        tested_failed=k - 1,
        count_id=count_id,
    )


def guarded(*points, **more):
    points = points or (looked(NOW - 900, 13, 1, 0.1), looked(NOW - 60, 96, 14, 7.9))
    given = {"bundle": "4.12.0", "limit": 0.02, "acts_at": 1000.0, "begin": NOW - 1800, "end": NOW, "now": NOW} | more
    return GuardSeries(points=points, **given)


def every_chart():
    yield draw(adoption())
    yield draw(adoption(NASTY, stale="14:18, 14 min ago"))
    yield draw(rate_chart(guarded(trouble=True, marks=(Mark(NOW - 60, "paused", event=True),))))
    yield draw(evidence_chart(guarded(bundle=NASTY)))
    yield draw(
        ratio_chart(
            NASTY,
            "new",
            "control",
            (DrawnRatio(at=NOW, low=0.7, ratio=0.8, high=0.9),),
            confidence=0.9875,
            end=NOW,
            now=NOW,
        )
    )
    yield draw_nothing("Adoption", NASTY, NASTY)
    yield interval_bar(0.0, 0.1, 0.3, 0.02, 0.2)
    yield ratio_bar(0.7, 0.8, 0.9)
    yield sparkline([0.1, None, 0.3], NASTY)
    yield stacked_bar([(0.7, "now"), (0.5, "old")], NASTY)
    yield funnel_bar(0.5)


def test_nothing_in_a_chart_has_a_style_or_a_handler_of_its_own():
    for markup in every_chart():
        reading = read(markup)
        names = {name for name, _ in reading.attributes}
        assert "style" not in names and not any(name.startswith("on") for name in names)
        assert "img" not in reading.tags and "style" not in reading.tags


def test_names_from_outside_are_text_everywhere():
    for markup in every_chart():
        assert "<img" not in markup and "\u202e" not in str(markup).replace("\\u202e", "\u202e")


def test_the_values_for_the_script_are_json_that_no_name_can_end():
    markup = str(draw(adoption(NASTY)))
    block = re.search(r'<script type="application/json" class="values">(.*?)</script>', markup).group(1)
    assert "<" not in block and ">" not in block
    values = json.loads(block)
    assert values["lines"][0]["end"].startswith("</script><img") and values["y"]["high"] == 1.0


def test_the_script_draws_the_same_values():
    chart = adoption()
    values = values_of(chart)
    assert [each["kind"] for each in values["lines"]] == ["now", "cap", "old1", "old2"]
    assert values["lines"][0]["points"][-1] == [round(each, 6) for each in chart.lines[0].points[-1]]
    assert len(values["readings"]) == len(values["lines"][0]["points"])
    assert values["marks"] == [[86_400.0, "24\u202fh", False]]


def test_an_adoption_chart_says_in_a_sentence_what_it_shows():
    said = adoption().said.replace("\u202f", " ")
    assert said == (
        "2.31.0 is at 15.5 % after 15 h, held down by its rollout share of 25 %. "
        "Earlier releases after that age: 2.30.1 73.0 % and 2.30.0 69.9 %."
    )
    nobody = adoption_chart(AdoptionCurve(bundle="3", points=()), [], AllowedShare())
    assert nobody.said == "Nobody has been offered 3 yet."


def test_adoption_is_at_most_four_lines_on_an_axis_of_0_to_100_percent():
    earlier = [growing(f"1.{n}", 80, 0.9) for n in range(6)]
    chart = adoption_chart(growing("2", 5, 0.2), earlier, AllowedShare())
    assert [each.kind for each in chart.lines] == ["now", "old1", "old2", "old3"]
    assert (chart.y.low, chart.y.high, chart.x.high) == (0, 1, 72 * HOUR)


def test_the_share_of_a_rollout_is_steps_that_end_now():
    cap = next(each for each in adoption().lines if each.kind == "cap")
    assert cap.points == (
        *((0.0, 0.01), (6 * HOUR, 0.01), (6 * HOUR, 0.05), (12 * HOUR, 0.05), (12 * HOUR, 0.25), (15 * HOUR, 0.25)),
    )
    assert cap.latest.replace("\u202f", " ") == "1, 5, 25 %"


def test_a_release_is_not_yet_as_old_as_some_columns():
    first, second = adoption().table.rows[:2]
    assert first[:1] == ("2.31.0",) and first[3:] == ("–", "–", "–", "–")
    assert [each.replace("\u202f", " ") for each in second[4:]] == ["93.9 %", "9 h 50 min", "41 h"]


def test_failures_are_orange_only_in_trouble():
    assert rate_chart(guarded()).lines[0].kind == "now"
    assert rate_chart(guarded(trouble=True)).lines[0].kind == "fail"


def test_a_few_attempts_have_no_rate_at_the_end_of_their_line():
    assert rate_chart(guarded(looked(NOW, 7, 2, 0.0))).lines[0].end == "2 of 7"
    assert rate_chart(guarded()).lines[0].end.replace("\u202f", " ") == "14.6 %"


def test_a_resume_begins_a_new_line():
    points = (
        looked(NOW - 9, 90, 9, 7.0),
        looked(NOW - 8, 95, 9, 7.1),
        looked(NOW - 2, 4, 0, 0.0, "b"),
        looked(NOW, 9, 0, -1.0, "b"),
    )
    latest, old = evidence_chart(guarded(*points)).lines
    assert [len(latest.points), len(old.points)] == [2, 2] and latest.dot and not old.dot
    assert latest.points[0][0] == NOW - 2


def test_evidence_below_the_axis_is_drawn_on_it_and_says_so():
    markup = str(draw(evidence_chart(guarded(looked(NOW - 60, 60, 0, -1.0), looked(NOW, 9000, 1, -90.0)))))
    assert "below 1:10" in markup and ",1000.0" in markup and "acts here" in markup


def test_the_sentence_of_the_evidence_says_the_highest_too():
    said = evidence_chart(guarded(looked(NOW - 60, 60, 5, math.log(500)), looked(NOW, 900, 5, 0.0))).said
    assert said == (
        "The odds are 1 to 1 at 14:32:05, and were at most 500 to 1 at 14:31:05. The guard acts at 1,000 to 1."
    )


def test_the_table_of_the_evidence_has_the_counts_of_its_odds():
    series = guarded(looked(NOW, 96, 14, 0.0))
    assert evidence_chart(series).table.rows[0][1:3] == ("95", "13")
    assert "14" in rate_chart(series).table.rows[0] and "96" in rate_chart(series).table.rows[0]


def test_the_sentence_of_the_rate_names_the_side_of_the_limit():
    points = {"below": (0.0, 0.01), "above": (0.05, 0.3), "on both sides of": (0.0, 0.3)}
    for side, (low, high) in points.items():
        point = GuardPoint(
            at=NOW, attempts=96, failed=14, low=low, high=high, log_odds=0.0, tested=88, tested_failed=10
        )
        assert f": {side} the limit of 2\u202f%." in rate_chart(guarded(point)).said


def test_a_stale_chart_says_as_of_when():
    markup = str(draw(adoption(stale="14:18, 14 min ago")))
    assert 'class="chart stale"' in markup and "as of 14:18, 14 min ago" in markup and "dot old" in markup


def test_a_chart_without_values_says_what_has_to_happen():
    assert "Nobody has" in draw_nothing("Adoption of 2", "of active devices", "Nobody has been offered it yet.")


def test_names_at_the_ends_of_lines_are_pushed_apart():
    lines = [
        ChartLine(name, "old1", ((0.0, 0.0), (1.0, value)), end=name)
        for name, value in (("a", 0.9), ("b", 0.905), ("c", 0.91))
    ]
    axis = share_axis()
    heights = [float(each) for each in re.findall(r'y="([\d.]+)%"', str(draw_ends(lines, axis, axis)))]
    assert sorted(heights)[0] == 9 and all(
        b - a > 5 for a, b in zip(sorted(heights), sorted(heights)[1:], strict=False)
    )


def test_names_at_an_axis_or_at_the_top_stay_inside_the_plot():
    axis = share_axis()
    old = [ChartLine(name, "old1", ((0.0, 0.5), (0.5, 0.0)), end=name) for name in "abc"]
    heights = [float(each) for each in re.findall(r'y="([\d.]+)%"', str(draw_ends(old, axis, axis)))]
    assert sorted(heights) == pytest.approx([89, 94.5, 100])
    top = ChartLine("a", "fail", ((0.0, 0.5), (1.0, 1.0)), end="a")
    assert 'dy="1.2em"' in str(draw_ends([top], axis, axis))


def test_marks_close_to_each_other_write_their_words_below_one_another():
    axis = share_axis()
    rows = re.findall(
        r'dy="([\d.]+)em"', str(draw_marks([Mark(0.5, "5 %"), Mark(0.52, "paused"), Mark(0.9, "25 %")], axis))
    )
    assert rows == ["0.90", "2.05", "0.90"]


def test_an_interval_that_leaves_its_axis_has_no_cap_there():
    whole, open_ended = str(interval_bar(0.01, 0.05, 0.1, None, 0.2)), str(interval_bar(0.01, 0.05, 0.5, None, 0.2))
    assert (whole.count("s-now"), open_ended.count("s-now")) == (3, 2)
    assert str(ratio_bar(0.9, 3.0, 9.0)).count("circle") == 0


def test_a_group_that_stands_out_is_orange():
    assert "f-fail" in interval_bar(0.2, 0.4, 0.6, 0.02, 0.8, hit=True)


def test_a_gap_in_a_line_of_days_is_no_0():
    markup = str(sparkline([0.5, None, None, 0.7, 0.8], "Adoption over 5 days, now 80 %"))
    assert markup.count("<polyline") == 2 and ",100.0" not in markup


def test_all_of_them_is_a_line_that_the_edge_does_not_cut():
    markup = str(sparkline([1.0, 1.0, 0.0], "Adoption"))
    heights = [float(each) for each in re.findall(r",(\d+\.\d)", markup)]
    assert all(4 <= each <= 98 for each in heights) and len(heights) == 3


def test_what_is_more_than_nothing_is_seen():
    assert 'class="f-now" width="0.40%"' not in funnel_bar(0.0) and 'width="0.40%"' in funnel_bar(0.00001)


def test_a_table_is_thinned_with_both_ends():
    assert thinned(list(range(1000)), 5) == [0, 250, 500, 749, 999]
    assert thinned([1, 2], 5) == [1, 2]
    rows = tuple((str(n), "1") for n in range(500))
    markup = str(draw_table("Odds", Table(("Time", "Odds"), rows)))
    assert markup.count("<tr>") == 61 and 'aria-label="Table: Odds"' in markup and 'tabindex="0"' in markup


def test_a_chart_is_small():
    points = tuple(looked(NOW - 1800 + 9 * n, 10 * n, n, n / 30) for n in range(200))
    assert len(draw(rate_chart(guarded(*points)))) < 36_000
