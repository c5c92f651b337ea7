"""A device's events in words, by day; equal neighbours are one line."""

import pytest

from edge.control.shapes.insight.device_story import StoryEventView
from edge.page.views.device.story import SAID_LIMIT, latest_failure, tell_story

NOW = 1_700_000_000.0  # 14 Nov 2023, 22:13:20


def event(action, bundle="4.12.0", at=NOW, **given):
    defaults = {"file": "", "was": "", "native": "4.2.0", "plugin": "8.51.14", "os": "9", "metadata": {}}
    return StoryEventView(at=at, action=action, bundle=bundle, **defaults | given)


WORDS = {
    "update_fail": ("4.12.0 failed to start", "bad"),
    "set": ("Switched to 4.12.0", "run"),
    "download_complete": ("Downloaded 4.12.0", ""),
    "app_launch_ready": ("4.12.0 is healthy", "good"),
    "checksum_fail": ("4.12.0 failed: checksum fail", "bad"),
    "withheld_update_fail": ("4.12.0 withheld", "warn"),
    "experiment_offer": ("Was offered 4.12.0", "run"),
    "app_crash": ("Crashed while it ran 4.12.0", "bad"),
    "webview_javascript_error": ("An error in 4.12.0", "warn"),
    "ping": ("Was used, ran 4.12.0", ""),
    "blocked_by_server_url": ("Blocked by server url", ""),
}


@pytest.mark.parametrize("action", WORDS)
def test_each_event_has_its_words(action):
    heading, line = tell_story([event(action)], NOW)
    assert heading.day == "Today, 14 Nov"
    assert (line.lead, line.tone, line.time) == (*WORDS[action], "22:13:20")


def test_equal_neighbours_are_one_line_of_one_day():
    used = [event("ping", at=NOW - 60 * n) for n in range(3)]
    lines = tell_story([*used, event("set", at=NOW - 300), event("ping", at=NOW - 400)], NOW)
    assert [each.lead for each in lines[1:]] == [
        "Was used, ran 4.12.0, 3 times from 22:11 to 22:13",
        "Switched to 4.12.0",
        "Was used, ran 4.12.0",
    ]
    lines = tell_story([event("ping"), event("ping", at=NOW - 86_400)], NOW)
    assert [each.day or each.lead for each in lines] == [
        "Today, 14 Nov",
        "Was used, ran 4.12.0",
        "13 Nov",
        "Was used, ran 4.12.0",
    ]


def test_launches_of_what_is_known_to_be_healthy_are_use():
    actions = ("set", "app_launch_start", "app_launch_ready", "ping", "app_launch_start", "app_launch_ready")
    events = [event(action, at=NOW - 100 + number) for number, action in enumerate(actions)][::-1]
    assert [each.lead for each in tell_story(events, NOW)[1:]] == [
        "Was used, ran 4.12.0, 3 times at 22:11",
        "4.12.0 is healthy",
        "Started 4.12.0",
        "Switched to 4.12.0",
    ]


def test_failures_are_never_joined_with_what_was_said_besides():
    failed = [event("update_fail"), event("update_fail", at=NOW - 5)]
    assert len(tell_story(failed, NOW)) == 3


@pytest.mark.parametrize(("kind", "lines"), [("all", 3), ("offers", 1), ("reports", 1), ("decisions", 1)])
def test_kinds_are_told_apart(kind, lines):
    events = [event("withheld_update_fail"), event("set"), event("experiment_offer")]
    assert len(tell_story(events, NOW, kind)) == lines + 1


def test_what_a_device_says_is_cut_and_cleaned():
    (_, line) = tell_story([event("webview_javascript_error", metadata={"message": "\u202e" + "x" * 999})], NOW)
    assert "\u202e" not in line.rest and len(line.rest) <= SAID_LIMIT + len("webview_javascript_error · ")


def test_what_it_ran_before_and_the_file_are_told():
    (_, line) = tell_story([event("set", was="4.11.3", file="a.js")], NOW)
    assert line.rest == "set · was 4.11.3 · a.js"


def test_a_story_without_events_has_no_day():
    assert tell_story([], NOW) == []


def test_the_latest_failure_of_a_bundle_is_found():
    events = [event("set"), event("update_fail", at=NOW - 1), event("update_fail", at=NOW - 9)]
    assert latest_failure(events, "4.12.0").at == NOW - 1
    assert latest_failure(events, "4.11.3") is None
