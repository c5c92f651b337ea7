"""A command id is its command: a repeat is harmless, anything else under the same id is refused with its first use."""

from dataclasses import replace

import msgspec
import pytest
from factories import APP, NOW, a_bundle, a_change, a_released_app, an_app, digest

from edge.domain.changes.apply import apply
from edge.domain.changes.command_ids import command_digest
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateApp,
    CreateChannel,
    DeleteChannel,
    MoveRollout,
    NewArm,
    PublishBundle,
    RollBack,
    SetChannel,
    StartExperiment,
    StartRollout,
    Undo,
)
from edge.domain.errors import Conflict
from edge.domain.model import Encryption
from edge.domain.schedule.rollout import Move
from edge.store.revision_document import encode_revision, parse_revision

FIRST = CreateChannel(name="beta", settings=ChannelSettings(self_set=True))
OTHERS = {
    "another name": CreateChannel(name="gamma", settings=ChannelSettings(self_set=True)),
    "another setting": CreateChannel(name="beta", settings=ChannelSettings(self_set=False)),
    "one setting less": CreateChannel(name="beta"),
    "another kind": DeleteChannel(name="beta"),
    "a way back": RollBack(channel="production"),
    "another app": CreateApp(app=APP),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_command_under_a_used_id_hears_what_it_was_used_for(other):
    state = apply(a_released_app(), a_change(FIRST, id="ci-7", at=NOW))
    with pytest.raises(Conflict) as caught:
        apply(state, a_change(other, id="ci-7", at=NOW + 60))
    assert caught.value.code == "command_id_used"
    for part in ("'ci-7'", "create_channel", "'beta'", "2023-11-14 22:13:20Z"):
        assert part in caught.value.message


def test_another_author_under_a_used_id_hears_whose_it_was():
    state = apply(a_released_app(), msgspec.structs.replace(a_change(FIRST, id="ci-7"), by="anna"))
    with pytest.raises(Conflict, match="by 'anna'") as caught:
        apply(state, msgspec.structs.replace(a_change(FIRST, id="ci-7"), by="bob"))
    assert caught.value.code == "command_id_used"


COMPLETED = {
    "a time": PublishBundle(bundle=a_bundle("2.0.0"), channel="production"),
    "a salt": StartRollout(channel="production", bundle="1.0.1", steps=(1_000,)),
    "windows in their canonical form": SetChannel(
        name="production", settings=ChannelSettings(windows=("Sun,Sat 01:00-05:00 UTC",))
    ),
}


@pytest.mark.parametrize("command", COMPLETED.values(), ids=COMPLETED)
def test_a_repeat_is_known_although_the_change_was_completed_when_it_was_carried_out(command):
    before = an_app(
        CreateChannel(name="production"),
        PublishBundle(bundle=a_bundle("1.0.0"), channel="production"),
        PublishBundle(bundle=a_bundle("1.0.1")),
    )
    once = apply(before, a_change(command, id="once", at=NOW))
    assert once is not before
    assert apply(once, a_change(command, id="once", at=NOW + 3_600)) is once


def test_an_undo_of_the_latest_is_repeated_although_another_revision_is_the_latest_by_then():
    assert command_digest(Undo(revision=7, latest=True), "me") == command_digest(Undo(revision=8, latest=True), "me")
    assert command_digest(Undo(revision=7), "me") != command_digest(Undo(revision=8), "me")
    assert command_digest(Undo(revision=7), "me") != command_digest(Undo(revision=7, latest=True), "me")


# A digest is stored: another one for the same command would refuse a retry across an upgrade.
DIGESTS = [
    (CreateApp(app=APP), "f79bee59a72225696ab9e47a0912070b"),
    (FIRST, "9959bcbb010d80f2fe02964271cbbce0"),
    (MoveRollout(channel="beta", move=Move.PAUSE), "db2f228e6fef93da5622664205749b3c"),
    (
        StartExperiment(channel="b", name="n", arms=(NewArm(name="a", bundle="1.0.0", weight=1),)),
        "91d6f1e29163d0cc9e65df040105b3d5",
    ),
    (
        PublishBundle(
            bundle=a_bundle(
                encryption=Encryption(session_key="a:b", checksum="c", key_id=""),
                manifest="7a4958d349cb6ca551384680f5199ca262f365d0a640f68f33b4dc69806367a3",
            ),
            channel="beta",
        ),
        "790c65ed124b41cd4ce8c01ced897065",
    ),
]


@pytest.mark.parametrize(("command", "expected"), DIGESTS)
def test_the_digest_of_a_command_never_changes(command, expected):
    assert command_digest(command, "test") == expected


def test_ids_of_a_revision_of_format_1_are_read_and_a_repeat_is_still_harmless():
    state = replace(a_released_app(), recent=("old-1", "old-2"))
    content = encode_revision(state, a_change(FIRST), digest("before"), {})
    document = msgspec.json.decode(content) | {"format": 1}
    read = parse_revision(msgspec.json.encode(document), APP, state.revision, lambda _: b"").state
    assert read.recent == ("old-1", "old-2")
    assert apply(read, a_change(FIRST, id="old-2")) is read
    after = apply(read, a_change(FIRST, id="new"))
    assert [after.recent[0], after.recent[-1].id] == ["old-1", "new"]
