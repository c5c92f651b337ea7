"""`tests/vectors/decision.json`: its form, what comes of every case, and that nothing of the order is left out."""

import json
from functools import cache
from typing import NamedTuple, get_args

import jsonschema
import pytest
from decision_cases import FOLDER, Asked, all_cases, answer_of, asked, changes_of, document
from decision_order import CHOICES, EXCLUSIVE, ORDER, holds

from edge.domain.buckets import bucket_of, segment_salt
from edge.domain.changes.commands import Command
from edge.domain.decision.decide import resolve
from edge.domain.decision.explain import ExplainedStep, explain
from edge.domain.decision.outcomes import HoldReason, Reason
from edge.domain.decision.targets import CompiledChannel
from edge.domain.schedule.rollout import GRACE_SECONDS, next_step_at, step_at

CASES_LEAST = 300
BY_NAME = {case.name: case for case in all_cases()}


class Walked(NamedTuple):
    given: Asked
    compiled: CompiledChannel | None
    steps: list[ExplainedStep]
    decides: frozenset[str]

    @property
    def offered(self) -> bool:
        return self.given.case.expect["outcome"] == "offer"


@cache
def walks() -> tuple[Walked, ...]:
    found = []
    for given in map(asked, all_cases()):
        steps, _ = explain(given.snapshot, given.check, given.moment, given.facts)
        compiled = resolve(given.snapshot, given.check, given.facts).channel
        found.append(Walked(given, compiled, steps, frozenset(given.case.expect["decides"])))
    return tuple(found)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_case(name):
    assert answer_of(BY_NAME[name]) == BY_NAME[name].expect


def test_the_file_has_the_documented_form():
    schema = json.loads((FOLDER / "decision.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document())] == []


def test_names_are_told_apart_and_nothing_lies_there_unused():
    assert len(BY_NAME) == len(document()["cases"]) >= CASES_LEAST
    text = json.dumps([document()["states"], document()["cases"]])
    assert {name for name in document()["states"] if f'"{name}"' not in text.replace(f'"{name}": [', "")} == set()
    named = {case.raw.get("device") for case in all_cases()} | {each["device"] for each in document()["buckets"]}
    assert set(document()["devices"]) <= named


# --- the draws ---


@pytest.mark.parametrize("golden", document()["buckets"], ids=lambda each: " ".join((*each["salt"], each["device"])))
def test_a_device_is_in_the_bucket_it_always_was(golden):
    salt = "".join(f"{word}\0" for word in golden["salt"]).encode()
    assert int(golden["hash"], 16) % 100_000 == golden["bucket"]
    assert bucket_of(salt, document()["devices"][golden["device"]]) == golden["bucket"]


def test_a_device_named_after_a_bucket_is_in_it():
    draws = {"r": "rollout", "g": "group", "h": "group", "x": "experiment", "s": "spread", "t": "segment"}
    claimed = {(draws[name[0]], name, int(name[1:])) for name in document()["devices"] if name[1:].isdigit()}
    assert claimed <= {(each["salt"][0], each["device"], each["bucket"]) for each in document()["buckets"]}


def test_the_salts_are_the_documented_bytes():
    app = document()["app"].encode()
    rolling = channel_of("rollout: held out, bucket 0 of the group")
    assert rolling.rollout is not None
    assert rolling.rollout.salt == b"rollout\0" + app + b"\0rollout-1\0"
    assert rolling.rollout.group_salt == b"group\0" + app + b"\0control\0"
    assert rolling.spread_salt == b"spread\0" + app + b"\0production\x001.0.1\0"
    tested = channel_of("experiment: half and half, bucket 0")
    assert tested.experiment is not None
    assert tested.experiment.salt == b"experiment\0" + app + b"\0experiment-1\0"
    assert segment_salt(app.decode(), "tenth") == b"segment\0" + app + b"\0tenth\0"


def channel_of(name: str) -> CompiledChannel:
    return asked(BY_NAME[name]).snapshot.channels["production"]


# --- what is covered ---


def test_every_reason_stops_somebody_and_lets_somebody_pass():
    codes = {reason.code for reason in Reason} - {
        Reason.UNKNOWN_APP.code,
        Reason.INVALID_APP_ID.code,  # no app is there
        Reason.MANIFEST_LOST.code,  # faults of one node's, which no state of an app describes
        Reason.ZIP_LOST.code,
        Reason.STALE.code,
    }
    blocked = {case.expect["code"] for case in all_cases() if case.expect["outcome"] == "blocked"}
    assert blocked == codes
    passed = {step.rule for walked in walks() for step in walked.steps if step.outcome == "pass"}
    assert codes - {Reason.BUILTIN_TOO_OLD.code} <= passed  # its step is called builtin
    assert any(walked.steps[-1].rule == "revert_to_builtin" for walked in walks())


def test_every_outcome_is_answered():
    outcomes = {case.expect["outcome"] for case in all_cases()}
    assert outcomes == {"offer", "up_to_date", "revert_to_builtin", "blocked"}
    assert {"up_to_date", *(held.code for held in HoldReason)} - {HoldReason.LOST.code} == {
        case.expect["code"] for case in all_cases() if case.expect["outcome"] == "up_to_date"
    }


@pytest.mark.parametrize(
    ("held", "value", "wanted"),
    [
        (HoldReason.CONTROL_GROUP, "control_group", bool),
        (HoldReason.NOT_IN_SEGMENT, "segments", bool),
        (HoldReason.PAUSED, "phase", "paused".__eq__),
        (HoldReason.SHARE, "phase", "running".__eq__),
    ],
)
def test_every_reason_to_be_held_back_holds_somebody_and_lets_somebody_in(held, value, wanted):
    seen = [(step.rule, step.saw) for walked in walks() for step in walked.steps]
    assert {rule for rule, saw in seen if value in saw and wanted(saw[value])} >= {"rollout", held.code}


def test_bundles_that_do_not_concern_a_device_pass_it():
    seen = [(step, walked) for walked in walks() for step in walked.steps]
    assert any(s.rule == HoldReason.WITHDRAWN.code and s.outcome == "pass" and s.saw["withdrawn"] for s, _ in seen)
    assert any(s.rule == "what_comes_before" and s.outcome == "pass" and w.given.facts.failures for s, w in seen)


def test_every_kind_of_change_is_part_of_a_state():
    used = {change["command"]["kind"] for case in all_cases() for change in changes_of(case.raw["state"])}
    # The end of what nothing leads to any more shows in no decision, nor do features, messages and keys for events,
    # nor what people agree on before a change; and an accepted store in none of a single state.
    assert used == {str(command.__struct_config__.tag) for command in get_args(Command)} - {
        "accept_restored",
        "approve_proposal",
        "cancel_message",
        "create_message",
        "delete_app",
        "delete_channel",
        "delete_feature",
        "delete_id_set",
        "make_event_key",
        "make_feature_key",
        "propose",
        "reject_proposal",
        "remove_event_keys",
        "remove_feature_keys",
        "set_approval",
        "set_feature",
        "start_feature_experiment",
        "stop_feature_experiment",
        "set_message_caps",
        "switch_feature",
        "withdraw_proposal",
    }


def test_every_neighbouring_pair_that_can_meet_is_covered():
    covered = {case.pair for case in all_cases() if case.pair}
    assert sorted({*neighbours(), *CHOICES} - covered) == []


def neighbours() -> list[tuple[str, str]]:
    """Each step that can stop a device with the next one below it that can hold at the same time."""
    found = []
    for place, code in enumerate(ORDER[:-1]):
        below = (other for other in ORDER[place + 1 :] if not any({code, other} <= group for group in EXCLUSIVE))
        if (nearest := next(below, None)) is not None:
            found.append((code, nearest))
    return found


@pytest.mark.parametrize("name", [case.name for case in all_cases() if case.pair])
def test_both_steps_of_a_pair_hold(name):
    case = BY_NAME[name]
    assert case.pair is not None
    assert [holds(step, asked(case)) for step in case.pair] == [True, True]


# --- borders ---


def test_both_sides_of_every_share_are_covered():
    seen = {
        (bucket_of(walked.compiled.rollout.salt, walked.given.check.device), step.saw["share"], step.rule == "rollout")
        for walked in walks()
        for step in walked.steps
        if "share" in step.saw and walked.compiled and walked.compiled.rollout
    }
    for buckets, share in ((1, "0.001%"), (1_000, "1%"), (5_000, "5%"), (25_000, "25%"), (50_000, "50%")):
        assert {(buckets - 1, share, True), (buckets, share, False)} <= seen


def test_both_sides_of_every_step_are_covered():
    sides = set()
    for walked in walks():
        rollout = walked.compiled.rollout.rollout if walked.compiled and walked.compiled.rollout else None
        if rollout is None or not rollout.every_seconds or rollout.frozen is not None:
            continue
        proven, step = walked.given.moment.proven, step_at(rollout, walked.given.moment.proven)
        if next_step_at(rollout, proven) == proven + 1:
            sides.add((step, "last second", walked.offered))
        if step and step_at(rollout, proven - 0.5) == step - 1:
            sides.add((step, "first second", walked.offered))
    # Out in the last second of a step, in from the first of the next one on.
    assert sides >= {(step, "last second", False) for step in range(4)}
    assert sides >= {(step, "first second", True) for step in range(1, 5)}


def test_both_sides_of_a_control_group_are_covered():
    seen = {
        (bucket_of(running.group_salt, walked.given.check.device) - running.rollout.hold_out, walked.offered)
        for walked in walks()
        if walked.compiled and (running := walked.compiled.rollout) and running.rollout.hold_out
    }
    assert {(-1, False), (0, True)} <= seen


def test_both_sides_of_every_arm_are_covered():
    seen = {
        (bucket_of(running.salt, walked.given.check.device), tuple(arm.end for arm in running.arms))
        for walked in walks()
        if walked.compiled and (running := walked.compiled.experiment)
    }
    for ends in ((50_000, 100_000), (20_000, 50_000, 100_000)):
        assert {(bucket, ends) for end in ends for bucket in (end - 1, end % 100_000)} <= seen


def test_both_sides_of_a_windows_edges_are_covered():
    seen = set()
    for walked in walks():
        if walked.compiled is None or walked.compiled.schedule is None:
            continue
        is_open, now = walked.compiled.schedule.is_open, walked.given.moment.now
        seen.add((is_open(now - 1), is_open(now), is_open(now + 1), walked.offered))
    opening, closing = {(False, False, True, False), (False, True, True, True)}, {(True, True, False, True)}
    assert opening | closing | {(True, False, False, False)} <= seen


def test_both_sides_of_a_devices_turn_in_a_spread_are_covered():
    early = {
        (walked.compiled.opens_for(walked.given.check) - walked.given.moment.proven, walked.offered)
        for walked in walks()
        if walked.compiled and walked.compiled.channel.spread_seconds
    }
    assert (0.0, True) in early
    assert any(0 < seconds < 0.02 and not offered for seconds, offered in early)


def test_both_sides_of_the_native_version_are_covered():
    seen, good = set(), set()
    for walked in walks():
        if walked.compiled is None or walked.compiled.stable is None:
            continue
        native, target = walked.given.check.native, walked.compiled.stable.candidate.version
        seen.add((target is not None and target < native, target == native, walked.given.case.expect["code"]))
        if walked.compiled.withdrawn and walked.compiled.earlier:
            version = walked.compiled.earlier[0].candidate.version
            good.add((version < native, version == native, walked.given.case.expect["outcome"]))
    assert {(True, False, "disable_auto_update_under_native"), (False, True, "offer")} <= seen
    assert {(True, False, "revert_to_builtin"), (False, True, "offer")} <= good


def test_both_sides_of_the_grace_of_proven_time_are_covered():
    seen = set()
    for case in all_cases():
        for clock, issued in case.raw["time"].get("heads", ())[:1]:
            proven = asked(case).moment.proven - document()["start"]
            if clock > issued + GRACE_SECONDS == proven:
                seen.add((proven, case.expect["bundle"]))
    assert {(21_599.0, "1.0.1"), (21_600.0, "1.0.2")} <= seen
