"""How often `/channel_self` may be asked: both sides of each limit, their order, and their memory."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.decision.channel_choice import ChannelSelfRequest, ChannelSelfVerb
from edge.domain.model import Platform
from edge.node.service.limits.rate_limits import (
    ADDRESS_REQUESTS,
    DEVICE_REQUESTS,
    WINDOWS_LIMIT,
    ChannelLimits,
    Windows,
)

NOW = 1_000.0
HERE = "192.0.2.1"


def device(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012}"


def a_request(verb=ChannelSelfVerb.GET, **changes) -> ChannelSelfRequest:
    values = {
        "verb": verb,
        "app": "com.demo.app",
        "device": device(1),
        "platform": Platform.ANDROID,
        "plugin_version": "8.51.14",
        "keeps_choice": True,
        "channel": "beta" if verb is ChannelSelfVerb.SET else "",
    }
    return ChannelSelfRequest(**(values | changes))


def test_an_address_asks_for_one_app_so_often_in_a_minute_and_others_go_on():
    limits = ChannelLimits()
    for number in range(ADDRESS_REQUESTS):
        assert limits.admit(a_request(device=device(number)), HERE, NOW)
    assert not limits.admit(a_request(device=device(-1)), HERE, NOW + 20)
    assert limits.admit(a_request(device=device(-1), app="com.other.app"), HERE, NOW + 20)
    assert limits.admit(a_request(device=device(-2)), "192.0.2.2", NOW + 20)
    assert not limits.admit(a_request(device=device(-1)), HERE, NOW + 59.9)
    assert limits.admit(a_request(device=device(-1)), HERE, NOW + 60)


@pytest.mark.parametrize("verb", [ChannelSelfVerb.GET, ChannelSelfVerb.UNSET, ChannelSelfVerb.LIST])
def test_a_device_asks_five_times_a_second_with_one_verb(verb):
    limits = ChannelLimits()
    for _ in range(DEVICE_REQUESTS):
        assert limits.admit(a_request(verb), HERE, NOW)
    assert not limits.admit(a_request(verb), HERE, NOW + 0.25)
    assert limits.admit(a_request(ChannelSelfVerb.SET), HERE, NOW + 0.25)
    assert limits.admit(a_request(verb, device=device(2)), HERE, NOW + 0.25)
    assert limits.admit(a_request(verb, app="com.other.app"), HERE, NOW + 0.25)
    assert limits.admit(a_request(verb), HERE, NOW + 1)


@pytest.mark.parametrize("between", [ChannelSelfVerb.UNSET, ChannelSelfVerb.SET])
def test_on_off_and_on_again_within_a_second_is_an_ordinary_call(between):
    """A plugin that unsets on the device is seen as three equal sets (PROTOCOL.md §3.2)."""
    limits = ChannelLimits()
    for verb in (ChannelSelfVerb.SET, between, ChannelSelfVerb.SET):
        assert limits.admit(a_request(verb, channel="beta"), HERE, NOW)


def test_different_channels_are_no_way_around_the_limit_of_a_second():
    limits = ChannelLimits()
    answers = [
        limits.admit(a_request(ChannelSelfVerb.SET, channel=f"c{n}"), HERE, NOW) for n in range(DEVICE_REQUESTS + 1)
    ]
    assert answers == [True] * DEVICE_REQUESTS + [False]


def test_a_set_without_a_channel_counts_for_its_address_alone():
    limits = ChannelLimits()
    for _ in range(ADDRESS_REQUESTS):
        assert limits.admit(a_request(ChannelSelfVerb.SET, channel=""), HERE, NOW)
    assert not limits.admit(a_request(ChannelSelfVerb.SET, channel=""), HERE, NOW)
    assert limits.admit(a_request(ChannelSelfVerb.SET), "192.0.2.2", NOW)


def test_lists_asked_for_anonymously_do_not_share_one_devices_limit():
    limits = ChannelLimits()
    for _ in range(DEVICE_REQUESTS * 10):
        assert limits.admit(a_request(ChannelSelfVerb.LIST, device=None), HERE, NOW)


def test_what_the_address_is_refused_does_not_count_for_the_device():
    limits = ChannelLimits()
    for number in range(ADDRESS_REQUESTS):
        limits.admit(a_request(device=device(number + 10)), HERE, NOW)
    for _ in range(DEVICE_REQUESTS * 2):
        assert not limits.admit(a_request(), HERE, NOW)
    assert limits.admit(a_request(), "192.0.2.2", NOW)


def test_a_flood_of_forged_devices_keeps_to_its_memory():
    limits = ChannelLimits(windows_limit=100)
    for number in range(5_000):
        limits.admit(
            a_request(ChannelSelfVerb.SET, device=device(number)), f"192.0.{number // 250}.{number % 250}", NOW
        )
    assert len(limits) <= 200


def test_a_flood_frees_the_oldest_and_limits_nobody_else():
    windows = Windows(1, 60.0, limit=10)
    assert windows.admit("first", NOW)
    for number in range(10):
        assert windows.admit(number, NOW)
    assert windows.admit("first", NOW)  # forgotten
    assert not windows.admit(9, NOW)


def test_what_is_over_is_dropped_as_others_ask():
    windows = Windows(1, 1.0, limit=1_000)
    for number in range(100):
        windows.admit(number, NOW)
    for number in range(100):
        windows.admit(("later", number), NOW + 1)
    assert len(windows) == 100


def test_a_clock_that_was_set_back_locks_nobody_out():
    windows = Windows(1, 60.0)
    windows.admit("key", NOW)
    assert windows.admit("key", NOW - 3_600)


def test_a_window_has_the_size_that_the_limit_is_reckoned_with():
    windows, entries = Windows(1, 60.0, limit=4_096), 5_000
    tracemalloc.start()
    try:
        for number in range(entries):
            windows.admit(("com.demo.app", device(number), "set"), NOW + number * 1e-3)
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(windows) == 4_096
    assert 2 * WINDOWS_LIMIT * held_bytes / len(windows) < 20 * 2**20


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 5)), max_size=60), st.integers(1, 3))
def test_in_any_second_at_most_two_windows_are_let_through(asked, allowed):
    windows, now, passed = Windows(allowed, 1.0, limit=100), NOW, {}
    for key, pause in asked:
        now += pause
        if windows.admit(key, now):
            passed.setdefault(key, []).append(now)
        else:
            assert len(passed[key]) >= allowed
    for times in passed.values():
        assert all(later - first >= 1.0 for first, later in zip(times, times[2 * allowed :], strict=False))


@given(st.floats(0, 0.999), st.integers(1, 5))
def test_a_window_later_the_same_is_let_through(pause, allowed):
    windows = Windows(allowed, 1.0)
    for _ in range(allowed):
        assert windows.admit("key", NOW)
    assert not windows.admit("key", NOW + pause)
    assert windows.admit("key", NOW + 1.0)
