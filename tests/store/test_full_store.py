"""A store on a full disk: it opens, its releases are read, and what stops something is written from the reserve."""

import pytest
from factories import APP, a_change
from histories import guard_acting
from node_world import publish
from small_disk import a_small_disk
from truths import a_channel

from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateApp,
    CreateChannel,
    MoveRollout,
    RollBack,
    SetChannel,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.changes.features.feature_commands import FeatureSettings, SetFeature, SwitchFeature
from edge.domain.changes.guard.guard_commands import Finding, GuardDeed
from edge.domain.changes.messages.message_commands import CancelMessage, CreateMessage, NewMessageText
from edge.domain.guarding.watch import watches_of
from edge.domain.schedule.rollout import Move
from edge.node.processes.data_directory import DataDirectory
from edge.store.disk.room import DiskFull
from edge.store.releases import REFRESH_AFTER_SECONDS

NOW = 1_700_000_000.0


@pytest.fixture
def disk(tmp_path):
    with a_small_disk(tmp_path / "disk") as mounted:
        yield mounted


def opened(disk, now=NOW):
    return DataDirectory(disk.path / "data", now)


@pytest.fixture
def truth(disk):
    truth = opened(disk)
    truth.releases.commit(APP, a_change(CreateApp(app=APP)))
    truth.releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
    for version in ("1.0.1", "1.0.2"):
        publish(truth, version)
    truth.releases.commit(
        APP, a_change(StartRollout(channel="production", bundle="1.0.1", steps=(20_000, 50_000), downgrade=True))
    )
    checkout = FeatureSettings(kind=FeatureKind.BOOLEAN, default="false")
    truth.releases.commit(APP, a_change(SetFeature(name="checkout", settings=checkout)))
    texts = (NewMessageText(title="Hello"),)
    truth.releases.commit(APP, a_change(CreateMessage(texts=texts, when="now", expected=1)))
    return truth


def test_what_stops_something_is_written_when_nothing_else_is(disk, truth):
    disk.fill()
    with pytest.raises(DiskFull):
        truth.releases.commit(APP, a_change(a_channel("beta")))
    with pytest.raises(DiskFull):
        truth.releases.commit(APP, a_change(MoveRollout(channel="production", move=Move.ADVANCE)))
    with pytest.raises(DiskFull):
        truth.releases.commit(APP, a_change(SetFeature(name="checkout", settings=FeatureSettings(default="true"))))
    (message,) = truth.releases.load(APP).messages
    watch = next(watches_of(truth.releases.load(APP)))
    for deed, finding in ((GuardDeed.ADVANCE, Finding.PASSES), (GuardDeed.WAIT, Finding.UNSURE)):
        with pytest.raises(DiskFull):
            truth.releases.commit(APP, a_change(guard_acting(watch, deed, finding, NOW)))
    for command in (
        guard_acting(watch, GuardDeed.TELL, Finding.FAILS, NOW),
        MoveRollout(channel="production", move=Move.PAUSE),
        RollBack(channel="production"),
        WithdrawBundle(version="1.0.2", reason="broken"),
        SwitchFeature(name="checkout", on=False),
        CancelMessage(message=message),
    ):
        assert truth.releases.commit(APP, a_change(command)).changed, command
    with pytest.raises(DiskFull):
        truth.releases.commit(APP, a_change(SwitchFeature(name="checkout", on=True)))
    assert opened(disk).releases.load(APP) == truth.releases.load(APP)
    assert list(truth.store.transfers()) == []


def test_a_full_store_opens_as_it_is_and_is_signed_again(disk, truth):
    disk.fill()
    reopened = opened(disk)
    assert reopened.releases.load(APP) == truth.releases.load(APP)
    issued = reopened.releases.heads_issued()
    assert reopened.releases.refresh(NOW + 2 * REFRESH_AFTER_SECONDS) > 0
    assert max(reopened.releases.heads_issued().values()) > max(issued.values())


def test_a_read_only_store_opens_as_it_is(disk, truth):
    state = truth.releases.load(APP)
    disk.seal()
    reopened = opened(disk)
    assert reopened.releases.load(APP) == state
    with pytest.raises(OSError, match="Read-only"):
        reopened.releases.commit(APP, a_change(RollBack(channel="production")))


def test_the_reserve_is_whole_again_when_there_is_room(disk, truth):
    disk.fill()
    truth.releases.commit(APP, a_change(RollBack(channel="production")))
    assert not truth.reserve.whole
    disk.make_room()
    truth.check_keys()
    assert truth.reserve.whole
    assert truth.releases.commit(
        APP, a_change(SetChannel(name="production", settings=ChannelSettings(public=False)))
    ).changed


def test_a_new_store_on_a_full_disk_is_refused_with_the_reason(disk):
    disk.fill()
    with pytest.raises(OSError, match="No space"):
        opened(disk)
