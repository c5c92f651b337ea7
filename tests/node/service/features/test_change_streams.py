"""Streams of changes: who may open one, what it hears, how many there are."""

import asyncio
from contextlib import ExitStack

import pytest
from factories import NOW
from features_asked import KEY, a_features_snapshot, a_key, setting

from edge.domain.app_parts.feature_keys import FeatureKeys
from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.features.feature_key_commands import RemoveFeatureKeys
from edge.node.service.features.change_streams import (
    ADDRESS_LIMIT,
    SLICE,
    WAITERS_LIMIT,
    ChangeStreams,
    StreamRefused,
    config_tag,
)
from edge.wire.ofrep.conditions import ConfigTag
from edge.wire.ofrep.streams import TURN_SECONDS

SNAPSHOT = a_features_snapshot(a_key(KEY))
CHANGED = a_features_snapshot(a_key(KEY), setting("zoom", FeatureKind.BOOLEAN, True), revision=101)
SAME = a_features_snapshot(a_key(KEY), a_key("fs_" + "s" * 24), revision=102)
OPEN = a_features_snapshot()
WAIT_SECONDS = 30.0


def token_of(streams, snapshot=SNAPSHOT, now=NOW):
    keys = FeatureKeys(snapshot.feature_keys) if isinstance(snapshot.feature_keys, tuple) else snapshot.feature_keys
    key = next((keys.find(digest, now) for digest in keys.digests), None)
    _, address = streams.address_of(snapshot, key, now)
    return address.partition("token=")[2]


def refused(streams, token, snapshot=SNAPSHOT, prefix="192.0.2.1", now=NOW):
    with pytest.raises(StreamRefused) as refusal, streams.opened(snapshot, token, "", prefix, now):
        pass
    return refusal.value.status


async def heard(stream):
    return await stream.next(WAIT_SECONDS)


async def test_a_stream_hears_of_a_change_once():
    streams = ChangeStreams(100)
    with streams.opened(SNAPSHOT, token_of(streams), "", "192.0.2.1", NOW) as stream:
        streams.tell(SAME)
        streams.tell(CHANGED)
        streams.tell(CHANGED)
        assert await heard(stream) == config_tag(CHANGED)
        assert await stream.next(0.0) is None
    assert streams.open == 0


async def test_one_that_missed_a_change_hears_at_once():
    streams = ChangeStreams(100)
    token = token_of(streams)
    with streams.opened(CHANGED, token, "", "192.0.2.1", NOW) as stream:
        assert await heard(stream) == config_tag(CHANGED)
    with streams.opened(CHANGED, token, str(config_tag(CHANGED)), "192.0.2.1", NOW) as stream:
        assert await stream.next(0.0) is None


async def test_a_token_is_for_its_key_and_its_time():
    streams = ChangeStreams(100)
    token = token_of(streams)
    assert refused(streams, token, now=NOW + 2 * TURN_SECONDS) == 401
    assert refused(streams, token, OPEN) == 401
    assert refused(streams, token_of(streams, OPEN)) == 401
    assert refused(streams, "") == 401
    with streams.opened(OPEN, token_of(streams, OPEN), "", "192.0.2.1", NOW):
        assert streams.open == 1


async def test_a_stream_ends_with_its_key():
    streams = ChangeStreams(100)
    without = a_features_snapshot(a_key(KEY), RemoveFeatureKeys(), revision=103)
    with streams.opened(SNAPSHOT, token_of(streams), "", "192.0.2.1", NOW) as stream:
        streams.tell(without)
        assert await heard(stream) is None
        assert stream.is_over


async def test_streams_are_bounded():
    streams = ChangeStreams(4 * (ADDRESS_LIMIT + 2))
    token = token_of(streams)
    with ExitStack() as opened:
        for _ in range(ADDRESS_LIMIT):
            opened.enter_context(streams.opened(SNAPSHOT, token, "", "192.0.2.1", NOW))
        assert refused(streams, token) == 429
        for _ in range(2):
            opened.enter_context(streams.opened(SNAPSHOT, token, "", "192.0.2.2", NOW))
        assert refused(streams, token, prefix="192.0.2.3") == 429
        assert streams.address_of(SNAPSHOT, None, NOW) == (0, "")  # answers name none
    assert streams.has_room


async def test_many_are_woken_a_few_at_a_time():
    streams = ChangeStreams(10_000)
    token, count = token_of(streams), 3 * SLICE
    with ExitStack() as opened:
        all_of_them = [
            opened.enter_context(streams.opened(SNAPSHOT, token, "", f"192.0.2.{n % 200}", NOW)) for n in range(count)
        ]
        streams.tell(CHANGED)
        assert sum(stream._woken.is_set() for stream in all_of_them) == SLICE
        assert await asyncio.gather(*map(heard, all_of_them)) == [config_tag(CHANGED)] * count


async def test_a_request_waits_for_what_its_client_has_heard_of():
    streams = ChangeStreams(100)
    waiting = asyncio.create_task(streams.newer(SNAPSHOT, config_tag(CHANGED), WAIT_SECONDS, "192.0.2.1"))
    await asyncio.sleep(0)
    streams.tell(CHANGED)
    assert await waiting is CHANGED
    assert await streams.newer(SNAPSHOT, ConfigTag(999, "x"), 0.0, "192.0.2.1") is None
    assert not streams._waiters


async def test_strangers_who_invent_changes_keep_nobody_from_waiting():
    """One holder has a /48 of IPv6, another an IPv4 network."""
    streams = ChangeStreams(100)
    strangers = [f"2001:db8:1:{n:x}::/64" for n in range(40)] + [f"198.51.100.{n}" for n in range(200)]
    invented = [
        asyncio.create_task(streams.newer(SNAPSHOT, ConfigTag(999, "x"), WAIT_SECONDS, prefix))
        for prefix in strangers * 20
    ]
    await asyncio.sleep(0)
    waiting = asyncio.create_task(streams.newer(SNAPSHOT, config_tag(CHANGED), WAIT_SECONDS, "192.0.2.1"))
    await asyncio.sleep(0)
    assert 0 < sum(not each.done() for each in invented) < WAITERS_LIMIT // 2
    streams.tell(CHANGED)
    assert await waiting is CHANGED
    for each in invented:
        each.cancel()
    await asyncio.gather(*invented, return_exceptions=True)
    assert not streams._waiters


async def test_all_end_when_the_worker_leaves():
    streams = ChangeStreams(100)
    token = token_of(streams)
    with streams.opened(SNAPSHOT, token, "", "192.0.2.1", NOW) as stream:
        streams.close()
        assert await heard(stream) is None
        assert stream.is_over
    with streams.opened(SNAPSHOT, token, "", "192.0.2.1", NOW) as late:
        assert late.is_over  # and so its client comes again, to the next worker
    assert refused(streams, "") == 401
    assert streams.open == 0
