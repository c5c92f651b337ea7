"""Requests over a pipe find their replies by number."""

import asyncio

import pytest

from edge.node.service.numbered_replies import NumberedReplies


async def test_each_request_gets_the_reply_with_its_number():
    replies, sent = NumberedReplies[str](), []
    waiting = asyncio.gather(*(replies.request(sent.append, 5.0) for _ in range(3)))
    await asyncio.sleep(0)
    for number in reversed(sent):
        replies.settle(number, f"reply {number}")
        replies.settle(number, "a second one")
    assert await waiting == ["reply 1", "reply 2", "reply 3"]


async def test_a_request_without_a_reply_times_out_and_is_forgotten():
    replies, sent = NumberedReplies[str](), []
    with pytest.raises(TimeoutError):
        await replies.request(sent.append, 0.0)
    replies.settle(sent[0], "too late")


async def test_the_end_of_the_other_side_settles_everything():
    replies = NumberedReplies[str | None]()
    waiting = asyncio.gather(*(replies.request(lambda number: None, 5.0) for _ in range(2)))
    await asyncio.sleep(0)
    replies.settle_all(None)
    assert await waiting == [None, None]
