"""A check is answered from memory alone, whatever the disk has lost."""

import hashlib
import json
import time
from contextlib import asynccontextmanager

import pytest
from factories import APP, DEVICE, MOMENT, a_change, a_check, a_manifest, failed
from node_world import a_truth, publish

from edge.domain.changes.commands import MoveRollout, StartRollout, WithdrawBundle
from edge.domain.decision.decide import decide
from edge.domain.decision.explain import explain
from edge.domain.decision.outcomes import Blocked, HoldReason, Offer, Reason
from edge.domain.facts import DeviceFacts
from edge.domain.model import Platform
from edge.domain.schedule.rollout import Move
from edge.facts.table import FactsTable
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import Proxies
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.objects.port import blob_key
from edge.telemetry.spool.spool import Spool
from edge.wire.plugins.forms import plugin_of

BASE = "https://updates.example.com"
ZIP_ONLY = "5.10.0"  # a plugin release that takes no manifest


def path_of(truth, version: str):
    return truth.store.path(blob_key(hashlib.sha256(a_manifest(version)).hexdigest()))


def lose(truth, version: str) -> None:
    path_of(truth, version).unlink()


@asynccontextmanager
async def a_service(truth, tmp_path, snapshot):
    current = ServedSnapshots(truth.store)
    current.swap([snapshot])
    spool = Spool(tmp_path / "spool", "node", 0)
    yield DeviceService(
        current,
        spool,
        public_url=BASE,
        allowed_hosts=frozenset(),
        proxies=Proxies(),
        overload=Overload(10),
        event_limits=EventLimits(0.0, 0.0),
        net_key=bytes(16),
        facts=FactsClient(FactsTable(tmp_path / "no table"), lambda message: None),
    )
    await spool.close()


def built(truth):
    return SnapshotBuilder(truth.store).build(APP, truth.releases.head(APP), time.time())


def question(plugin: str = "8.51.14") -> bytes:
    fields = {"platform": "android", "device_id": DEVICE, "app_id": APP, "version_build": "1.0.0"}
    return json.dumps(fields | {"version_name": "1.0.0", "plugin_version": plugin}).encode()


async def test_a_bundle_with_a_lost_manifest_is_silently_not_offered_and_counted(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    lose(truth, "1.0.1")
    async with a_service(truth, tmp_path, built(truth)) as service:
        reply = service.take_check(question(), BASE)
        assert reply.status == 200
        assert json.loads(reply.body.plain)["error"] == "no_new_version_available"
        assert service.counts.decisions["manifest_lost"] == 1


async def test_a_release_that_takes_zips_is_offered_the_bundle_all_the_same(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    lose(truth, "1.0.1")
    async with a_service(truth, tmp_path, built(truth)) as service:
        assert json.loads(service.take_check(question(ZIP_ONLY), BASE).body.plain)["version"] == "1.0.1"


async def test_a_check_reads_no_file(tmp_path):
    """Every manifest is gone from the disk once the snapshot is built: each way back is offered from memory."""
    truth = a_truth(tmp_path)
    versions = ("1.0.1", "1.0.2", "1.0.3")
    for version in versions:
        publish(truth, version)
    snapshot = built(truth)
    for version in versions:
        lose(truth, version)
    offered = []
    for gone in ((), ("1.0.3",), ("1.0.3", "1.0.2")):
        decision = decide(snapshot, a_check(version_name="1.0.0"), MOMENT, DeviceFacts(failures=failed(*gone)))
        assert isinstance(decision, Offer)
        assert snapshot.manifest_of(decision.bundle) == a_manifest(decision.bundle.version)
        offered.append(decision.bundle.version)
    assert offered == ["1.0.3", "1.0.2", "1.0.1"]


def test_a_device_that_could_fall_back_to_a_lost_bundle_alone_is_told_nothing(tmp_path):
    truth = a_truth(tmp_path)
    for version in ("1.0.1", "1.0.2"):
        publish(truth, version)
    lose(truth, "1.0.1")
    snapshot = built(truth)
    assert set(snapshot.lost) == {hashlib.sha256(a_manifest("1.0.1")).hexdigest()}
    assert isinstance(decide(snapshot, a_check(), MOMENT), Offer)
    facts = DeviceFacts(failures=failed("1.0.2"))
    steps, decision = explain(snapshot, a_check(), MOMENT, facts)
    assert decision == Blocked(Reason.WITHHELD, "1.0.2") == decide(snapshot, a_check(), MOMENT, facts)
    assert (steps[-1].rule, steps[-1].outcome) == ("bundle_withheld", "stop")


@pytest.mark.parametrize("moved", [False, True])
def test_a_rollout_of_a_lost_bundle_reaches_nobody_and_the_rest_is_served(tmp_path, moved):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    publish(truth, "1.1.0", channel=None)
    lose(truth, "1.1.0")
    truth.releases.commit(APP, a_change(StartRollout(channel="production", bundle="1.1.0", steps=(100_000,))))
    if moved:
        truth.releases.commit(APP, a_change(MoveRollout(channel="production", move=Move.PROMOTE)))
    snapshot = built(truth)
    decision = decide(snapshot, a_check(), MOMENT)
    assert isinstance(decision, Offer) and decision.bundle.version == "1.0.1"
    assert decide(snapshot, a_check(version_name="1.0.1"), MOMENT).held is HoldReason.LOST
    taken = decide(snapshot, a_check(plugin=plugin_of(Platform.ANDROID, ZIP_ONLY)), MOMENT)
    assert isinstance(taken, Offer) and taken.bundle.version == "1.1.0"


def test_what_leaves_a_withdrawn_bundle_goes_around_a_lost_one(tmp_path):
    """The latest earlier bundle that this node can offer."""
    truth = a_truth(tmp_path)
    for version in ("1.0.1", "1.0.2", "1.0.3"):
        publish(truth, version)
    truth.releases.commit(APP, a_change(WithdrawBundle(version="1.0.3", reason="broken")))
    lose(truth, "1.0.2")
    decision = decide(built(truth), a_check(version_name="1.0.3"), MOMENT)
    assert isinstance(decision, Offer) and decision.bundle.version == "1.0.1"


def test_a_manifest_that_came_back_is_read_with_the_next_build(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    kept = path_of(truth, "1.0.1").read_bytes()
    lose(truth, "1.0.1")
    current = ServedSnapshots(truth.store)
    head = truth.releases.head(APP)
    current.swap([SnapshotBuilder(truth.store).build(APP, head, time.time())])
    truth.store.create(blob_key(hashlib.sha256(kept).hexdigest()), kept)
    current.swap([SnapshotBuilder(truth.store).build(APP, head, time.time())])
    assert not current.snapshot(APP).lost
    assert isinstance(decide(current.snapshot(APP), a_check(), MOMENT), Offer)
