"""The path of a decision in words."""

import pytest

from edge.control.shapes.devices import ExplainStep, Explanation
from edge.page.views.device.path import VALUE_LIMIT, tell_path

NOW = 1_700_000_000.0


def explained(steps=(), decision=None, **asked):
    return Explanation(
        asked={"version_name": "4.11.3"} | asked,
        reported=None,
        steps=[ExplainStep(rule=rule, saw=saw, outcome=outcome) for rule, saw, outcome in steps],
        decision=decision or {"outcome": "up_to_date", "code": "up_to_date", "channel": "production"},
        next="nothing",
        answer={},
    )


DECISIONS = {
    "offered": (
        {"outcome": "offer", "code": "offer", "bundle": "4.12.0", "channel": "beta"},
        ("It asks from beta and runs 4.11.3. It is offered 4.12.0.", "offered 4.12.0", True),
    ),
    "up to date": (
        {"outcome": "up_to_date", "code": "up_to_date", "channel": "beta"},
        ("It asks from beta, which offers it what it runs, 4.11.3.", "nothing new", False),
    ),
    "held": (
        {
            "outcome": "up_to_date",
            "code": "rollout_paused",
            "channel": "beta",
            "message": "The rollout is paused, and the device does not run its bundle yet",
        },
        (
            "It asks from beta and runs 4.11.3. The rollout is paused, and the device does not run its bundle yet.",
            "nothing new",
            False,
        ),
    ),
    "blocked": (
        {"outcome": "blocked", "code": "no_channel", "message": "no default channel or override", "target": ""},
        ("It runs 4.11.3. No default channel or override.", "nothing new", False),
    ),
    "blocked from a bundle": (
        {"outcome": "blocked", "code": "disable_emulator", "message": "Not for emulators", "target": "4.12.0"},
        ("It runs 4.11.3. Not for emulators. It would get 4.12.0.", "nothing new", False),
    ),
    "reverts": (
        {"outcome": "revert_to_builtin", "code": "revert_to_builtin", "channel": "beta"},
        (
            "It asks from beta and runs 4.11.3. It goes back to the app's built-in code.",
            "goes back to the built-in code",
            True,
        ),
    ),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_the_decision_is_a_sentence(case):
    decision, expected = DECISIONS[case]
    told = tell_path(explained(decision=decision), NOW)
    assert (told.sentence, told.answer, told.offers) == expected
    assert told.code == decision["code"]


STEPS = {
    "an override": (("channel_override", {"override": ""}, "pass"), ("An operator's override?", "none", "", "idle")),
    "the public channel": (
        ("channel_public", {"platform": "android", "public": "production"}, "decides"),
        ("The public channel", "production", "", "run"),
    ),
    "a segment": (
        ("channel_segment", {"segment": "nordics", "matches": False}, "pass"),
        ("A segment that leads to a channel?", "none: not in nordics", "", "idle"),
    ),
    "a paused rollout": (
        ("rollout_paused", {"bundle": "4.12.0", "phase": "paused", "share": "1%", "bucket": 412}, "pass"),
        (
            "Is it in the rollout?",
            "bucket 00412 of 100,000, 4.12.0 paused at 1\u202f%",
            "rollout_paused",
            "idle",
        ),
    ),
    "a failure": (
        ("bundle_withheld", {"bundle": "4.12.0", "failed_on_device": True}, "stop"),
        ("Did the bundle fail here before?", "yes", "bundle_withheld", "bad"),
    ),
    "a rule that stops": (
        ("disable_emulator", {"is_emulator": True}, "stop"),
        ("A rule of the channel", "is emulator yes", "disable_emulator", "bad"),
    ),
    "the offer": (
        ("offer", {"bundle": "4.12.0", "runs": "4.11.3"}, "stop"),
        ("The answer", "4.12.0 instead of 4.11.3", "", "run"),
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_each_step_is_a_question_and_what_was_seen(case):
    step, expected = STEPS[case]
    (shown,) = tell_path(explained([step]), NOW).steps
    assert (shown.question, shown.saw, shown.code, shown.tone) == expected


def test_passed_rules_are_one_line_and_those_that_do_not_apply_are_none():
    steps = [
        ("no_channel", {"channel": "beta"}, "pass"),
        ("disabled_platform_ios", {}, "pass"),
        ("disable_emulator", {}, "not_on_this_channel"),
        ("disable_dev_build", {}, "pass"),
        ("outside_maintenance_window", {}, "not_on_this_channel"),
    ]
    shown = tell_path(explained(steps), NOW).steps
    assert [(each.question, each.saw) for each in shown] == [
        ("Do the channel's other rules let it pass?", "3 rules"),
    ]


def test_segments_that_it_is_not_in_are_one_line():
    seen = [("channel_segment", {"segment": name, "matches": False}, "pass") for name in ("nordics", "beta")]
    seen.append(("channel_segment", {"segment": "old", "matches": True}, "decides"))
    shown = tell_path(explained(seen), NOW).steps
    assert [(each.saw, each.outcome) for each in shown] == [
        ("none: not in nordics and beta", "pass"),
        ("old: yes", "decides"),
    ]


def test_values_are_cut_and_cleaned():
    steps = [("disable_emulator", {"custom_id": "\u202e" + "x" * 999}, "stop")]
    (shown,) = tell_path(explained(steps), NOW).steps
    assert len(shown.saw) == VALUE_LIMIT and "\u202e" not in shown.saw
