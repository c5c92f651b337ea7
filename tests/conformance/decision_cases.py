"""The cases of `tests/vectors/decision.json`: read, and asked of the pure code.

`tests/vectors/README.md` describes every member; a reader in another language is this file, rewritten.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from factories import a_manifest, failed

from edge.domain.attempts import FailureReport, note_failure, note_offer
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import Change, Command
from edge.domain.decision.explain import ExplainedStep as Shown
from edge.domain.decision.explain import explain
from edge.domain.decision.outcomes import Blocked, Decision, Offer, RevertToBuiltin
from edge.domain.decision.snapshot import AppSnapshot, build_snapshot
from edge.domain.facts import (
    CAUSES,
    DAY_SECONDS,
    FORGOT_DAYS,
    HOUR_SECONDS,
    Behaviour,
    DeviceFacts,
    Latest,
    mark_of,
    name_hash,
)
from edge.domain.model import AppState, Bundle, Digest, UpdateCheck
from edge.domain.schedule.rollout import Moment, proven_time
from edge.domain.targeting.id_sets import IdSet, encode_id_set, parse_id_set
from edge.domain.targeting.language import FACTS
from edge.domain.targeting.places import Location, NodePlace
from edge.wire.updates import parse_update_check

FOLDER = Path(__file__).parent.parent / "vectors"
DECIDES, STOP = "decides", "stop"
NO_MANIFEST = a_manifest()


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    why: str
    raw: Mapping[str, Any]
    expect: Mapping[str, Any]
    pair: tuple[str, str] | None


class Asked(NamedTuple):
    """A case on its way: what the decision is given."""

    case: Case
    state: AppState
    snapshot: AppSnapshot
    check: UpdateCheck
    moment: Moment
    facts: DeviceFacts


@cache
def document() -> dict[str, Any]:
    return json.loads((FOLDER / "decision.json").read_text())


@cache
def all_cases() -> tuple[Case, ...]:
    return tuple(
        Case(raw["name"], raw["why"], raw, raw["expect"], tuple(raw["pair"]) if "pair" in raw else None)
        for raw in document()["cases"]
    )


@cache
def asked(case: Case) -> Asked:
    raw = case.raw
    state = state_of(json.dumps(raw["state"]))
    snapshot = snapshot_of(json.dumps(raw["state"]), place_of(raw))
    return Asked(case, state, snapshot, check_of(raw), moment_of(raw["time"]), facts_of(raw, state))


def answer_of(case: Case) -> dict[str, Any]:
    """What came of a case, in the members of `expect`."""
    given = asked(case)
    steps, decision = explain(given.snapshot, given.check, given.moment, given.facts)
    return told(steps, decision)


def told(steps: list[Shown], decision: Decision) -> dict[str, Any]:
    stops = [step.rule for step in steps if step.outcome == STOP]
    return {
        "outcome": outcome_of(decision),
        "code": decision.code,
        "bundle": _bundle(steps, decision),
        "channel": _saw(steps, "no_channel", "channel"),
        "arm": decision.arm if isinstance(decision, Offer) else "",
        "stop": " and ".join(stops),
        "decides": [step.rule for step in steps if step.outcome == DECIDES],
    }


def outcome_of(decision: Decision) -> str:
    match decision:
        case Offer():
            return "offer"
        case Blocked():
            return "blocked"
        case RevertToBuiltin():
            return "revert_to_builtin"
    return "up_to_date"


def _bundle(steps: list[Shown], decision: Decision) -> str:
    match decision:
        case Offer(bundle=bundle):
            return bundle.version
        case Blocked(target=target):
            return target
    return _saw(steps, "no_new_version_available", "offered")


def _saw(steps: list[Shown], rule: str, value: str) -> str:
    return next((str(step.saw[value]) for step in steps if step.rule == rule), "")


# --- from the words of the vectors to this project's own ---


@cache
def state_of(items: str) -> AppState:
    """The state after all changes; `items` is a case's `state` as JSON."""
    state: AppState | None = None
    before: AppState | None = None
    for number, change in enumerate(changes_of(json.loads(items)), 1):
        state, before = apply(state, change_of(change, number), before), state
    assert state is not None
    return state


def changes_of(items: list[Any]) -> Iterator[Mapping[str, Any]]:
    """A name stands for the changes of the state that is called so."""
    for item in items:
        if isinstance(item, str):
            yield from changes_of(document()["states"][item])
        else:
            yield item


def change_of(raw: Mapping[str, Any], number: int) -> Change:
    command = msgspec.convert(raw["command"], Command)
    return Change(id=raw.get("id", f"change-{number}"), at=seconds(raw["at"]), by="vectors", command=command)


@cache
def snapshot_of(items: str, place: NodePlace) -> AppSnapshot:
    state = state_of(items)
    now = seconds(0)
    return build_snapshot(state, lambda digest: NO_MANIFEST, now=now, ids_of=id_sets().get, place=place)


def place_of(raw: Mapping[str, Any]) -> NodePlace:
    return NodePlace(raw.get("region", ""), Location(*raw["location"]) if "location" in raw else None)


@cache
def id_sets() -> dict[Digest, IdSet]:
    return {Digest(blob): parse_id_set(encode_id_set(ids)) for blob, ids in document()["id_sets"].items()}


def check_of(raw: Mapping[str, Any]) -> UpdateCheck:
    body = document()["info"] | raw["request"]
    if "device" in raw:
        body["device_id"] = document()["devices"][raw["device"]]
    return parse_update_check(json.dumps(body).encode(), raw.get("country", ""))


def moment_of(raw: Mapping[str, Any]) -> Moment:
    """`heads` are readings of the node's clock, each with when the latest verified head was signed."""
    now = seconds(raw["now"])
    if "proven" in raw:
        return Moment(now, seconds(raw["proven"]))
    proven = 0.0
    for clock, issued in raw["heads"]:
        proven = proven_time(seconds(clock), seconds(issued), proven)
    return Moment(now, proven)


def facts_of(case: Mapping[str, Any], state: AppState) -> DeviceFacts:
    raw, now = case.get("facts", {}), moment_of(case["time"]).now
    facts = DeviceFacts(failures=failed(*raw.get("failed", ())))
    for download in raw.get("downloads", ()):
        facts = _after_downloads(facts, download, state.bundles[download["version"]], check_of(case), now)
    if "forgot_days_ago" in raw:
        forgot = int((now - raw["forgot_days_ago"] * DAY_SECONDS) // (FORGOT_DAYS * DAY_SECONDS)) + 1
        facts = facts._replace(latest=Latest(forgot=forgot).packed())
    return facts._replace(
        channel=name_hash(raw["chosen"]) if "chosen" in raw else 0,
        behaviour=_behaviour_of(raw, state),
    )


def _behaviour_of(raw: Mapping[str, Any], state: AppState) -> Behaviour:
    """`was_in`: the segments that the device was in at its latest judgement, as far as they read behaviour."""
    known = {field.name: raw.get(field.name) for field in FACTS}
    places = sum(1 << place for name in raw.get("was_in", ()) for place in state.segments[name].places)
    features = frozenset(raw["features"]) if "features" in raw else None
    return Behaviour(**known, features=features, places=places, revision=state.revision)


def _after_downloads(
    facts: DeviceFacts, raw: Mapping[str, Any], bundle: Bundle, check: UpdateCheck, now: float
) -> DeviceFacts:
    """Each report is of an attempt of its own, and waits until the bundle is offered again. A device that has changed
    since has another mark."""
    named, mark = name_hash(bundle.version), mark_of(bundle, check) ^ raw.get("changed", False)
    at = now - raw["hours_ago"] * HOUR_SECONDS
    for number, action in enumerate(raw["reports"], 1):
        moment = at - (len(raw["reports"]) - number) * (7 * DAY_SECONDS + 2 * HOUR_SECONDS)
        facts = note_failure(note_offer(facts, named, moment, 0, mark), FailureReport("", CAUSES[action]), moment)
    return facts


def seconds(after_start: float) -> float:
    """Seconds since the epoch."""
    return float(document()["start"] + after_start)
