import itertools

import pytest
from factories import (
    DEVICE,
    MOMENT,
    NOW,
    a_bundle,
    a_change,
    a_check,
    a_manifest,
    a_released_app,
    a_snapshot,
    an_app,
    digest,
    failed,
)
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    DeleteBundle,
    PublishBundle,
    SetChannel,
    SetOverride,
)
from edge.domain.decision.decide import decide
from edge.domain.decision.explain import explain
from edge.domain.decision.manifests import DigestSet
from edge.domain.decision.outcomes import Blocked, Offer, Reason, RevertToBuiltin, UpToDate
from edge.domain.decision.rules import CHANNEL_RULES, KEY_RULES, NODE_RULES
from edge.domain.decision.snapshot import READABLE_AFTER_DELETE_SECONDS
from edge.domain.facts import NO_FACTS, DeviceFacts, name_hash
from edge.domain.model import Encryption, Platform, Policy
from edge.domain.plugin import PlainWithKey, Plugin
from edge.domain.versions import coerce_native

ENCRYPTED = a_bundle(encryption=Encryption(session_key="iv:key", checksum="ab", key_id="MIIBCgKCAQEAqJikYizo"))

# Encrypted elsewhere: no manifest, and maybe no key id.
OPAQUE = a_bundle(manifest=None, encryption=Encryption(session_key="iv:key", checksum="ab", key_id=""))


def ranged(least, most):
    return a_bundle(min_native=least, max_native=most)


def outcome(check, *, version="1.0.1", bundle=None, **settings):
    decision = decide(a_snapshot(a_released_app(version, bundle=bundle, **settings)), check, MOMENT)
    match decision:
        case Offer(bundle=offered):
            return offered.version
        case Blocked(reason=reason):
            return reason
    return type(decision)


@pytest.mark.parametrize(
    ("check", "setup", "expected"),
    [
        # the ordinary ones
        ({}, {}, "1.0.1"),
        ({"version_name": "1.0.1"}, {}, UpToDate),
        ({"version_name": "1.0.9"}, {}, "1.0.1"),  # a downgrade above native is served
        # 11
        ({"plugin": Plugin("4.61.0", supported=False)}, {}, Reason.UNSUPPORTED_PLUGIN),
        # 18 and the rules beside it
        ({"key_id": "MIIBCgKCAQEAqJikYizo"}, {"bundle": ENCRYPTED}, "1.0.1"),
        ({"key_id": "MIIB"}, {"bundle": ENCRYPTED}, "1.0.1"),  # old plugins send four characters
        ({"key_id": "MIIBCgKCAQEAotherkey"}, {"bundle": ENCRYPTED}, Reason.KEY_ID_MISMATCH),
        ({"plugin": Plugin("7.0.2", reads_v3=False)}, {"bundle": ENCRYPTED}, Reason.ENCRYPTION_UNSUPPORTED),
        ({}, {"bundle": ENCRYPTED}, Reason.KEY_ID_MISSING),
        ({"plugin": Plugin("7.36.1", sends_key_id=False)}, {"bundle": ENCRYPTED}, "1.0.1"),  # it may hold the key
        ({"key_id": "MIIBCgKCAQEAotherkey"}, {"bundle": OPAQUE}, "1.0.1"),  # nobody said which key it is for
        ({}, {"bundle": OPAQUE}, Reason.KEY_ID_MISSING),
        (
            {"key_id": "MIIB", "plugin": Plugin("8.51.23", plain_with_key=PlainWithKey.REFUSED)},
            {},
            Reason.ENCRYPTION_REQUIRED,
        ),
        ({"key_id": "MIIB", "plugin": Plugin("6.42.9", plain_with_key=PlainWithKey.MANIFEST_ONLY)}, {}, "1.0.1"),
        ({"plugin": Plugin("8.51.23", plain_with_key=PlainWithKey.REFUSED)}, {}, "1.0.1"),  # no key, no quarrel
        # 20-22: the public channel of a platform it does not serve is no channel at all
        ({"platform": Platform.IOS}, {"ios": False}, Reason.NO_CHANNEL),
        # 23
        ({}, {"version": "2.0.0"}, Reason.MAJOR),
        ({"version_build": "2.5.0"}, {"version": "2.6.0"}, "2.6.0"),
        # 25
        ({}, {"version": "1.1.0", "policy": Policy.MINOR}, Reason.MINOR),
        ({}, {"version": "1.0.7", "policy": Policy.MINOR}, "1.0.7"),
        ({}, {"version": "2.0.0", "policy": Policy.MINOR}, Reason.MINOR),
        # 26
        ({}, {"version": "1.0.1", "policy": Policy.PATCH}, Reason.PATCH),
        ({"version_name": "1.0.1"}, {"version": "1.0.0", "policy": Policy.PATCH}, "1.0.0"),
        # 27
        ({}, {"policy": Policy.VERSION_NUMBER}, Reason.MISCONFIGURED),
        ({}, {"policy": Policy.VERSION_NUMBER, "bundle": a_bundle(min_native="1.0.1")}, Reason.METADATA),
        ({}, {"policy": Policy.VERSION_NUMBER, "bundle": a_bundle(min_native="1.0.0")}, "1.0.1"),
        *(
            row
            for policy in (Policy.MAJOR, Policy.MINOR, Policy.NONE)
            for row in (
                ({}, {"policy": policy, "bundle": a_bundle("1.0.1", min_native="1.0.1")}, Reason.BELOW_MINIMUM),
                ({}, {"policy": policy, "bundle": a_bundle("1.0.1", min_native="1.0.0")}, "1.0.1"),
            )
        ),
        *(
            row
            for policy in Policy
            if policy is not Policy.PATCH  # which lets no other version through
            for row in (
                ({}, {"policy": policy, "bundle": ranged("0.1.0", "0.9.9")}, Reason.ABOVE_MAXIMUM),
                ({}, {"policy": policy, "bundle": ranged("1.0.0", "1.0.0")}, "1.0.1"),
            )
        ),
        # none: no version rule but under-native
        ({}, {"version": "3.0.0", "policy": Policy.NONE}, "3.0.0"),
        # 28
        ({"version_build": "1.0.2"}, {}, Reason.UNDER_NATIVE),
        ({"version_build": "1.0.2"}, {"block_under_native": False}, "1.0.1"),
        ({"version_build": "1.0.1", "version_name": "1.0.0"}, {}, "1.0.1"),
        ({"version_build": "1.0.1", "version_name": "1.0.0"}, {"version": "1.0.1-beta"}, Reason.UNDER_NATIVE),
        # 29-32
        ({}, {"prod": False}, Reason.PROD_BUILD),
        ({"is_prod": False}, {"prod": False}, "1.0.1"),
        ({"is_prod": False}, {"dev": False}, Reason.DEV_BUILD),
        ({}, {"dev": False}, "1.0.1"),
        ({}, {"device": False}, Reason.DEVICE),
        ({"is_emulator": True}, {"device": False}, "1.0.1"),
        ({"is_emulator": True}, {"emulator": False}, Reason.EMULATOR),
        ({}, {"emulator": False}, "1.0.1"),
    ],
)
def test_rules_both_ways(check, setup, expected):
    assert outcome(a_check(**check), **setup) == expected


# Two neighbours that both apply: the earlier one answers.
NEIGHBOURS = [
    ({"plugin": Plugin("4.0.0", supported=False), "platform": Platform.IOS}, {"ios": False}, Reason.UNSUPPORTED_PLUGIN),
    ({"platform": Platform.IOS, "key_id": "X"}, {"ios": False, "bundle": ENCRYPTED}, Reason.NO_CHANNEL),
    (
        {"key_id": "OTHER", "plugin": Plugin("7.0.2", reads_v3=False)},
        {"bundle": ENCRYPTED},
        Reason.KEY_ID_MISMATCH,
    ),
    ({"plugin": Plugin("7.0.2", reads_v3=False)}, {"bundle": ENCRYPTED}, Reason.ENCRYPTION_UNSUPPORTED),
    ({"version_name": "1.0.1"}, {"bundle": ENCRYPTED}, Reason.KEY_ID_MISSING),
    ({"version_name": "1.0.1", "key_id": "OTHER"}, {"bundle": ENCRYPTED}, Reason.KEY_ID_MISMATCH),
    ({"version_name": "2.0.0"}, {"version": "2.0.0"}, UpToDate),
    ({"version_build": "1.5.0"}, {"version": "1.4.0", "policy": Policy.MINOR}, Reason.MINOR),
    ({"version_build": "1.0.2"}, {"prod": False}, Reason.UNDER_NATIVE),
    ({}, {"prod": False, "device": False}, Reason.PROD_BUILD),
    ({"is_prod": False}, {"dev": False, "device": False}, Reason.DEV_BUILD),
]


@pytest.mark.parametrize(("check", "setup", "expected"), NEIGHBOURS)
def test_the_earlier_rule_answers(check, setup, expected):
    assert outcome(a_check(**check), **setup) == expected


def snapshot_with_channels():
    return a_snapshot(
        an_app(
            PublishBundle(bundle=a_bundle("1.0.1")),
            PublishBundle(bundle=a_bundle("1.0.2")),
            PublishBundle(bundle=a_bundle("1.0.3")),
            CreateChannel(name="production", settings=ChannelSettings(public=True, bundle="1.0.1")),
            CreateChannel(name="beta", settings=ChannelSettings(self_set=True, bundle="1.0.2", ios=False)),
            CreateChannel(name="secret", settings=ChannelSettings(bundle="1.0.3", ios=False)),
            CreateChannel(name="empty", settings=ChannelSettings(self_set=True)),
        )
    )


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({}, "1.0.1"),
        ({"default_channel": "production"}, "1.0.1"),
        ({"default_channel": "beta"}, "1.0.2"),
        ({"default_channel": "beta", "platform": Platform.IOS}, Reason.NO_CHANNEL),
        ({"default_channel": "secret"}, Reason.NO_CHANNEL),
        ({"default_channel": "never-heard-of"}, Reason.NO_CHANNEL),  # no fall-back to the public one
        ({"default_channel": "empty"}, UpToDate),
    ],
)
def test_the_channel_is_the_devices_own_or_the_public_one(check, expected):
    decision = decide(snapshot_with_channels(), a_check(**check), MOMENT)
    got = decision.bundle.version if isinstance(decision, Offer) else getattr(decision, "reason", type(decision))
    assert got == expected


def test_an_override_is_above_everything_and_opens_private_channels():
    state = an_app(
        PublishBundle(bundle=a_bundle("1.0.3")),
        CreateChannel(name="secret", settings=ChannelSettings(bundle="1.0.3", ios=False)),
        SetOverride(device=DEVICE, channel="secret"),
    )
    snapshot = a_snapshot(state)
    assert decide(snapshot, a_check(default_channel="beta"), MOMENT).bundle.version == "1.0.3"
    # An override knows no platform filter, so here the platform rule answers.
    assert decide(snapshot, a_check(platform=Platform.IOS), MOMENT) == Blocked(Reason.DISABLED_IOS, "1.0.3")


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({"version_name": "1.0.1"}, RevertToBuiltin("production")),
        ({}, UpToDate("production")),  # on builtin already
        ({"version_name": "1.0.1", "plugin": Plugin("5.9.5", reverts_to_builtin=False)}, Reason.BUILTIN_TOO_OLD),
        ({"version_name": "1.0.1", "is_emulator": True}, Reason.EMULATOR),
        ({"version_name": "9.0.0", "version_build": "9.0.0"}, UpToDate("production")),  # no version rule for builtin
    ],
)
def test_only_builtin_by_name_reverts(check, expected):
    state = an_app(
        CreateChannel(name="production", settings=ChannelSettings(public=True, bundle="builtin", emulator=False))
    )
    decision = decide(a_snapshot(state), a_check(**check), MOMENT)
    assert (decision.reason if isinstance(decision, Blocked) else decision) == expected


OLD = Plugin("7.33.4", keeps_choice=False)


@pytest.mark.parametrize(
    ("check", "chosen", "expected"),
    [
        ({"plugin": OLD}, "beta", "1.0.2"),
        ({"plugin": OLD, "default_channel": "production"}, "beta", "1.0.2"),  # above what the app is built with
        ({"plugin": OLD}, "gone", "1.0.1"),  # a choice whose channel was deleted is none
        ({"plugin": OLD}, "secret", Reason.PRIVATE_CHANNEL),  # closed since it was chosen
        ({"plugin": OLD, "platform": Platform.IOS}, "beta", Reason.DISABLED_IOS),
        ({}, "beta", "1.0.1"),  # newer plugins keep their choice themselves and send it
    ],
)
def test_a_stored_choice_counts_for_plugins_that_leave_it_to_us(check, chosen, expected):
    decision = decide(snapshot_with_channels(), a_check(**check), MOMENT, DeviceFacts(channel=name_hash(chosen)))
    assert (decision.bundle.version if isinstance(decision, Offer) else decision.reason) == expected


def test_the_operators_word_is_above_a_stored_choice():
    state = an_app(
        PublishBundle(bundle=a_bundle("1.0.1")),
        CreateChannel(name="beta", settings=ChannelSettings(self_set=True)),
        CreateChannel(name="secret", settings=ChannelSettings(bundle="1.0.1")),
        SetOverride(device=DEVICE, channel="secret"),
    )
    facts = DeviceFacts(channel=name_hash("beta"))
    assert decide(a_snapshot(state), a_check(plugin=OLD), MOMENT, facts).channel == "secret"


@pytest.mark.parametrize(
    ("check", "settings", "facts", "expected"),
    [
        ({}, {}, DeviceFacts(failures=failed("1.0.1")), Reason.WITHHELD),
        ({}, {}, DeviceFacts(failures=failed("1.0.0", "1.0.1")), Reason.WITHHELD),
        ({}, {}, DeviceFacts(failures=failed("1.0.2")), None),
        ({}, {}, DeviceFacts(offered=(name_hash("1.0.1"),)), None),
        ({"version_name": "1.0.1"}, {}, DeviceFacts(failures=failed("1.0.1")), UpToDate),  # it runs after all
        ({}, {"prod": False}, DeviceFacts(failures=failed("1.0.1")), Reason.WITHHELD),  # before the channel rules
        ({}, {"prod": False}, NO_FACTS, Reason.PROD_BUILD),
    ],
)
def test_a_bundle_that_failed_on_a_device_is_withheld_from_it(check, settings, facts, expected):
    decision = decide(a_snapshot(a_released_app(**settings)), a_check(**check), MOMENT, facts)
    got = decision.reason if isinstance(decision, Blocked) else None if isinstance(decision, Offer) else type(decision)
    assert got == expected


def test_a_channel_without_a_bundle_reverts_nobody():
    state = an_app(CreateChannel(name="production", settings=ChannelSettings(public=True)))
    assert decide(a_snapshot(state), a_check(version_name="1.0.1"), MOMENT) == UpToDate("production")


CHECKS = st.builds(
    lambda native, name, platform, prod, emulator, channel, key, plugin: a_check(
        version_build=native,
        native=coerce_native(native),
        version_name=name,
        platform=platform,
        is_prod=prod,
        is_emulator=emulator,
        default_channel=channel,
        key_id=key,
        plugin=plugin,
    ),
    st.sampled_from(["0.9.0", "1.0.0", "1.0.1", "1.2.0", "2.0.0"]),
    st.sampled_from(["1.0.0", "1.0.1", "2.0.0"]),
    st.sampled_from(Platform),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "production", "beta"]),
    st.sampled_from(["", "MIIB", "OTHER"]),
    st.builds(
        Plugin,
        st.just("8.0.0"),
        supported=st.booleans(),
        reads_v3=st.booleans(),
        plain_with_key=st.sampled_from(PlainWithKey),
        reverts_to_builtin=st.booleans(),
        sends_key_id=st.booleans(),
    ),
)
FLAGS = ("public", "self_set", "ios", "android", "electron", "emulator", "device", "dev", "prod", "block_under_native")
SETTINGS = st.fixed_dictionaries({flag: st.booleans() for flag in FLAGS} | {"policy": st.sampled_from(Policy)})
BUNDLES = st.sampled_from(
    [a_bundle("1.0.1"), a_bundle("2.0.0"), a_bundle("1.0.1", min_native="1.0.1"), ENCRYPTED, OPAQUE]
)


FACTS = st.builds(
    DeviceFacts,
    st.sampled_from([0, name_hash("production"), name_hash("gone")]),
    st.sampled_from([(), failed("1.0.1"), failed("2.0.0", "9.9.9")]),
)


@given(CHECKS, SETTINGS, BUNDLES, st.booleans(), FACTS)
def test_explaining_agrees_with_deciding_and_keeps_the_order(check, settings, bundle, overridden, facts):
    state = a_released_app(bundle=bundle, **settings)
    if overridden:
        state = apply(state, a_change(SetOverride(device=DEVICE, channel="production")))
    snapshot = a_snapshot(state)
    steps, decision = explain(snapshot, check, MOMENT, facts)
    assert decision == decide(snapshot, check, MOMENT, facts)
    assert [step.outcome for step in steps].index("stop") == len(steps) - 1
    if isinstance(decision, Blocked) and decision.reason is not Reason.BUILTIN_TOO_OLD:
        assert steps[-1].rule == decision.reason.code


@given(CHECKS, SETTINGS, BUNDLES)
def test_the_rules_left_out_of_a_channel_never_fire_on_it(check, settings, bundle):
    compiled = a_snapshot(a_released_app(bundle=bundle, **settings)).channels["production"].stable
    kept = {rule.reason for rule in (*compiled.key_rules, *compiled.rules)}
    left_out = [rule for rule in (*KEY_RULES, *CHANNEL_RULES) if rule.reason not in kept]
    can_fire = [
        rule for rule in left_out if rule.blocks(check, compiled.candidate, False) and rule.can_fire(compiled.candidate)
    ]
    assert not can_fire


def test_every_reason_is_a_rule_or_a_named_step():
    rules = {rule.reason for rule in (*KEY_RULES, *CHANNEL_RULES, *NODE_RULES)}
    steps = {Reason.UNKNOWN_APP, Reason.UNSUPPORTED_PLUGIN, Reason.NO_CHANNEL, Reason.BUILTIN_TOO_OLD, Reason.WITHHELD}
    steps |= {Reason.INVALID_APP_ID, Reason.OUTSIDE_WINDOW, Reason.SPREAD, Reason.STALE}
    assert rules | steps == set(Reason)
    assert len({reason.code for reason in Reason}) == len(Reason)


def test_a_snapshot_reads_a_manifest_once_and_lets_go_of_it_when_it_is_no_longer_offered():
    first = a_released_app("1.0.1")
    before = a_snapshot(first)
    second = apply(first, a_change(PublishBundle(bundle=a_bundle("1.0.2"), channel="production")))
    after = a_snapshot(second, before=before)
    # What single devices fall back to is in memory too: no check reads the store.
    assert set(after.manifests) == {a_bundle("1.0.1").manifest, a_bundle("1.0.2").manifest}
    assert after.manifest_of(a_bundle("1.0.1")) == a_manifest("1.0.1")
    back = SetChannel(name="production", settings=ChannelSettings(bundle="1.0.1"), downgrade=True)
    third = apply(second, a_change(back))
    assert set(a_snapshot(third, before=after).manifests) == {a_bundle("1.0.1").manifest}
    assert {files.manifest for files in after.blobs} == {a_bundle("1.0.1").manifest, a_bundle("1.0.2").manifest}
    (files,) = before.blobs
    assert after.blobs[files] is before.blobs[files]


def test_devices_may_read_what_a_revision_names_and_nothing_else():
    snapshot = a_snapshot(a_released_app("1.0.1"))
    assert snapshot.may_read("zip", digest("zip 1.0.1"))
    assert snapshot.may_read("file", digest("index.html1.0.1blob"))
    assert not snapshot.may_read("file", digest("zip 1.0.1"))
    assert not snapshot.may_read("zip", digest("index.html1.0.1blob"))
    assert not snapshot.may_read("zip", a_bundle("1.0.1").manifest)


def test_a_bundle_without_a_manifest_is_its_zip():
    snapshot = a_snapshot(a_released_app(bundle=OPAQUE))
    assert snapshot.may_read("zip", OPAQUE.zip)
    assert (len(snapshot.files), snapshot.manifests, snapshot.manifest_of(OPAQUE)) == (0, {}, b"")
    after = a_snapshot(apply(a_released_app(bundle=OPAQUE), a_change(PublishBundle(bundle=a_bundle("1.0.2")))))
    assert after.may_read("file", digest("index.html1.0.2blob")) and after.may_read("zip", OPAQUE.zip)
    assert snapshot.manifest_of(OPAQUE) == b""


@pytest.mark.parametrize(("later", "readable"), [(0, True), (READABLE_AFTER_DELETE_SECONDS, False)])
def test_a_deleted_bundle_stays_readable_for_a_week(later, readable):
    state = an_app(PublishBundle(bundle=a_bundle()), DeleteBundle(version="1.0.1"))
    snapshot = a_snapshot(state, now=NOW + later)
    assert snapshot.may_read("zip", digest("zip 1.0.1")) is readable
    assert snapshot.may_read("file", digest("index.html1.0.1blob")) is readable


@given(st.sets(st.integers(0, 400)))
def test_a_digest_set_holds_what_was_put_in(numbers):
    held = DigestSet.of(digest(str(number)) for number in numbers)
    assert len(held) == len(numbers)
    assert {number for number in range(401) if digest(str(number)) in held} == numbers
    assert len(DigestSet.union([held, held, DigestSet.of([])])) == len(numbers)


def test_switching_a_channel_needs_only_the_new_target():
    for first, second in itertools.permutations(["1.0.1", "builtin"], 2):
        state = a_released_app("1.0.1", bundle=None)
        state = apply(state, a_change(SetChannel(name="production", settings=ChannelSettings(bundle=first))))
        turned = SetChannel(name="production", settings=ChannelSettings(bundle=second), again=True)
        state = apply(state, a_change(turned))
        assert (a_snapshot(state).channels["production"].stable.offer is None) == (second == "builtin")
