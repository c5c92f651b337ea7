"""Apps that are deleted, created again, and brought back: what stays, and that no name is given to other bytes."""

from dataclasses import replace

import pytest
from factories import APP, DEVICE, MOMENT, NOW, a_bundle, a_change, a_check, a_released_app, a_snapshot, digest

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ClearOverride,
    CreateApp,
    CreateChannel,
    DeleteApp,
    DeleteBundle,
    MoveRollout,
    NewArm,
    PublishBundle,
    SegmentSettings,
    SetOverride,
    SetSegment,
    StartExperiment,
    StartRollout,
    Undo,
    WithdrawBundle,
)
from edge.domain.decision.decide import decide
from edge.domain.decision.outcomes import Blocked, Reason
from edge.domain.errors import Conflict, EdgeError, Invalid, NotFound
from edge.domain.schedule.rollout import Move, share_at


def living():
    state = a_released_app("1.0.1")
    for command in (
        PublishBundle(bundle=a_bundle("1.1.0")),
        WithdrawBundle(version="1.1.0", reason="crashes"),
        SetSegment(name="vips", settings=SegmentSettings(where="is_prod")),
        SetOverride(device=DEVICE, channel="production"),
    ):
        state = apply(state, a_change(command))
    return state


def deleted():
    return apply(living(), a_change(DeleteApp(app=APP), at=NOW + 5))


def test_a_deleted_app_has_nothing_but_its_used_up_names():
    before, state = living(), deleted()
    assert (state.revision, state.deleted) == (before.revision + 1, NOW + 5)
    assert not (state.bundles or state.channels or state.segments or state.overrides or state.id_sets)
    assert {version: (each.deleted, each.withdrawn) for version, each in state.retired.items()} == {
        "1.0.1": (NOW + 5, ""),
        "1.1.0": (NOW + 5, "crashes"),
    }


OTHERS = [
    CreateChannel(name="beta"),
    PublishBundle(bundle=a_bundle("2.0.0")),
    ClearOverride(device=DEVICE),
    DeleteApp(app=APP),
]


@pytest.mark.parametrize("command", OTHERS)
def test_nothing_else_is_done_with_a_deleted_app(command):
    with pytest.raises(NotFound) as refused:
        apply(deleted(), a_change(command))
    assert refused.value.code == "unknown_app"


def test_a_repeated_delete_is_harmless_also_after_the_app_was_created_again():
    change = a_change(DeleteApp(app=APP), id="once")
    gone = apply(living(), change)
    assert apply(gone, change) is gone
    again = apply(gone, a_change(CreateApp(app=APP)))
    assert apply(again, change) is again


def test_an_app_that_is_created_again_goes_on_with_its_chain_and_its_names():
    gone = deleted()
    again = apply(gone, a_change(CreateApp(app=APP, expose_metadata=True)))
    assert (again.revision, again.deleted, again.expose_metadata) == (gone.revision + 1, 0.0, True)
    other = PublishBundle(bundle=a_bundle("1.0.1", content=digest("other")))
    for command, code in ((other, "version_taken"), (PublishBundle(bundle=a_bundle("1.1.0")), "bundle_withdrawn")):
        with pytest.raises(Conflict) as refused:
            apply(again, a_change(command))
        assert refused.value.code == code
    assert "1.0.1" in apply(again, a_change(PublishBundle(bundle=a_bundle("1.0.1")))).bundles
    with pytest.raises(Conflict, match="already exists"):
        apply(again, a_change(CreateApp(app=APP)))


def test_an_undo_brings_a_deleted_app_back_and_takes_a_creation_back():
    before, gone = living(), deleted()
    back = apply(gone, a_change(Undo(revision=gone.revision)), before)
    assert replace(back, revision=before.revision, recent=before.recent) == before
    again = apply(gone, a_change(CreateApp(app=APP)))
    assert apply(again, a_change(Undo(revision=again.revision)), gone).deleted


def test_only_the_app_that_is_meant_is_deleted():
    with pytest.raises(Invalid) as refused:
        apply(living(), a_change(DeleteApp(app="com.example.other")))
    assert refused.value.code == "wrong_app"
    with pytest.raises(EdgeError):
        apply(None, a_change(DeleteApp(app=APP)))


def test_a_device_of_a_deleted_app_is_blocked_and_may_end_its_download():
    snapshot = a_snapshot(deleted(), now=NOW + 60)
    decision = decide(snapshot, a_check(version_name="1.0.0"), MOMENT)
    assert isinstance(decision, Blocked) and decision.reason is Reason.NO_CHANNEL
    assert snapshot.may_read("zip", a_bundle("1.0.1").zip)
    assert not a_snapshot(deleted(), now=NOW + 8 * 86_400).may_read("zip", a_bundle("1.0.1").zip)


RUNNING = StartRollout(channel="production", bundle="1.0.2", steps=(1_000, 10_000, 100_000), every_seconds=3_600)
LATER = NOW + 2 * 86_400


def deleted_in_the_second_step(*moves):
    state = a_released_app("1.0.1")
    for command in (PublishBundle(bundle=a_bundle("1.0.2")), RUNNING, *moves):
        state = apply(state, a_change(command))
    return state, apply(state, a_change(DeleteApp(app=APP), at=NOW + 4_000))


def brought_back(state, before, at=LATER):
    return apply(state, a_change(Undo(revision=state.revision, force=True), at=at), before)


def test_a_rollout_comes_back_with_the_share_it_had_when_its_app_was_deleted():
    before, gone = deleted_in_the_second_step()
    with pytest.raises(Conflict, match="resume the rollout on channel 'production'") as refused:
        apply(gone, a_change(Undo(revision=gone.revision), at=LATER), before)
    assert refused.value.code == "undoes_a_stop"
    rollout = brought_back(gone, before).channels["production"].rollout
    assert (share_at(rollout, LATER), share_at(rollout, LATER + 3_599)) == (10_000, 10_000)
    assert share_at(rollout, LATER + 3_600) == 100_000


def test_a_second_deletion_of_the_app_counts_from_its_own_moment():
    before, gone = deleted_in_the_second_step()
    back = brought_back(gone, before)
    again = brought_back(back, gone, LATER + 4_000)
    assert again.deleted == LATER + 4_000
    rollout = brought_back(again, back, LATER * 2).channels["production"].rollout
    assert share_at(rollout, LATER * 2) == 100_000  # it had gone on for 4,000 s


def test_a_paused_rollout_comes_back_paused_and_needs_no_force():
    before, gone = deleted_in_the_second_step(MoveRollout(channel="production", move=Move.PAUSE))
    back = apply(gone, a_change(Undo(revision=gone.revision), at=LATER), before)
    assert back.channels["production"].rollout == before.channels["production"].rollout


def test_an_experiment_of_a_deleted_app_comes_back_by_force_alone():
    state = a_released_app("1.0.1")
    arms = (NewArm(name="a", bundle="1.0.1", weight=50_000), NewArm(name="b", bundle="1.0.2", weight=50_000))
    experiment = StartExperiment(channel="production", name="colours", arms=arms)
    for command in (PublishBundle(bundle=a_bundle("1.0.2")), experiment):
        state = apply(state, a_change(command))
    gone = apply(state, a_change(DeleteApp(app=APP)))
    with pytest.raises(Conflict, match="resume experiment 'colours'"):
        apply(gone, a_change(Undo(revision=gone.revision)), state)
    assert brought_back(gone, state).channels["production"].experiment == state.channels["production"].experiment


@pytest.mark.parametrize("limits", [{}, {"min_native": "8.0.0"}, {"min_native": "9.0.0", "max_native": "9.9.9"}])
def test_a_deleted_bundle_comes_back_with_its_native_versions_alone(limits):
    state = apply(a_released_app("1.0.1"), a_change(PublishBundle(bundle=a_bundle("2.0.0", min_native="9.0.0"))))
    gone = apply(state, a_change(DeleteBundle(version="2.0.0")))
    with pytest.raises(Conflict, match="native range") as refused:
        apply(gone, a_change(PublishBundle(bundle=a_bundle("2.0.0", **limits))))
    assert refused.value.code == "version_taken"
    assert "2.0.0" in apply(gone, a_change(PublishBundle(bundle=a_bundle("2.0.0", min_native="9.0.0")))).bundles
    retired = replace(gone.retired["2.0.0"], min_native=None, max_native=None)  # deleted by an earlier version
    earlier = replace(gone, retired={"2.0.0": retired})
    assert "2.0.0" in apply(earlier, a_change(PublishBundle(bundle=a_bundle("2.0.0", **limits)))).bundles
