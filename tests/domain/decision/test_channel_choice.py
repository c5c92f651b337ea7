"""The decisions of the four verbs. Every row of PROTOCOL.md §3.3 to §3.6 is a case of
`tests/vectors/device/channel_self.json`; here is what must hold for all of them, and what no request can reach.
"""

import pytest
from factories import APP, DEVICE, a_check, a_snapshot, an_app
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.changes.commands import ChannelSettings, CreateChannel, DeleteChannel, SetOverride
from edge.domain.decision.channel_choice import (
    Allowed,
    ChannelSelfReason,
    ChannelSelfRefused,
    ChannelSelfRequest,
    ChannelSelfVerb,
    Default,
    Forget,
    Listed,
    Overridden,
    Store,
    Unchanged,
    decide_choice,
    get_channel,
    list_channels,
    override_of,
    set_channel,
    unset_channel,
)
from edge.domain.decision.decide import resolve
from edge.domain.facts import DeviceFacts, name_hash
from edge.domain.model import Platform
from edge.domain.plugin import Plugin

CHANNELS = {
    "beta": {"self_set": True},
    "inner": {},
    "open": {"public": True, "self_set": True, "android": False, "electron": False},
    "production": {"public": True, "ios": False},
    "qa": {"self_set": True, "device": False, "prod": False},
}
GONE = "gone"


def a_world(override: str | None = None, *commands):
    made = [CreateChannel(name=name, settings=ChannelSettings(**settings)) for name, settings in CHANNELS.items()]
    assigned = [SetOverride(device=DEVICE, channel=override)] if override else []
    return a_snapshot(an_app(*made, *assigned, *commands))


def a_request(verb=ChannelSelfVerb.SET, **changes) -> ChannelSelfRequest:
    values = {
        "verb": verb,
        "app": APP,
        "device": DEVICE,
        "platform": Platform.ANDROID,
        "plugin_version": "7.33.4",
        "keeps_choice": False,
        "channel": "beta" if verb is ChannelSelfVerb.SET else "",
    }
    return ChannelSelfRequest(**(values | changes))


def test_a_choice_is_stored_for_old_plugins_and_only_allowed_to_new_ones():
    assert set_channel(a_world(), a_request(), None) == Store("beta")
    assert set_channel(a_world(), a_request(keeps_choice=True), None) == Allowed()


def test_the_checks_come_in_the_order_of_the_protocol():
    world = a_world("inner")
    asked = a_request(channel="")
    assert decide_choice(None, asked, None) == ChannelSelfRefused(ChannelSelfReason.MISSING_CHANNEL)
    assert decide_choice(None, a_request(), None) == ChannelSelfRefused(ChannelSelfReason.UNKNOWN_APP)
    assert decide_choice(world, a_request(channel="nowhere"), None) == ChannelSelfRefused(
        ChannelSelfReason.CANNOT_OVERRIDE
    )
    assert decide_choice(a_world(), a_request(channel="nowhere"), None) == ChannelSelfRefused(
        ChannelSelfReason.CHANNEL_NOT_FOUND, "nowhere"
    )


@pytest.mark.parametrize("verb", [ChannelSelfVerb.GET, ChannelSelfVerb.UNSET, ChannelSelfVerb.LIST])
def test_an_unknown_app_is_the_answer_to_every_other_verb(verb):
    assert decide_choice(None, a_request(verb), "beta") == ChannelSelfRefused(ChannelSelfReason.UNKNOWN_APP)


@pytest.mark.parametrize("held", ["open", GONE, "", "qa"])
def test_going_back_to_the_public_channel_forgets_whatever_was_stored(held):
    assert set_channel(a_world(), a_request(channel="open", platform=Platform.IOS), held) == Forget()
    assert set_channel(a_world(), a_request(channel="open", platform=Platform.IOS), None) == Unchanged()


def test_a_choice_whose_channel_is_gone_counts_as_none():
    world = a_world(None, DeleteChannel(name="qa"))
    assert override_of(world, DEVICE, "qa") is None
    assert get_channel(world, a_request(ChannelSelfVerb.GET), "qa") == Default("production", may_set=False)
    assert set_channel(world, a_request(), "qa") == Store("beta")


@pytest.mark.parametrize("gone", [GONE, ""])
def test_a_choice_whose_channel_is_gone_can_be_taken_back(gone):
    assert unset_channel(a_world(), a_request(ChannelSelfVerb.UNSET), gone) == Forget()


def test_the_operators_channel_comes_before_the_devices():
    assert override_of(a_world("beta"), DEVICE, "qa").name == "beta"
    assert override_of(a_world(), DEVICE, "qa").name == "qa"
    assert override_of(a_world("beta"), None, None) is None


@pytest.mark.parametrize("keeps", [True, False])
def test_without_a_public_channel_there_is_no_name_to_give(keeps):
    bare = a_snapshot(an_app(CreateChannel(name="beta", settings=ChannelSettings(self_set=True))))
    answer = get_channel(bare, a_request(ChannelSelfVerb.GET, keeps_choice=keeps), None)
    assert answer == ChannelSelfRefused(ChannelSelfReason.CHANNEL_NOT_FOUND)


@pytest.mark.parametrize(
    ("is_prod", "is_emulator", "names"),
    [
        (True, False, ["beta", "production"]),
        (True, True, ["beta", "production"]),
        (False, False, ["beta", "production"]),
        (False, True, ["beta", "production", "qa"]),
    ],
)
def test_the_list_is_what_is_open_to_this_kind_of_device(is_prod, is_emulator, names):
    listed = list_channels(a_world(), a_request(ChannelSelfVerb.LIST, is_prod=is_prod, is_emulator=is_emulator))
    assert [channel.name for channel in listed.channels] == names
    assert listed.names == tuple(sorted(CHANNELS))


def test_whoever_asks_anonymously_gets_the_list():
    assert isinstance(decide_choice(a_world(), a_request(ChannelSelfVerb.LIST, device=None), None), Listed)


names = st.sampled_from([*CHANNELS, GONE, ""])
requests = st.builds(
    a_request,
    st.sampled_from(ChannelSelfVerb),
    keeps_choice=st.booleans(),
    channel=names,
    default_channel=names,
    platform=st.sampled_from(Platform),
    is_prod=st.booleans(),
    is_emulator=st.booleans(),
)
overrides = st.none() | st.sampled_from(sorted(CHANNELS))
stored = st.none() | names


@given(requests, overrides, stored)
def test_nothing_is_stored_for_plugins_that_keep_their_choice(request, override, chosen):
    outcome = decide_choice(a_world(override), request._replace(keeps_choice=True), chosen)
    assert not isinstance(outcome, Store | Forget)


@given(requests, overrides, stored)
def test_plugins_that_keep_their_choice_hear_of_an_assignment_only_that_they_cannot_change_it(
    request, override, chosen
):
    request = request._replace(keeps_choice=True)
    outcome = decide_choice(a_world(override), request, chosen)
    if outcome != ChannelSelfRefused(ChannelSelfReason.CANNOT_OVERRIDE):
        assert outcome == decide_choice(a_world(), request, None)
    else:
        assert override is not None and request.verb is ChannelSelfVerb.SET


def the_next_check(request, app_default, chosen):
    """What the device asks when it has heard the answer to a set: a newer plugin's choice is its `defaultChannel`."""
    return a_check(
        app=request.app,
        device=request.device,
        platform=request.platform,
        plugin=Plugin("8.51.14" if request.keeps_choice else "7.33.4", keeps_choice=request.keeps_choice),
        is_prod=request.is_prod,
        is_emulator=request.is_emulator,
        default_channel=request.channel if request.keeps_choice else app_default,
    ), DeviceFacts(channel=name_hash(chosen) if chosen else 0)


@given(requests, overrides, stored)
def test_yes_to_a_choice_means_that_the_next_check_follows_it(request, override, chosen):
    request = request._replace(verb=ChannelSelfVerb.SET)
    world = a_world(override)
    match decide_choice(world, request, chosen):
        case Store(channel):
            chosen = channel
        case Forget():
            chosen = None
        case Unchanged() | Allowed():
            pass
        case _:
            return
    check, facts = the_next_check(request, request.default_channel, chosen)
    resolved = resolve(world, check, facts).channel
    assert resolved is not None and resolved.channel.name == request.channel
    assert resolved.channel.serves(request.platform)


@given(requests, overrides, stored)
def test_only_open_channels_are_stored(request, override, chosen):
    outcome = decide_choice(a_world(override), request, chosen)
    if isinstance(outcome, Store):
        assert request.verb is ChannelSelfVerb.SET
        assert CHANNELS[outcome.channel].get("self_set")
        assert outcome.channel == request.channel != chosen


@given(requests, stored)
def test_what_was_set_is_what_is_heard(request, chosen):
    world = a_world()
    request = request._replace(verb=ChannelSelfVerb.SET, keeps_choice=False, default_channel="")
    match decide_choice(world, request, chosen):
        case Store(channel):
            after = channel
        case Forget():
            after = None
        case Unchanged():
            after = chosen
        case _:
            return
    heard = decide_choice(world, request._replace(verb=ChannelSelfVerb.GET, default_channel=""), after)
    assert isinstance(heard, Overridden | Default)
    assert heard.channel == request.channel


@given(requests, overrides)
def test_a_channel_that_is_not_open_binds_its_device(request, chosen):
    request = request._replace(keeps_choice=False, channel="beta")
    for verb in (ChannelSelfVerb.SET, ChannelSelfVerb.UNSET):
        outcome = decide_choice(a_world("inner"), request._replace(verb=verb), chosen)
        assert outcome == ChannelSelfRefused(ChannelSelfReason.CANNOT_OVERRIDE)
