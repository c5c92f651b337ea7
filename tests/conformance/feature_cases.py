"""The cases of `tests/vectors/features.json`: read, and asked of a worker's service, alone and among all features."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import Change, Command
from edge.domain.decision.snapshot import AppSnapshot, build_snapshot
from edge.domain.facts import Behaviour
from edge.domain.features.evaluation import Subject
from edge.domain.model import AppState, Digest
from edge.domain.statistics.device_key import device_key
from edge.domain.targeting.id_sets import encode_id_set, parse_id_set
from edge.facts.table import FactsTable
from edge.node.service.facts_client import FactsClient
from edge.node.service.features.asking import read_ask
from edge.node.service.features.change_streams import ChangeStreams
from edge.node.service.features.exposures import Exposures
from edge.node.service.features.feature_service import FeatureService
from edge.node.service.limits.overload import Overload
from edge.node.service.own_events import OwnEvents, OwnLimits
from edge.node.service.peers import NOWHERE, Places, Proxies, Whence
from edge.node.service.rollout_clock import Moments
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.objects.fs import FsStore
from edge.telemetry.behaviour.judgements import encode_judgement
from edge.telemetry.behaviour.rows import Judgement
from edge.telemetry.behaviour.table import BehaviourTable
from edge.telemetry.behaviour.table_writer import BehaviourTableWriter
from edge.telemetry.spool.spool import Spool
from edge.wire.ofrep.context import check_of, parse_context

FOLDER = Path(__file__).parent.parent / "vectors"
JUDGED_DAY = 20_000
ASKED_TIMES = 3  # what is asked with again is remembered, and then found without being read

Answer = tuple[int, Any]  # the status, and what the body says


@cache
def document() -> dict[str, Any]:
    return json.loads((FOLDER / "features.json").read_text())


@cache
def state_of(items: str) -> AppState:
    """After all changes; `items` is a case's `state` as JSON."""
    state: AppState | None = None
    before: AppState | None = None
    for number, change in enumerate(_changes_of(json.loads(items)), 1):
        state, before = apply(state, change_of(change["command"], change.get("id", f"change-{number}")), before), state
    assert state is not None
    return state


def before_last(items: list[Any]) -> AppState | None:
    """The state before the latest change, which an undo goes back to."""
    changes = list(_changes_of(items))[:-1]
    return state_of(json.dumps(changes)) if changes else None


def change_of(command: Mapping[str, Any], id: str) -> Change:
    return Change(id=id, at=float(document()["start"]), by="vectors", command=msgspec.convert(command, Command))


def snapshot_of(state: AppState) -> AppSnapshot:
    known = {Digest(blob): parse_id_set(encode_id_set(ids)) for blob, ids in document()["id_sets"].items()}
    lost = frozenset(str(name) for name, each in state.id_sets.items() if each.blob not in known)
    return build_snapshot(state, lambda digest: None, now=document()["start"], ids_of=known.get, lost_sets=lost)


def body_of(case: Mapping[str, Any]) -> bytes:
    if "body" in case:
        return case["body"].encode()
    named = {"targetingKey": document()["subjects"][case["subject"]]} if "subject" in case else {}
    return json.dumps({"context": named | case.get("context", {})}, ensure_ascii=False).encode()


def subject_of(case: Mapping[str, Any], snapshot: AppSnapshot, facts) -> Subject:
    asked = parse_context(body_of(case), case.get("country", ""))
    return Subject(check_of(snapshot.app, asked), facts, asked.key)


async def answers_of(case: Mapping[str, Any], folder: Path, spool: Spool) -> tuple[Answer, list[Answer]]:
    """To a request for the one feature, and to those for all, with only the feature's own part of a 200: None if it is
    not among them."""
    current = ServedSnapshots(FsStore(folder / "store"))
    current.swap([snapshot_of(state_of(json.dumps(case["state"])))])
    service = FeatureService(
        current,
        FactsClient(FactsTable(folder / "none"), lambda message: None, _behaviour(folder, case.get("sessions"))),
        Moments(float(document()["start"] + case.get("now", 0))),
        Exposures(OwnEvents("exposures", spool, OwnLimits(0.0), Counter())),
        ChangeStreams(10),
        overload=Overload(10),
        proxies=Proxies(),
        counts=Counter(),
    )
    key = document()["keys"][case["key"]] if "key" in case else ""
    ask = read_ask(document()["app"], authorization=f"Bearer {key}" if key else "")
    assert ask is not None
    whence = Whence("", Places(country=(0,)), (case["country"].encode(),)) if "country" in case else NOWHERE
    one = await service.take_one(ask, case["feature"], body_of(case), whence)
    bulk = []
    for _ in range(ASKED_TIMES):
        reply = service.take_bulk(ask, body_of(case), whence)
        assert reply is not None, "the app is loaded"
        said = json.loads(reply.body)
        if reply.status == 200:
            said = next((each for each in said["flags"] if each["key"] == case["feature"]), None)
        bulk.append((reply.status, said))
    return (one.status, json.loads(one.body)), bulk


def _behaviour(folder: Path, sessions: Mapping[str, int] | None) -> BehaviourTable | None:
    if sessions is None:
        return None
    path = folder / f"{hashlib.sha256(repr(sessions).encode()).hexdigest()}.table"
    writer = BehaviourTableWriter(path)
    judged = [
        Judgement(
            device_key(document()["app"], device),
            encode_judgement(Behaviour(first_seen_days=0, sessions_7d=count, judged_day=JUDGED_DAY), 0),
            JUDGED_DAY,
        )
        for device, count in sessions.items()
    ]
    writer.make(judged, {}, len(judged))
    writer.close()
    return BehaviourTable(path)


def _changes_of(items: list[Any]) -> list[Mapping[str, Any]]:
    """A name stands for the changes of the state that is called so."""
    found: list[Mapping[str, Any]] = []
    for item in items:
        found += _changes_of(document()["states"][item]) if isinstance(item, str) else [item]
    return found
