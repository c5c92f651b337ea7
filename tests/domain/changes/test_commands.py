import msgspec
import pytest
from factories import APP, DEVICE, NOW, a_bundle, a_change, a_released_app, an_app, digest

from edge.domain.changes.apply import apply
from edge.domain.changes.command_ids import RECENT_LIMIT
from edge.domain.changes.commands import (
    Change,
    ChannelSettings,
    ClearOverride,
    CreateApp,
    CreateChannel,
    DeleteApp,
    DeleteBundle,
    DeleteChannel,
    DeleteIdSet,
    DeleteSegment,
    MakeEventKey,
    MoveRollout,
    NewArm,
    PruneBundles,
    PublishBundle,
    PutIdSet,
    RemoveEventKeys,
    RollBack,
    SegmentSettings,
    SetChannel,
    SetOverride,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    Undo,
    WithdrawBundle,
    kind_of,
)
from edge.domain.changes.features.feature_key_commands import MakeFeatureKey, RemoveFeatureKeys
from edge.domain.errors import Conflict, EdgeError, Invalid, NotFound
from edge.domain.model import BUILTIN, Encryption, Policy
from edge.domain.schedule.rollout import Move

COMMANDS = [
    CreateApp(app=APP, expose_metadata=True),
    PublishBundle(bundle=a_bundle(), channel="production"),
    PublishBundle(bundle=a_bundle(manifest=None, encryption=Encryption(session_key="a:b", checksum="c", key_id=""))),
    DeleteApp(app=APP),
    DeleteBundle(version="1.0.1"),
    PruneBundles(keep=10),
    CreateChannel(name="beta", settings=ChannelSettings(public=True, policy=Policy.NONE)),
    SetChannel(name="beta", settings=ChannelSettings(bundle="builtin"), replace=True),
    DeleteChannel(name="beta"),
    SetOverride(device=DEVICE, channel="beta"),
    ClearOverride(device=DEVICE),
    SetChannel(name="beta", settings=ChannelSettings(windows=("daily 01:00-05:00 UTC",), spread_seconds=60)),
    WithdrawBundle(version="1.0.1", reason="it crashes"),
    RollBack(channel="beta"),
    SetSegment(name="vips", settings=SegmentSettings(where='in_set("vip")', channel=None, yield_to_self_set=True)),
    SetSegment(name="power", settings=SegmentSettings(where="sessions_7d > 10", leave="sessions_7d < 7")),
    DeleteSegment(name="vips"),
    PutIdSet(name="vip", blob=digest("ids"), ids=3),
    DeleteIdSet(name="vip"),
    StartRollout(channel="beta", bundle="1.0.1", steps=(1_000, 100_000), every_seconds=3_600, segments=("vips",)),
    MoveRollout(channel="beta", move=Move.PAUSE),
    StartExperiment(channel="beta", name="colour", arms=(NewArm(name="red", bundle="1.0.1", weight=100_000),)),
    StopExperiment(channel="beta", keep="red"),
    MakeEventKey(key="pk_" + "k" * 24, keep_seconds=86_400),
    RemoveEventKeys(),
    MakeFeatureKey(digest="a" * 64, shown="fs_abcd…", keep_seconds=60, server=True),
    RemoveFeatureKeys(server=True),
    Undo(revision=7),
]


@pytest.mark.parametrize("command", COMMANDS, ids=kind_of)
def test_a_command_reads_back_as_written(command):
    change = a_change(command)
    assert msgspec.json.decode(msgspec.json.encode(change), type=Change) == change


def test_a_change_makes_the_next_revision_and_is_remembered():
    state = an_app()
    after = apply(state, a_change(CreateChannel(name="beta"), id="mine"))
    assert (after.revision, after.recent[-1].id) == (state.revision + 1, "mine")


def test_a_repeated_change_alters_nothing():
    change = a_change(CreateChannel(name="beta"))
    once = apply(an_app(), change)
    assert apply(once, change) is once


def test_a_repeated_creation_alters_nothing_and_another_is_refused():
    change = a_change(CreateApp(app=APP))
    state = apply(None, change)
    assert apply(state, change) is state
    with pytest.raises(Conflict, match="already exists"):
        apply(state, a_change(CreateApp(app=APP)))


def test_only_the_latest_command_ids_are_remembered():
    state = an_app(*(CreateChannel(name=f"c{n}") for n in range(RECENT_LIMIT + 5)))
    assert len(state.recent) == RECENT_LIMIT


def test_publishing_offers_the_bundle_in_the_same_revision():
    before = an_app(CreateChannel(name="beta"))
    after = apply(before, a_change(PublishBundle(bundle=a_bundle("2.0.0"), channel="beta"), at=NOW + 5))
    assert after.channels["beta"].bundle == "2.0.0"
    assert after.bundles["2.0.0"].published == NOW + 5
    assert after.revision == before.revision + 1


def test_the_same_bytes_again_are_no_change():
    state = a_released_app("1.0.1")
    assert apply(state, a_change(PublishBundle(bundle=a_bundle("1.0.1")), at=NOW + 9)) is state


def test_a_name_never_gets_other_bytes_also_after_a_delete():
    state = an_app(PublishBundle(bundle=a_bundle("1.0.1")))
    other = PublishBundle(bundle=a_bundle("1.0.1", content=digest("other")))
    for each in (state, apply(state, a_change(DeleteBundle(version="1.0.1")))):
        with pytest.raises(Conflict, match="other files") as caught:
            apply(each, a_change(other))
        assert caught.value.code == "version_taken"


def test_a_deleted_bundle_comes_back_with_the_same_bytes():
    state = an_app(PublishBundle(bundle=a_bundle()), DeleteBundle(version="1.0.1"))
    assert state.retired
    again = apply(state, a_change(PublishBundle(bundle=a_bundle())))
    assert list(again.bundles) == ["1.0.1"]
    assert not again.retired


def test_a_deleted_bundle_does_not_come_back_packed_otherwise():
    state = an_app(PublishBundle(bundle=a_bundle()), DeleteBundle(version="1.0.1"))
    with pytest.raises(Conflict, match="was deleted") as caught:
        apply(state, a_change(PublishBundle(bundle=a_bundle(zip=digest("another zip")))))
    assert caught.value.code == "version_taken"


def encryption(**changes):
    return Encryption(**({"session_key": "iv:block", "checksum": "5a", "key_id": "MIIB"} | changes))


LOCKED = {
    "plain": a_bundle(),
    "encrypted": a_bundle(encryption=encryption()),
    "encrypted again": a_bundle(encryption=encryption(session_key="other"), zip=digest("other"), manifest=digest("m")),
    "for another key": a_bundle(encryption=encryption(key_id="MIIC")),
    "elsewhere": a_bundle(content=digest("zip 1.0.1"), manifest=None, encryption=encryption()),
    "elsewhere with another session": a_bundle(
        content=digest("zip 1.0.1"), manifest=None, encryption=encryption(session_key="other")
    ),
}


@pytest.mark.parametrize("first", LOCKED)
@pytest.mark.parametrize("second", LOCKED)
def test_a_version_stays_plain_or_encrypted_and_for_its_key(first, second):
    state = an_app(PublishBundle(bundle=LOCKED[first]))
    change = a_change(PublishBundle(bundle=LOCKED[second]))
    if {first, second} <= {"encrypted", "encrypted again"} or first == second:
        assert apply(state, change) is state  # the first one stays
        return
    with pytest.raises(Conflict) as caught:
        apply(state, change)
    assert caught.value.code == "version_taken"


def test_a_plain_bundle_has_a_manifest():
    with pytest.raises(Invalid) as caught:
        apply(an_app(), a_change(PublishBundle(bundle=a_bundle(manifest=None))))
    assert caught.value.code == "missing_manifest"


def test_metadata_is_fixed_when_published():
    with pytest.raises(Conflict, match="link, comment"):
        apply(a_released_app(), a_change(PublishBundle(bundle=a_bundle(comment="new"))))


def test_what_a_channel_offers_cannot_be_deleted_and_the_channel_is_named():
    with pytest.raises(Conflict, match="channel 'production'") as caught:
        apply(a_released_app(), a_change(DeleteBundle(version="1.0.1")))
    assert caught.value.code == "bundle_in_use"


def test_a_second_public_channel_for_a_platform_is_refused():
    second = CreateChannel(name="beta", settings=ChannelSettings(public=True, android=False))
    with pytest.raises(Conflict, match=r"'production'.*'ios', 'electron'"):
        apply(a_released_app(), a_change(second))


def test_public_channels_for_different_platforms_live_together():
    state = an_app(
        CreateChannel(name="apple", settings=ChannelSettings(public=True, android=False, electron=False)),
        CreateChannel(name="google", settings=ChannelSettings(public=True, ios=False, electron=False)),
    )
    assert all(channel.public for channel in state.channels.values())


def test_replacing_takes_the_shared_platforms_and_leaves_the_others_served():
    command = CreateChannel(name="beta", settings=ChannelSettings(public=True, android=False), replace=True)
    old = apply(a_released_app(), a_change(command)).channels["production"]
    assert (old.public, old.android, old.ios, old.electron) == (True, True, False, False)


def test_replacing_all_platforms_makes_the_old_channel_private_as_it_was():
    command = CreateChannel(name="beta", settings=ChannelSettings(public=True), replace=True)
    old = apply(a_released_app(), a_change(command)).channels["production"]
    assert (old.public, old.android, old.ios, old.electron) == (False, True, True, True)


def test_turning_a_platform_on_can_make_a_rival_too():
    state = an_app(
        CreateChannel(name="apple", settings=ChannelSettings(public=True, android=False, electron=False)),
        CreateChannel(name="google", settings=ChannelSettings(public=True, ios=False)),
    )
    with pytest.raises(Conflict, match="'apple'"):
        apply(state, a_change(SetChannel(name="google", settings=ChannelSettings(ios=True))))


def test_setting_what_is_so_already_is_no_change():
    state = a_released_app()
    same = SetChannel(name="production", settings=ChannelSettings(bundle="1.0.1", public=True))
    assert apply(state, a_change(same)) is state


def test_a_channel_can_be_set_to_builtin():
    command = SetChannel(name="production", settings=ChannelSettings(bundle="builtin"))
    assert apply(a_released_app(), a_change(command)).channels["production"].bundle == BUILTIN


@pytest.mark.parametrize("name", ["feature/login", "a/b/c", "release/1.2", "0/0", "x/" * 31 + "xx"])
def test_a_channel_may_be_named_as_a_branch(name):
    assert name in an_app(CreateChannel(name=name)).channels


def test_overrides_are_kept_by_lower_case_device():
    state = an_app(CreateChannel(name="beta"), SetOverride(device=DEVICE.upper(), channel="beta"))
    assert state.overrides == {DEVICE: "beta"}
    assert apply(state, a_change(SetOverride(device=DEVICE, channel="beta"))) is state
    assert not apply(state, a_change(ClearOverride(device=DEVICE))).overrides


def test_a_channel_that_devices_are_overridden_to_cannot_be_deleted():
    state = an_app(CreateChannel(name="beta"), SetOverride(device=DEVICE, channel="beta"))
    with pytest.raises(Conflict, match=r"1 device"):
        apply(state, a_change(DeleteChannel(name="beta")))
    cleared = apply(state, a_change(ClearOverride(device=DEVICE)))
    assert not apply(cleared, a_change(DeleteChannel(name="beta"))).channels


@pytest.mark.parametrize(
    ("command", "error", "code"),
    [
        (DeleteBundle(version="9.9.9"), NotFound, "unknown_bundle"),
        (SetChannel(name="nope", settings=ChannelSettings()), NotFound, "unknown_channel"),
        (SetChannel(name="production", settings=ChannelSettings(bundle="9.9.9")), NotFound, "unknown_bundle"),
        (DeleteChannel(name="nope"), NotFound, "unknown_channel"),
        (PublishBundle(bundle=a_bundle("2.0.0"), channel="nope"), NotFound, "unknown_channel"),
        (PublishBundle(bundle=a_bundle("2.0")), Invalid, "invalid_version"),
        (PublishBundle(bundle=a_bundle("builtin")), Invalid, "invalid_version"),
        (PublishBundle(bundle=a_bundle("2.0.0", min_native="x")), Invalid, "invalid_min_native"),
        (PublishBundle(bundle=a_bundle("2.0.0", max_native="2")), Invalid, "invalid_max_native"),
        (
            PublishBundle(bundle=a_bundle("2.0.0", min_native="1.1.0", max_native="1.0.9")),
            Invalid,
            "invalid_max_native",
        ),
        (PublishBundle(bundle=a_bundle("1.0.1", max_native="1.0.9")), Conflict, "version_taken"),
        (PublishBundle(bundle=a_bundle("2.0.0", link="javascript:x")), Invalid, "invalid_link"),
        (PublishBundle(bundle=a_bundle("2.0.0", link="https://x/" + "y" * 2_048)), Invalid, "invalid_link"),
        (PublishBundle(bundle=a_bundle("2.0.0", comment="y" * 4_097)), Invalid, "invalid_comment"),
        (CreateChannel(name="production"), Conflict, "channel_exists"),
        (CreateChannel(name="a b"), Invalid, "invalid_channel_name"),
        (CreateChannel(name="x" * 65), Invalid, "invalid_channel_name"),
        *(
            (CreateChannel(name=name), Invalid, "invalid_channel_name")
            for name in ("", "/", "/a", "a/", "a//b", "a/../b", "../a", "a/.b", "a/-b", "a\\b", "a%2Fb", "a/ b", "ä/b")
        ),
        (SetOverride(device="x", channel="production"), Invalid, "invalid_device_id"),
        (SetOverride(device=DEVICE, channel="nope"), NotFound, "unknown_channel"),
        (ClearOverride(device=DEVICE), NotFound, "unknown_override"),
    ],
)
def test_bad_commands_are_refused_with_their_code(command, error, code):
    with pytest.raises(error) as caught:
        apply(a_released_app(), a_change(command))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "app", ["", "-app", "com.", ".com", "com..x", "com.a b", "com.é", "com.x\n", "a" * 129, "a." + "b" * 127, "other"]
)
def test_bad_app_ids_are_refused(app):
    with pytest.raises(EdgeError) as caught:
        apply(None, a_change(CreateApp(app=app)))
    assert caught.value.code == "invalid_app_id"


@pytest.mark.parametrize("app", ["a", "myapp", "my_app", "my-app.web", "Other", "others", "a" * 128])
def test_an_app_id_may_have_one_part(app):
    assert apply(None, a_change(CreateApp(app=app))).app == app


def test_a_change_to_an_app_that_is_not_there_is_refused():
    with pytest.raises(NotFound):
        apply(None, a_change(CreateChannel(name="beta")))
