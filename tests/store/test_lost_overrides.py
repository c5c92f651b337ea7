"""A part of the overrides that cannot be read stops only what is about it; other changes carry it over unread."""

from collections.abc import Callable

import pytest
from factories import APP, a_change
from truths import Truth, a_channel, a_released_truth, publish

from edge.domain.changes.commands import (
    ChannelSettings,
    ClearOverride,
    DeleteApp,
    DeleteChannel,
    RollBack,
    SetChannel,
    SetOverride,
    Undo,
    WithdrawBundle,
)
from edge.domain.errors import EdgeError, Unavailable
from edge.domain.targeting.partial_overrides import override_shard_of
from edge.store.heads import Head
from edge.store.objects.port import blob_key
from edge.store.revision_document import Revision
from edge.store.revisions import Revisions

LOST, WHOLE, OTHER = (f"{n:08x}-0000-4000-8000-000000000000" for n in (1, 2, 3))  # each of another part


@pytest.fixture
def truth(tmp_path):
    truth = a_released_truth(tmp_path / "node")
    publish(truth, "1.0.2")
    truth.commit(a_channel("beta"))
    for device in (LOST, WHOLE):
        truth.commit(SetOverride(device=device, channel="beta"))
    return truth


def latest(truth) -> Revision:
    head: Head = truth.releases.head(APP)
    return Revisions(truth.store).read(APP, head.revision, head.digest)


def part_of(truth, device):
    return latest(truth).shards[override_shard_of(device)]


def damage(truth, device=LOST) -> Callable[[], object]:
    """Alter the part of the device; what is returned repairs it."""
    path = truth.store.path(blob_key(part_of(truth, device)))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"beta", b"bexa"))
    return lambda: path.write_bytes(whole)


def remove(truth, device=LOST) -> Callable[[], object]:
    path = truth.store.path(blob_key(part_of(truth, device)))
    whole = path.read_bytes()
    path.unlink()
    return lambda: path.write_bytes(whole)


OTHERS_CHANGES = {
    "rollback": RollBack(channel="production"),
    "withdraw": WithdrawBundle(version="1.0.2", reason="bad"),
    "channel set": SetChannel(name="production", settings=ChannelSettings(bundle="builtin")),
    "channel create": a_channel("gamma"),
    "override set": SetOverride(device=OTHER, channel="beta"),
    "override clear": ClearOverride(device=WHOLE),
}


@pytest.mark.parametrize("lose", [damage, remove])
@pytest.mark.parametrize("name", OTHERS_CHANGES)
def test_a_change_that_is_not_about_the_lost_part_is_made_and_keeps_it(truth, name, lose):
    part = part_of(truth, LOST)
    repair = lose(truth)
    assert truth.commit(OTHERS_CHANGES[name]).changed
    assert part_of(truth, LOST) == part
    repair()
    assert Truth(truth.top).releases.load(APP).overrides[LOST] == "beta"


def test_the_other_parts_are_what_the_changes_made_of_them(truth):
    repair = damage(truth)
    truth.commit(SetOverride(device=OTHER, channel="production"))
    truth.commit(ClearOverride(device=WHOLE))
    truth.commit(RollBack(channel="production"))
    assert truth.releases.load(APP).overrides[OTHER] == "production"
    repair()
    assert truth.releases.load(APP).overrides == {LOST: "beta", OTHER: "production"}


ITS_CHANGES = {
    "override set": SetOverride(device=LOST, channel="production"),
    "override clear": ClearOverride(device=LOST),
    "channel delete": DeleteChannel(name="beta"),
}


@pytest.mark.parametrize("lose", [damage, remove])
@pytest.mark.parametrize("name", ITS_CHANGES)
def test_a_change_that_needs_the_lost_part_is_refused_with_the_blob_and_the_repair(truth, name, lose):
    head, part = truth.releases.head(APP), part_of(truth, LOST)
    repair = lose(truth)
    for attempt in (truth.releases.commit, truth.releases.rehearse):
        with pytest.raises(Unavailable) as refused:
            attempt(APP, a_change(ITS_CHANGES[name]))
        assert refused.value.code == "overrides_lost"
        assert part in refused.value.message and "edge store repair --from COPY" in refused.value.message
    assert truth.releases.head(APP) == head
    repair()
    if name.startswith("override"):
        assert truth.commit(ITS_CHANGES[name]).changed


def test_history_dry_run_and_undo_go_on(truth):
    repair = damage(truth)
    rehearsed = truth.releases.rehearse(APP, a_change(RollBack(channel="production")))
    assert rehearsed.after.channels["production"].bundle == "1.0.1"
    rolled_back = truth.commit(RollBack(channel="production")).state.revision
    truth.commit(Undo(revision=rolled_back, force=True))
    state = truth.releases.load(APP)
    assert state.channels["production"].bundle == "1.0.2"
    assert [line.kind for line in truth.releases.history(APP, 2)] == ["undo", "roll_back"]
    repair()
    assert truth.releases.load(APP).overrides == {LOST: "beta", WHOLE: "beta"}


def test_an_undo_of_the_change_that_wrote_the_lost_part_brings_the_one_before_back(truth):
    revision = truth.commit(SetOverride(device=LOST, channel="production")).state.revision
    path = truth.store.path(blob_key(part_of(truth, LOST)))
    path.write_bytes(b"lost")
    truth.commit(Undo(revision=revision))
    assert truth.releases.load(APP).overrides == {LOST: "beta", WHOLE: "beta"}


def test_an_undo_puts_no_lost_part_in_the_place_of_a_whole_one(truth):
    damaged = part_of(truth, LOST)
    revision = truth.commit(SetOverride(device=LOST, channel="production")).state.revision
    truth.store.path(blob_key(damaged)).unlink()
    with pytest.raises(EdgeError, match=damaged) as refused:
        truth.commit(Undo(revision=revision))
    assert refused.value.code == "overrides_lost"
    assert truth.releases.load(APP).overrides == {LOST: "production", WHOLE: "beta"}


def test_the_deletion_of_an_app_with_a_lost_part_can_be_undone(truth):
    repair = damage(truth)
    revision = truth.commit(DeleteApp(app=APP)).state.revision
    truth.commit(Undo(revision=revision, force=True))
    repair()
    assert truth.releases.load(APP).overrides == {LOST: "beta", WHOLE: "beta"}


def test_what_cannot_be_read_is_never_taken_for_nothing(truth):
    damage(truth)
    overrides = truth.releases.load(APP).overrides
    assert overrides and overrides[WHOLE] == "beta" and len(overrides) == 1
    for ask in (lambda: overrides.get(LOST), lambda: LOST in overrides, lambda: dict(overrides.items())):
        with pytest.raises(Unavailable, match="edge store repair --from COPY"):
            ask()
