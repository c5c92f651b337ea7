"""Apps that are deleted, created again, and brought back: what stays, and that no name is given to other bytes."""

from dataclasses import replace

import pytest
from factories import APP, DEVICE, MOMENT, NOW, a_bundle, a_change, a_check, a_released_app, a_snapshot, digest

from edge.domain.apply import apply
from edge.domain.commands import (
    ClearOverride,
    CreateApp,
    CreateChannel,
    DeleteApp,
    PublishBundle,
    SegmentSettings,
    SetOverride,
    SetSegment,
    Undo,
    WithdrawBundle,
)
from edge.domain.decide import decide
from edge.domain.decision import Blocked, Reason
from edge.domain.errors import Conflict, EdgeError, Invalid, NotFound


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
    with pytest.raises(Conflict, match="exists already"):
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
