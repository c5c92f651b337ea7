"""What followers hear at once: merged while they do not listen, in order, and never more than is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.errors import Unavailable
from edge.regions.feed.events import (
    BLOBS_LIMIT,
    COMING_LIMIT,
    EVENT_LIMIT_BYTES,
    OWNER_LIMIT,
    SUBSCRIBERS_LIMIT,
    FeedEvents,
    encode_event,
    parse_event,
)
from edge.regions.source import BlobsComing, HeadsMoved

COMING = BlobsComing("com.acme.app", (("a" * 64, 5),))


def fields(event):
    kind, content = encode_event(event).split(b"\n")[:2]
    return kind.partition(b": ")[2].decode(), content.partition(b": ")[2]


@pytest.mark.parametrize("event", [COMING, HeadsMoved(("0", "a")), HeadsMoved()])
def test_an_event_is_parsed_as_it_was_encoded(event):
    assert parse_event(*fields(event)) == event


@given(st.text(max_size=10), st.binary(max_size=50))
def test_anything_else_is_no_event(kind, content):
    assert parse_event(kind, content) is None or kind in ("heads", "blobs")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"shards":1}', b"\xff", b"{" * 10_000])
def test_a_damaged_event_is_none(content):
    assert parse_event("heads", content) is None and parse_event("blobs", content) is None


def test_the_largest_event_is_within_the_limit():
    blobs = [(f"{number:064x}", 2**53) for number in range(BLOBS_LIMIT)]
    assert len(encode_event(BlobsComing("a" * 128, tuple(blobs)))) < EVENT_LIMIT_BYTES


async def test_blobs_come_before_the_heads_that_need_them():
    events = FeedEvents()
    with events.subscribed() as subscription:
        events.tell(HeadsMoved(("1",)))
        events.tell(COMING)
        events.tell(HeadsMoved(("2", "1")))
        assert await subscription.next(60) == [COMING, HeadsMoved(("1", "2"))]
        assert await subscription.next(0) == []


async def test_a_slow_follower_holds_a_bounded_number_of_hints():
    events = FeedEvents()
    with events.subscribed() as subscription:
        for number in range(10_000):
            events.tell(HeadsMoved((f"{number % 16:x}",)))
            events.tell_coming("com.acme.app", [(f"{number:064x}", 1)] * (BLOBS_LIMIT + 1))
        *coming, moved = await subscription.next(60)
        assert len(coming) == COMING_LIMIT and len(moved.shards) == 16
        assert coming[-1].blobs[0][0] == f"{9_999:064x}" and len(coming[-1].blobs) == BLOBS_LIMIT


async def test_nobody_hears_who_does_not_listen():
    events = FeedEvents()
    assert not events.is_heard
    with events.subscribed():
        assert events.is_heard
    assert not events.is_heard
    events.tell(COMING)


async def test_too_many_subscribers_are_refused():
    events = FeedEvents()
    held = [events.subscribed() for _ in range(SUBSCRIBERS_LIMIT)]
    for each in held:
        each.__enter__()
    with pytest.raises(Unavailable), events.subscribed():
        pass
    held.pop().__exit__(None, None, None)
    with events.subscribed():
        pass


async def test_the_oldest_subscription_of_a_token_with_too_many_ends():
    events = FeedEvents()
    held = [events.subscribed("eu") for _ in range(OWNER_LIMIT + 1)]
    first, *others = [each.__enter__() for each in held]
    with events.subscribed("us") as another:
        assert first.is_over
        assert not any(each.is_over for each in (*others, another))
    held[0].__exit__(None, None, None)


async def test_the_end_wakes_everybody():
    events = FeedEvents()
    with events.subscribed() as subscription:
        events.end()
        assert await subscription.next(60) == [] and subscription.is_over
