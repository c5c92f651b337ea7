"""`edge stats` and its kin on a real node: in a pipe, on a terminal, and as JSON."""

import msgspec
import pytest
from running_node import app_name, at_terminal, web_build, write_folder

from edge.domain.comparing.reading import ExperimentReading
from edge.domain.statistics.releases import ReleasesAnswer
from edge.telemetry.questions.app_answers import StatsAnswer
from edge.telemetry.questions.sides import SidesAnswer


@pytest.fixture
def app(node, request, tmp_path):
    """An app with a release on a public channel, and another bundle."""
    name, folder = app_name(request), write_folder(tmp_path / "dist", web_build(1))
    node.json("app", "create", name)
    node.json("channel", "create", name, "stable", "--public")
    node.json("bundle", "publish", name, folder, "--version", "1.0.1", "--channel", "stable")
    write_folder(folder, web_build(2))
    node.json("bundle", "publish", name, folder, "--version", "1.1.0", "--no-channel")
    return name


def test_an_app_without_devices_has_a_page_that_says_so(node, app):
    text = node.text("stats", app)
    assert text.startswith(app) and "active devices             0" in text
    assert f"{node.control}/v1/definitions" in text and "not known: no session began" in text


def test_the_json_is_the_answer_of_the_api(node, app):
    answer = msgspec.convert(node.json("stats", app, "--bundle", "1.0.1", "--by", "day", "--since", "3d"), StatsAnswer)
    assert (answer.report.bundle, answer.until - answer.since, len(answer.rows)) == ("1.0.1", 3 * 86_400, 4)


@pytest.mark.parametrize("by", ["hour", "bundle", "segment", "arm", "platform", "version_os", "country"])
def test_every_label_has_rows_or_none(node, app, by):
    assert f"\nBy {by}" in node.text("stats", app, "--by", by)


def test_how_the_team_releases(node, app):
    node.json("rollout", "start", app, "stable", "--bundle", "1.1.0", "--steps", "50")
    node.json("rollback", app, "stable")
    answer = msgspec.convert(node.json("stats", app, "--releases"), ReleasesAnswer)
    assert [(each.bundle, bool(each.taken_back)) for each in answer.releases] == [("1.1.0", True), ("1.0.1", False)]
    text = node.text("stats", app, "--releases", "--since", "7d")
    assert "releases a week      2" in text and "taken back           50.0 % of 2 releases" in text


def test_a_rollout_shows_its_sides_and_an_experiment_its_arms(node, app):
    node.json("rollout", "start", app, "stable", "--bundle", "1.1.0", "--steps", "50", "--hold-out", "10")
    sides = msgspec.convert(node.json("rollout", "show", app, "stable")["figures"], SidesAnswer).sides
    assert [(side.name, side.bundle) for side in sides] == [("new", "1.1.0"), ("control", ""), ("rest", "")]
    text = node.text("rollout", "show", app, "stable")
    assert "What came of it" in text and "\ncontrol" in text
    node.json("rollout", "rollback", app, "stable")
    node.json("experiment", "start", app, "stable", "look", "--arm", "old=1.0.1:50", "--arm", "new=1.1.0:50", "--again")
    arms = msgspec.convert(node.json("experiment", "show", app, "stable"), ExperimentReading).arms
    assert [(arm.name, arm.bundle) for arm in arms] == [("old", "1.0.1"), ("new", "1.1.0")]
    assert "\nold " in node.text("experiment", "show", app, "stable")


def test_a_watched_page_is_drawn_in_place_until_ctrl_c(node, app):
    code, seen = at_terminal(
        node, "stats", app, "--watch", typed="", after="Downloads", env={"TERM": "xterm"}, interrupt=True
    )
    assert code == 0
    assert "\x1b[?1049h" in seen and "\x1b[?1049l" in seen  # a screen of its own, and back
    assert app in seen.rpartition("\x1b[?1049l")[2]  # the last page stays


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--releases", "--by", "day"), "--releases takes --since alone"),
        (("--events", "--releases"), "--events takes no other option"),
        (("--events", "--since", "1h"), "--events takes no other option"),
        (("--by", "colour"), "colour"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(node, options, told):
    done = node.run("stats", "com.acme.app", *options)
    assert done.exit_code == 2 and told in done.stderr


def test_a_time_that_is_none_and_an_app_that_is_none_are_refused(node, app):
    assert "invalid duration" in node.failure("stats", app, "--since", "3x")
    assert "use a whole number" in node.failure("stats", app, "--since", "5s")
    assert "unknown app" in node.failure("stats", "com.acme.none")
