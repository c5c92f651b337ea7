import hashlib
from dataclasses import replace

import msgspec
import pytest
from factories import APP, a_bundle, a_change, a_manifest, a_released_app, digest

from edge.domain.app_parts.stored_features import Feature, FeatureKind, FeatureRule, Prerequisite
from edge.domain.changes.commands import (
    AcceptRestored,
    ChannelSettings,
    ClearOverride,
    CreateApp,
    NewArm,
    PublishBundle,
    SetChannel,
    SetOverride,
    StartExperiment,
    StartRollout,
)
from edge.domain.changes.guard.guard_commands import Finding, GuardActs, GuardDeed, GuardSettings, SetGuard
from edge.domain.errors import TooLarge
from edge.domain.model import DeviceId, Encryption, Rollout, Segment, SegmentName, VersionName
from edge.domain.targeting.partial_overrides import override_shard_of
from edge.store import revision_document as documents
from edge.store.revision_document import (
    REVISION_FORMAT,
    REVISION_LIMIT_BYTES,
    encode_overrides,
    encode_revision,
    parse_line,
    parse_revision,
    summarize,
)
from edge.store.stored_document import Untrusted


def device(number):
    return DeviceId(f"{number:08x}-0000-4000-8000-000000000000")


def encoded(state, shards=None, previous=None, command=None):
    change = a_change(command or CreateApp(app=APP))
    return encode_revision(state, change, previous or digest("before"), shards or {})


def changed(content, **fields):
    return msgspec.json.encode(msgspec.json.decode(content) | fields)


def blobs_of(overrides):
    """The override blobs as a loader, and their digests by shard."""
    blobs = encode_overrides(overrides)
    digests = {shard: hashlib.sha256(blob).hexdigest() for shard, blob in blobs.items()}
    return {digests[shard]: blob for shard, blob in blobs.items()}.__getitem__, digests


def test_a_state_is_read_as_it_was_written():
    encryption = Encryption(session_key="iv:key", checksum="sum", key_id="k" * 20)
    bundle = a_bundle(link="https://example.com/ä", comment='a "comment"', min_native="1.0.0", encryption=encryption)
    state = replace(a_released_app(bundle=bundle), overrides={device(n): "production" for n in range(600)})
    load, shards = blobs_of(state.overrides)
    revision = parse_revision(encoded(state, shards), APP, state.revision, load)
    assert revision == (state, digest("before"), shards, state.revision - 1)


def test_a_bundle_of_the_previous_version_is_read_without_what_was_not_kept_then():
    state = a_released_app()
    document = msgspec.json.decode(encoded(state))
    (bundle,) = document["state"]["bundles"].values()
    del bundle["names"], bundle["plain_files"]
    read = parse_revision(msgspec.json.encode(document), APP, state.revision, {}.__getitem__).state.bundles["1.0.1"]
    assert (read.names, read.plain_files) == (None, False)


def test_overrides_are_spread_over_at_most_256_blobs_that_know_only_their_own_devices():
    overrides = {device(n): "production" for n in range(5_000)}
    blobs = encode_overrides(overrides)
    assert len(blobs) == 256
    assert max(len(blob) for blob in blobs.values()) < 4_000
    assert all(override_shard_of(d) == s for s, blob in blobs.items() for d in msgspec.json.decode(blob)["overrides"])


def test_one_override_changes_one_blob():
    overrides = {device(n): "production" for n in range(5_000)}
    before, after = encode_overrides(overrides), encode_overrides(overrides | {device(7): "beta"})
    assert [shard for shard in after if after[shard] != before[shard]] == [override_shard_of(device(7))]


def test_the_order_in_which_overrides_were_set_leaves_no_trace():
    there, back = range(100), reversed(range(100))
    assert encode_overrides(dict.fromkeys(map(device, there), "a")) == encode_overrides(
        dict.fromkeys(map(device, back), "a")
    )


def test_the_shard_of_a_device_never_changes():
    # printf 00000000-0000-4000-8000-000000000000 | sha256sum
    assert override_shard_of(device(0)) == "db"
    assert override_shard_of(device(1)) == "f3"


def test_hundreds_of_bundles_with_300_files_stay_far_below_the_limit():
    assert len(a_manifest(files=300)) > 40_000  # which a revision refers to, and does not hold
    bundles = {
        f"1.0.{n}": a_bundle(f"1.0.{n}", files=300, comment="c" * 200, link="https://e.com/") for n in range(500)
    }
    empty, full = len(encoded(a_released_app())), len(encoded(replace(a_released_app(), bundles=bundles)))
    bytes_per_bundle = (full - empty) / len(bundles)
    print(f"a bundle takes {bytes_per_bundle:.0f} bytes of a revision")
    assert bytes_per_bundle < 1_024
    assert full < REVISION_LIMIT_BYTES / 4


def test_a_state_beyond_the_limit_cannot_be_written():
    bundles = {f"1.0.{n}": a_bundle(f"1.0.{n}", comment="c" * 4_000) for n in range(1_100)}
    with pytest.raises(TooLarge, match=r"the limit is 4194304: delete old bundles") as refused:
        encoded(replace(a_released_app(), bundles=bundles))
    assert refused.value.code == "revision_too_large"


def test_a_way_out_of_a_segment_has_a_format_that_earlier_releases_refuse():
    plain = Segment(name=SegmentName("power"), where="sessions_7d > 10", places=(0,), since=3)
    leaving = replace(plain, leave="sessions_7d < 7")
    for segment, number in ((plain, 2), (leaving, 4)):
        state = replace(a_released_app(), segments={segment.name: segment})
        content = encoded(state)
        assert msgspec.json.decode(content)["format"] == number
        assert parse_revision(content, APP, state.revision, {}.__getitem__).state == state


def test_features_have_a_format_that_earlier_releases_refuse():
    rule = FeatureRule(name="droids", where='platform == "android"', value="1.0", share=5)
    prerequisite = Prerequisite(feature="speed", value="0.5")
    feature = Feature(
        name="fast", kind=FeatureKind.FLOAT, default="0.5", salt="s", rules=(rule,), prerequisites=(prerequisite,)
    )
    for features, number in (({}, 2), ({"fast": feature}, 6)):
        state = replace(a_released_app(), features=features)
        content = encoded(state)
        assert msgspec.json.decode(content)["format"] == number
        assert parse_revision(content, APP, state.revision, {}.__getitem__).state == state


def test_a_gated_rollout_has_a_format_that_earlier_releases_refuse():
    rollout = Rollout(bundle=VersionName("1.1.0"), salt="s", steps=(1_000, 100_000), every_seconds=60)
    for gated, number in ((False, 2), (True, 5)):
        state = a_released_app()
        channel = replace(state.channels["production"], rollout=replace(rollout, gated=gated))
        state = replace(state, channels={channel.name: channel})
        content = encoded(state)
        assert msgspec.json.decode(content)["format"] == number
        assert parse_revision(content, APP, state.revision, {}.__getitem__).state == state


def test_a_channel_of_an_earlier_release_has_the_usual_guard():
    state = a_released_app()
    document = msgspec.json.decode(encoded(state))
    for name in ("guard", "guard_told"):
        del document["state"]["channels"]["production"][name]
    read = parse_revision(msgspec.json.encode(document), APP, state.revision, {}.__getitem__).state
    assert read == state


def test_the_history_has_what_the_guard_did_and_what_it_was_told():
    act = GuardActs(channel="production", watch="w.0", deed=GuardDeed.PAUSE, finding=Finding.FAILS, bundle="1.0.1")
    rules = SetGuard(channel="production", settings=GuardSettings(max_failure=1_000))
    state = a_released_app()
    for command, move in ((act, "pause"), (rules, "")):
        content = encode_revision(state, a_change(command, reason="14 of 96 failed"), None, {})
        line = parse_line(changed(content, jumped_from=0), APP, state.revision)
        assert (line.guard, line.move, line.reason) == (command, move, "14 of 96 failed")


def test_a_segment_of_an_earlier_release_remembers_nothing():
    segment = Segment(name=SegmentName("power"), where="sessions_7d > 10", places=(0,), since=3)
    document = msgspec.json.decode(encoded(replace(a_released_app(), segments={segment.name: segment})))
    for name in ("leave", "places", "since"):
        del document["state"]["segments"]["power"][name]
    read = parse_revision(msgspec.json.encode(document), APP, a_released_app().revision, {}.__getitem__).state
    assert read.segments["power"] == Segment(name=SegmentName("power"), where="sessions_7d > 10")


@pytest.mark.parametrize("parse", [lambda c, a, n: parse_revision(c, a, n, {}.__getitem__), parse_line])
def test_what_is_not_this_revision_is_refused(parse):
    state = a_released_app()
    content = encoded(state)
    for altered, app, number, code in [
        (changed(content, format=REVISION_FORMAT + 1), APP, state.revision, "newer_format"),
        (changed(content, format=0), APP, state.revision, "unreadable_document"),
        (b"{}", APP, state.revision, "unreadable_document"),
        (content[:-1] + b',"more":' + b'{"a":' * 3000, APP, state.revision, "unreadable_document"),
        (content[:-1], APP, state.revision, "unreadable_document"),
        (content, "com.example.other", state.revision, "misplaced_document"),
        (content, APP, state.revision + 1, "misplaced_document"),
    ]:
        with pytest.raises(Untrusted) as refused:
            parse(altered, app, number)
        assert refused.value.code == code


def test_a_state_does_not_depend_on_knowing_the_command_that_made_it():
    state = a_released_app()
    change = {"id": "x", "at": 1.0, "by": "me", "command": {"kind": "of_the_future", "wings": 2}}
    content = changed(encoded(state), change=change)
    assert parse_revision(content, APP, state.revision, {}.__getitem__).state == state
    assert parse_line(content, APP, state.revision)[:5] == (state.revision, 1.0, "me", "of_the_future", "wings=2")


def test_a_newer_override_blob_is_refused():
    state = replace(a_released_app(), overrides={device(1): "production"})
    load, shards = blobs_of(state.overrides)
    with pytest.raises(Untrusted, match=r"overrides of revision .* format 2"):
        parse_revision(encoded(state, shards), APP, state.revision, lambda d: changed(load(d), format=2))


@pytest.mark.parametrize(("number", "previous"), [(1, "before"), (2, None)])
def test_a_chain_ends_at_the_first_revision_and_nowhere_else(number, previous):
    content = changed(encoded(a_released_app()), revision=number, previous=previous)
    with pytest.raises(Untrusted, match="not linked"):
        parse_line(content, APP, number)


AN_EVEN_PAIR = (NewArm(name="old", bundle="1.2.3", weight=50_000), NewArm(name="new", bundle="1.2.4", weight=50_000))


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (CreateApp(app=APP), f"app={APP}"),
        (AcceptRestored(app=APP, seen=9), "went back from revision 9 to 1"),
        (AcceptRestored(app=APP, seen=1), "accepted revision 1"),
        (PublishBundle(bundle=a_bundle("1.2.3"), channel="production"), "version=1.2.3 channel=production"),
        (PublishBundle(bundle=a_bundle("1.2.3")), "version=1.2.3"),
        (
            SetChannel(name="beta", settings=ChannelSettings(public=False, bundle="1.2.3")),
            "name=beta bundle=1.2.3 public=false",
        ),
        (SetOverride(device=device(1), channel="beta"), f"device={device(1)} channel=beta"),
        (ClearOverride(device=device(1)), f"device={device(1)}"),
        (
            StartRollout(channel="beta", bundle="1.2.3", steps=(1_000, 12_500), every_seconds=60),
            "channel=beta bundle=1.2.3 steps=1%,12.5% every_seconds=60",
        ),
        (
            StartRollout(channel="beta", bundle="1.2.3", steps=(1_000,), hold_out=5_000),
            "channel=beta bundle=1.2.3 steps=1% hold_out=5% hold_out_group=control",
        ),
        (
            StartExperiment(channel="beta", name="look", arms=AN_EVEN_PAIR),
            "channel=beta name=look arms=old=1.2.3:50%,new=1.2.4:50%",
        ),
    ],
)
def test_history_tells_a_command_in_one_line(command, line):
    content = changed(encoded(a_released_app(), command=command), revision=2)
    told = parse_line(content, APP, 2)
    assert (told.kind, told.summary) == (command.__struct_config__.tag, line)


def test_history_tells_shares_and_times_as_they_were_entered():
    told = summarize(
        {"settings": {"share": {"share": 10_000, "value": "true"}}, "begins": 1_797_984_000.0, "ends": 1e300}
    )
    assert told == "share=10%:true begins=2026-12-23T00:00Z ends=1e300"
    assert summarize({"title": "New", "share": 100_000}) == "title=New share=100%"
    texts = [{"title": "New", "body": "It is here"}, {"title": "", "body": "Look"}]
    assert summarize({"texts": texts, "digest": "sha256:ab", "when": "now"}) == "texts=New | Look when=now"


def test_a_summary_is_one_short_line_whatever_it_is_given():
    told = summarize({"name": "a\nb\x1b[31m" + "c" * 500})
    assert told.startswith("name=a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[31mccc")
    assert len(told) == documents.SUMMARY_LIMIT


def test_a_revision_from_before_ranges_of_native_versions_and_authors_is_read():
    """What the previous version wrote of a bundle had no maximum, of a channel nobody who changed it."""
    state = a_released_app()
    document = msgspec.json.decode(encoded(state))
    (bundle,), (channel,) = document["state"]["bundles"].values(), document["state"]["channels"].values()
    assert (bundle.pop("max_native"), channel.pop("changed_by")) == ("", "test")
    read = parse_revision(msgspec.json.encode(document), state.app, state.revision, {}.__getitem__).state
    assert (read.bundles, read.channels["production"].bundle) == (state.bundles, "1.0.1")
    assert read.channels["production"].changed_by == ""
