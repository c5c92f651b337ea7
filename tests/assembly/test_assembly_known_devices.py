"""What a node tells beforehand: with the facts it holds, for an id that is still free, and for so many at once."""

import asyncio
import hashlib

import msgspec
import pytest
from factories import APP, DEVICE, NOW, a_bundle, a_change
from node_world import upload

from edge.assembly.current_snapshots import CurrentSnapshots
from edge.assembly.known_devices import WAITING_LIMIT, KnownDeviceQuestions
from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateApp,
    CreateChannel,
    MoveRollout,
    PublishBundle,
    SetChannel,
    StartRollout,
)
from edge.domain.changes.features.feature_commands import FeatureSettings, NewFeatureRule, SetFeature, SwitchFeature
from edge.domain.changes.guard.guard_commands import GuardSettings, SetGuard
from edge.domain.errors import Conflict, NotFound, Unavailable
from edge.domain.guard_policy import Guarded
from edge.domain.model import AppId
from edge.domain.schedule.rollout import Moment, Move
from edge.facts.changes import Failed, Offered
from edge.facts.writer import FactsWriter
from edge.node.processes.data_directory import DataDirectory
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.store.releases import Rehearsed
from edge.telemetry.spool.record import encode_record
from edge.telemetry.spool.segment import SegmentWriter
from edge.wire.stats import Event

START = StartRollout(channel="production", bundle="1.1.0", steps=(50_000, 100_000))


@pytest.fixture
def truth(tmp_path):
    """1.0.1 on the public channel, 1.1.0 published, and one device that has reported."""
    truth = DataDirectory(tmp_path, NOW)
    commit(truth, CreateApp(app=APP))
    commit(truth, CreateChannel(name="production", settings=ChannelSettings(public=True)))
    for version, channel in (("1.0.1", "production"), ("1.1.0", None)):
        upload(truth, version)
        bundle = a_bundle(version, zip=hashlib.sha256(f"zip {version}".encode()).hexdigest())
        commit(truth, PublishBundle(bundle=bundle, channel=channel))
    truth.spool_dir.mkdir(parents=True)
    event = Event(
        app=AppId(APP),
        device=DEVICE,
        action="app_moved_to_foreground",
        version="1.0.1",
        platform="ios",
        plugin="8.51.14",
        native="1.0.0",
    )
    writer = SegmentWriter(truth.spool_dir, "node", 0, now=NOW)
    writer.append([encode_record(event, NOW)])
    writer.seal()
    return truth


def commit(truth, command, **said):
    return truth.releases.commit(APP, a_change(command, **said))


def moment_of(app):
    return Moment(NOW, NOW)


def questions(truth, facts_table):
    snapshots = CurrentSnapshots(truth.releases, SnapshotBuilder(truth.store))
    return KnownDeviceQuestions(truth, facts_table, snapshots, moment_of)


def without_facts(truth):
    return questions(truth, truth.facts_dir / "facts.table")


async def preview(asked, command=START, change_id="draw"):
    return await asked.preview(AppId(APP), command, change_id, 5)


async def test_a_preview_counts_the_known_devices_and_changes_nothing(truth):
    before = truth.releases.head(APP)
    seen = await preview(without_facts(truth))
    assert (seen.known.devices, seen.known.since, seen.id) == (1, NOW, "draw")
    assert [step.joining for step in seen.steps].count([DEVICE]) == 1
    assert seen.steps[-1].offered == 1
    assert truth.releases.head(APP) == before


async def test_known_devices_are_counted_by_what_they_get_of_features(truth):
    rule = NewFeatureRule(value="true", where='platform == "ios"')
    commit(
        truth,
        SetFeature(name="dark", settings=FeatureSettings(kind=FeatureKind.BOOLEAN, default="false", rules=(rule,))),
    )
    asked = without_facts(truth)
    now = await asked.features(AppId(APP))
    assert [(each.feature, [(one.variant, one.value, one.devices) for one in each.given]) for each in now.features] == [
        ("dark", [("rule-1", True, 1)])
    ]
    before = truth.releases.load(APP)
    killed = apply(before, a_change(SwitchFeature(name="dark", on=False)))
    foreseen = await asked.preview_feature(Rehearsed(before, killed), "dark")
    assert (foreseen.touched, foreseen.before[0].value, foreseen.after[0].value) == (1, True, False)
    impact = await asked.weigh(Rehearsed(before, killed))
    assert [(each.feature, each.touched, each.moves[0].becomes) for each in impact.features] == [("dark", 1, False)]
    assert impact.devices.touched == 0


async def test_a_preview_says_what_a_bad_release_would_cost_under_guard(truth):
    seen = await preview(without_facts(truth))
    assert [(each.cost.offered, each.cost.acts) for each in seen.steps] == [(1, False), (1, False)]
    commit(truth, SetGuard(channel="production", settings=GuardSettings(guarded=Guarded.NOTHING)))
    assert [each.cost for each in (await preview(without_facts(truth))).steps] == [None, None]


async def test_a_bundle_that_failed_on_a_device_is_counted_as_withheld(truth):
    facts = FactsWriter(truth.facts_dir, clock=lambda: NOW)
    try:
        await facts.record([Offered(APP, DEVICE, "1.1.0")])
        await facts.record([Failed(APP, DEVICE, "1.1.0")])
        seen = await preview(questions(truth, facts.table_path))
    finally:
        await facts.close()
    assert seen.steps[-1].held_back == {"bundle_withheld": 1}


async def test_an_id_that_was_used_is_refused(truth):
    """A start with it would be taken for a repeat, and begin nothing."""
    commit(truth, START, id="draw")
    commit(truth, MoveRollout(channel="production", move=Move.ROLL_BACK))
    again = msgspec.structs.replace(START, again=True)  # the channel was rolled back from its bundle
    with pytest.raises(Conflict, match="first used for") as refused:
        await preview(without_facts(truth), again)
    assert refused.value.code == "command_id_used"
    assert (await preview(without_facts(truth), again, change_id="another")).id == "another"


async def test_so_many_look_at_once_and_no_more(truth):
    asked = without_facts(truth)
    answers = await asyncio.gather(*(preview(asked) for _ in range(WAITING_LIMIT + 2)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert [error.code for error in refused] == ["busy"] * 2
    assert (await preview(asked)).known.devices == 1


async def test_the_reach_of_a_channel_counts_who_can_take_what_it_offers(truth):
    seen = await without_facts(truth).reach(AppId(APP), "production")
    assert (seen.bundle, seen.devices, seen.has_it, seen.kept) == ("1.0.1", 1, 1, {})
    commit(truth, SetChannel(name="production", settings=ChannelSettings(bundle="1.1.0", prod=False, dev=False)))
    seen = await without_facts(truth).reach(AppId(APP), "production")
    assert (seen.bundle, seen.offered, seen.has_it) == ("1.1.0", 0, 0)
    assert [(code in ("disable_prod_build", "disable_dev_build"), n) for code, n in seen.kept.items()] == [(True, 1)]
    with pytest.raises(NotFound, match="unknown channel"):
        await without_facts(truth).reach(AppId(APP), "nope")


async def test_one_device_as_it_last_reported(truth):
    known = await without_facts(truth).reported(AppId(APP), DEVICE)
    assert (known.check.version_name, known.reported) == ("1.0.1", NOW)
    assert await without_facts(truth).reported(AppId(APP), DEVICE.replace("0", "1")) is None
    assert await without_facts(truth).reported(AppId("com.other.app"), DEVICE) is None


async def test_a_bundle_waits_on_a_device_that_was_offered_it_and_has_not_said(truth):
    facts = FactsWriter(truth.facts_dir, clock=lambda: NOW)
    asked = questions(truth, facts.table_path)
    try:
        before = await asked.waiting(AppId(APP), "1.1.0")
        await facts.record([Offered(APP, DEVICE, "1.1.0")])
        after = await asked.waiting(AppId(APP), "1.1.0")
    finally:
        await facts.close()
    assert [(seen.downloaded, seen.offered, seen.since, seen.cut) for seen in (before, after)] == [
        (0, 0, NOW, False),
        (0, 1, NOW, False),
    ]


async def test_what_waits_is_not_counted_while_too_many_others_look(truth):
    asked = without_facts(truth)
    seen = await asyncio.gather(*(asked.waiting(AppId(APP), "1.1.0") for _ in range(WAITING_LIMIT + 2)))
    assert seen.count(None) == 2
