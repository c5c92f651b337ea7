"""`tests/vectors/features.json`: its form, what a node answers to every case, and that nothing of the order is left
out."""

import hashlib
import json
from dataclasses import replace
from itertools import pairwise

import jsonschema
import pytest
from feature_cases import (
    FOLDER,
    answers_of,
    before_last,
    change_of,
    document,
    snapshot_of,
    state_of,
    subject_of,
)
from telemetry_lines import no_sync

from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.buckets import BUCKETS, bucket_of_written
from edge.domain.changes.apply import apply
from edge.domain.errors import EdgeError
from edge.domain.facts import NO_FACTS
from edge.domain.features.evaluation import Resolution, Why
from edge.domain.features.explaining import explain_feature
from edge.telemetry.spool.spool import Spool
from edge.wire.ofrep.refusals import OfrepCode

CASES = {case["name"]: case for case in document()["cases"]}
ANSWERED = {name: case for name, case in CASES.items() if "errorCode" not in case["expect"]}
REFUSALS = {each["name"]: each for each in document()["refusals"]}
ORDER = ("killed", "needs", "prerequisite", "experiment", "rule", "share")
WITHOUT = {  # the feature without a step
    "killed": {"on": True},
    "needs": {"needs": ""},
    "prerequisite": {"prerequisites": ()},
    "experiment": {"experiment": None},
    "rule": {"rules": ()},
}


def spelled(said) -> str:
    """1 and 1.0 are two things, and members have an order."""
    return json.dumps(said)


def said_alone(case) -> tuple[int, object]:
    expect = case["expect"]
    if "errorCode" in expect:
        return expect["status"], expect["errorCode"]
    return 200, spelled({"key": case["feature"]} | expect)


def said_among_all(case) -> tuple[int, object]:
    status, said = said_alone(case)
    if said == OfrepCode.FLAG_NOT_FOUND.value:
        return 200, None
    return (200, said) if said == OfrepCode.TARGETING_KEY_MISSING.value else (status, said)


def in_short(answer) -> tuple[int, object]:
    status, said = answer
    return status, said if said is None else said.get("errorCode") or spelled(said)


async def test_every_case_is_answered_alone_and_among_all(tmp_path):
    spool = Spool(tmp_path / "spool", "node", 0, sync=no_sync)
    wrong = {}
    for name, case in CASES.items():
        one, bulk = await answers_of(case, tmp_path, spool)
        got, wanted = (in_short(one), {*map(in_short, bulk)}), (said_alone(case), {said_among_all(case)})
        if got != wanted:
            wrong[name] = {"got": got, "wanted": wanted}
    await spool.close()
    assert wrong == {}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_change_is_refused_with_its_code(name):
    refusal = REFUSALS[name]
    with pytest.raises(EdgeError) as refused:
        apply(
            state_of(json.dumps(refusal["state"])),
            change_of(refusal["command"], "refused"),
            before_last(refusal["state"]),
        )
    assert refused.value.code == refusal["code"]


def test_an_explanation_ends_at_the_step_that_answers():
    for name, case in ANSWERED.items():
        if "sessions" in case:
            continue
        snapshot = snapshot_of(state_of(json.dumps(case["state"])))
        steps, given = explain_feature(snapshot.features, case["feature"], subject_of(case, snapshot, NO_FACTS))
        assert (given.variant, steps[-1].decides) == (case["expect"]["variant"], True), name
        assert [each.decides for each in steps[:-1]] == [False] * (len(steps) - 1), name


def test_the_file_has_the_documented_form():
    schema = json.loads((FOLDER / "features.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document())] == []
    assert (len(CASES), len(REFUSALS)) == (len(document()["cases"]), len(document()["refusals"]))
    assert document()["states"].keys() <= set(states_named())
    assert {case.get("subject") for case in CASES.values()} - {None} == document()["subjects"].keys()


def states_named() -> list[str]:
    items = [document()["states"].values(), [each["state"] for each in (*CASES.values(), *REFUSALS.values())]]
    return [item for group in items for state in group for item in state if isinstance(item, str)]


def test_keys_are_in_their_buckets_and_digests_are_of_keys():
    for each in document()["buckets"]:
        assert int(each["hash"], 16) % BUCKETS == each["bucket"]
        salt = "".join(f"{word}\0" for word in each["salt"]).encode()
        assert bucket_of_written(salt, each["key"].encode()) == each["bucket"]
    claimed = {(key, int(name[1:])) for name, key in document()["subjects"].items() if name[1:].isdigit()}
    assert claimed <= {(each["key"], each["bucket"]) for each in document()["buckets"]}
    text = json.dumps(document()["states"])
    for name in ("code", "former", "server"):
        assert hashlib.sha256(document()["keys"][name].encode()).hexdigest() in text


def test_every_step_reason_type_and_error_has_a_case():
    said = [case["expect"] for case in ANSWERED.values()]
    assert {each["metadata"]["why"] for each in said} == {why.value for why in Why}
    assert {each["reason"] for each in said} == {reason.value for reason in Resolution}
    kinds = {
        state_of(json.dumps(case["state"])).features[case["feature"]].kind
        for case in ANSWERED.values()
        if "value" in case["expect"]
    }
    assert kinds == set(FeatureKind)
    codes = {case["expect"]["errorCode"] for case in CASES.values() if "errorCode" in case["expect"]}
    assert codes == {code.value for code in OfrepCode}


def test_of_two_neighbouring_steps_that_both_apply_the_first_decides():
    pairs = {tuple(case["pair"]): case for case in ANSWERED.values() if "pair" in case}
    assert set(pairs) == set(pairwise(ORDER))
    for (first, second), case in pairs.items():
        assert case["expect"]["metadata"]["why"] == first
        state = state_of(json.dumps(case["state"]))
        feature = replace(state.features[case["feature"]], **WITHOUT[first])
        without = snapshot_of(replace(state, features={**state.features, feature.name: feature}))
        given = without.features.evaluate(feature.name, subject_of(case, without, NO_FACTS))
        assert given is not None and given.metadata["why"] in {second, "held_out" if second == "experiment" else second}
