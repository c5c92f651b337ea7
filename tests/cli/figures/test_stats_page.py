"""The pages of `edge stats`: whole in 80 columns on a terminal, aligned text without drawings in a pipe."""

import msgspec
import pytest
from stats_answers import a_report, an_answer, rows, the_sides

from edge.cli.figures.page import Grid, Heading, plain_lines, rendered
from edge.cli.figures.releases_page import releases_page, sides_grid
from edge.cli.figures.stats_page import stats_page
from edge.domain.statistics.releases import BundleReach, Shift, development, releases_of

WHERE = "http://127.0.0.1:8081/v1/definitions"
BRAILLE = {chr(0x2800 + dots) for dots in range(256)}


def glance():
    return stats_page(an_answer(), "", WHERE)


def bundle(by="platform"):
    return stats_page(an_answer(report=a_report(), rows=rows(by), bundles=[]), by, WHERE)


def releases():
    shifts = [
        Shift(60.0, "publish_bundle", "", "production", frozenset(), frozenset({"1.0.0"})),
        Shift(6_000.0, "roll_back", "", "production", frozenset({"1.0.0"}), frozenset()),
    ]
    times = [(each, BundleReach(11, None, 3)) for each in releases_of(shifts)]
    return releases_page(development("com.example.app", times, 0, 90 * 86_400, cut=True), WHERE)


def sides():
    return [Heading("What came of it"), sides_grid(the_sides().sides)]


@pytest.mark.parametrize("page", [glance, bundle, lambda: bundle("hour"), releases, sides])
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(page, columns):
    lines = rendered(page(), columns, color=False).splitlines()
    assert max(map(len, lines)) <= columns
    text = " ".join(" ".join(lines).split())
    for line in plain_lines(page()):
        for word in line.split():
            assert word.lower() in text.lower()


def test_a_pipe_gets_no_curve_and_no_escape():
    text = "\n".join(plain_lines(bundle()))
    assert not BRAILLE & set(text) and "\x1b" not in text and "Adoption " not in text
    assert "adoption            68.8 % of 12,304 devices" in text


def test_a_terminal_gets_the_curve_and_colors():
    text = rendered(bundle(), 80, color=True)
    assert BRAILLE & set(text) and "\x1b[1m" in text


def test_the_page_leads_to_the_definitions_and_says_what_a_crash_may_lose():
    text = " ".join(plain_lines(glance()))
    assert WHERE in text and "may lose the last 10 s" in text and "counts twice" in text


def test_the_states_of_a_bundle_and_its_rates_are_there():
    text = " ".join(" ".join(plain_lines(bundle())).split())
    for words in (
        "offered 9,509 100 %",
        "silent 950 10.0 %",
        "99.7 % of 8,021",
        "50 % 8h 30m",
        "90 % not reached",
    ):
        assert words in text


def test_what_is_not_known_is_not_a_share():
    text = "\n".join(plain_lines(bundle()))
    (ios,) = [line for line in text.splitlines() if line.startswith("ios")]
    assert ios.split()[2:5] == ["0", "-", "-"]


def test_the_page_says_how_many_rows_are_left_out():
    answer = an_answer(rows=rows(), more_rows=51, more_bundles=3, more_outcomes=2, more_features=1)
    text = " ".join(plain_lines(stats_page(answer, "platform", WHERE)))
    assert "By platform the 2 with the most devices; 51 are left out" in " ".join(text.split())
    assert "3 more: --by bundle" in text
    assert "2 less frequent are left out" in text and "1 less frequent are left out" in text
    assert "left out" not in " ".join(plain_lines(glance()))


def test_the_page_of_a_bundle_says_how_many_rows_are_in_json_and_how_many_are_not():
    report = a_report()
    long = msgspec.structs.replace(report, failures=report.failures * 5, more_failures=7, more_outcome_changes=40)
    text = " ".join(plain_lines(stats_page(an_answer(report=long, bundles=[]), "", WHERE)))
    assert "3 more in --json; 7 less frequent are left out" in text
    assert "40 later in the alphabet are left out" in text


def test_a_side_is_shown_by_its_name_and_an_earlier_one_by_what_identifies_it():
    first, second = rows()
    named = [msgspec.structs.replace(first, label="k3X/new", name="production 1.1.0 new"), second]
    text = " ".join(" ".join(plain_lines(stats_page(an_answer(rows=named), "side", WHERE))).split())
    assert "production 1.1.0 new 8,200" in text and "k3X" not in text and " ios 4,104" in text


def test_words_from_outside_cannot_control_the_terminal():
    page = [Heading("\x1b[2Jgone"), Grid(("a", "b"), [("\x1b]0;title\x07", "x")], frozenset())]
    assert not {"\x1b", "\x07"} & set(rendered(page, 80, color=False) + "".join(plain_lines(page)))


def test_a_wide_grid_continues_below_with_its_first_column():
    text = rendered(sides(), 80, color=False)
    assert text.count("control") == 2 and text.count("crash-free") == 1
