"""The guard where there is little to go back to, and where what it watches is taken away meanwhile."""

import pytest
from factories import APP
from guarded_node import Node, roll_out, rules
from truths import a_channel, a_published, a_released_truth

from edge.domain.changes.commands import (
    DeleteApp,
    DeleteSegment,
    PublishBundle,
    SegmentSettings,
    SetSegment,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.changes.guard.guard_commands import GuardSettings, SetGuard
from edge.domain.errors import Conflict, NotFound
from edge.domain.guard_policy import GuardAction
from edge.domain.model import Phase


@pytest.fixture
def node(tmp_path):
    truth = a_released_truth(tmp_path / "truth")
    truth.commit(PublishBundle(bundle=a_published(truth, "1.1.0")))
    return Node(truth)


async def test_the_builtin_bundle_is_not_rolled_out(node):
    with pytest.raises(NotFound):
        node.truth.commit(StartRollout(channel="production", bundle="builtin", steps=(5_000, 100_000), downgrade=True))


async def test_a_first_step_of_everybody_is_rolled_back(node):
    roll_out(node, rules(action=GuardAction.ROLLBACK), steps=(100_000,), every_seconds=0)
    await node.find(rolls_back=True)
    assert (node.channel.rollout.phase, node.channel.bundle) == (Phase.ROLLED_BACK, "1.0.1")


@pytest.mark.parametrize(
    "action, phase", [(GuardAction.PAUSE, Phase.PAUSED), (GuardAction.ROLLBACK, Phase.ROLLED_BACK)]
)
async def test_a_channel_that_offered_nothing_before_offers_nothing_again(node, action, phase):
    node.truth.commit(a_channel("empty"))
    node.on = "empty"
    node.truth.commit(SetGuard(channel="empty", settings=GuardSettings(action=action)))
    node.truth.commit(StartRollout(channel="empty", bundle="1.1.0", steps=(5_000, 100_000)))
    await node.find(rolls_back=True)
    assert (node.channel.rollout.phase, node.channel.bundle) == (phase, None)


async def test_a_bundle_that_was_withdrawn_meanwhile_leads_to_nothing(node):
    roll_out(node)
    late = node.evidence()
    node.truth.commit(WithdrawBundle(version="1.1.0", reason="broken"))
    before = node.last().number
    await node.guard.hear(late)
    await node.guard.act()
    assert (node.last().number, node.guard.blocked, node.guard.deeds) == (before, 0, {})


async def test_an_app_that_was_deleted_meanwhile_leads_to_nothing(node):
    roll_out(node)
    await node.guard.look()
    late = node.evidence()
    node.truth.commit(DeleteApp(app=APP))
    await node.guard.hear(late)
    await node.guard.act()
    await node.guard.look()
    assert (node.guard.blocked, node.guard.deeds, node.guard.watched.watches) == (0, {}, {})


async def test_two_channels_with_one_bundle_are_two_releases(node):
    roll_out(node)
    node.truth.commit(a_channel("beta"))
    node.truth.commit(StartRollout(channel="beta", bundle="1.1.0", steps=(5_000, 100_000)))
    await node.find()
    channels = node.truth.releases.load(APP).channels
    assert [channels[name].rollout.phase for name in ("production", "beta")] == [Phase.PAUSED, Phase.RUNNING]


async def test_a_segment_that_a_guard_tests_cannot_be_deleted(node):
    node.truth.commit(SetSegment(name="testers", settings=SegmentSettings(where="platform == 'ios'")))
    roll_out(node, rules(segments=("testers",)))
    with pytest.raises(Conflict):
        node.truth.commit(DeleteSegment(name="testers"))
