"""The same question is answered once while nothing is counted, and at most once at a time otherwise."""

import asyncio
from collections import Counter

import pytest

from edge.assembly.counting.remembered_answers import (
    REMEMBERED_ANSWERS,
    REMEMBERED_BYTES,
    REMEMBERED_SECONDS,
    RememberedAnswers,
)
from edge.domain.errors import Unavailable


class Node:
    """Makes an answer of `words` when `open` is set."""

    def __init__(self):
        self.version, self.now, self.words = 1, 100.0, b"7"
        self.made, self.at_once, self.most = Counter(), Counter(), 0
        self.open = asyncio.Event()
        self.open.set()
        self.answers = RememberedAnswers(lambda: self.version, lambda: self.now)

    async def ask(self, question="stats"):
        async def make():
            self.made[question] += 1
            self.at_once[question] += 1
            self.most = max(self.most, self.at_once[question])
            words = self.words
            await self.open.wait()
            self.at_once[question] -= 1
            return words

        return await self.answers.answer(question, make)

    async def begin(self, n=1):
        """Questions that wait for their answers."""
        asking = [asyncio.ensure_future(self.ask()) for _ in range(n)]
        for _ in range(5):  # turns of the loop: enough for each to begin
            await asyncio.sleep(0)
        return asking


@pytest.fixture
async def node():
    return Node()


async def test_while_nothing_is_counted_an_answer_is_given_again(node):
    assert [await node.ask() for _ in range(3)] == [b"7"] * 3
    assert node.made["stats"] == 1


async def test_after_a_fold_it_is_made_again(node):
    await node.ask()
    node.version, node.words = 2, b"8"
    assert await node.ask() == b"8"


async def test_it_is_forgotten_after_some_seconds(node):
    await node.ask()
    node.now += REMEMBERED_SECONDS
    await node.ask()
    assert node.made["stats"] == 2


async def test_many_who_ask_while_events_come_take_one_reader_and_get_what_was_counted(node):
    node.open.clear()
    first = await node.begin(3)
    node.version, node.words = 2, b"8"
    second = await node.begin(3)
    node.version, node.words = 3, b"9"
    third = await node.begin(3)
    node.open.set()
    assert await asyncio.gather(*first) == [b"7"] * 3
    assert await asyncio.gather(*second, *third) == [b"9"] * 6  # the second ones get more than they asked for
    assert (node.made["stats"], node.most) == (2, 1)


async def test_an_answer_that_was_begun_before_a_fold_is_not_given_after_it(node):
    node.open.clear()
    early = await node.begin()
    node.version, node.words = 2, b"8"
    node.open.set()
    assert (await early[0], await node.ask()) == (b"7", b"8")


async def test_a_failure_is_not_remembered(node):
    async def fail():
        raise Unavailable("counts_unusable", "damaged")

    with pytest.raises(Unavailable):
        await node.answers.answer("stats", fail)
    assert await node.ask() == b"7"


async def test_who_leaves_takes_no_answer_from_the_others(node):
    node.open.clear()
    one, other = await node.begin(2)
    one.cancel()
    node.open.set()
    assert await other == b"7" and node.made["stats"] == 1


async def test_long_answers_and_those_asked_for_longest_ago_are_forgotten(node):
    node.words = bytes(REMEMBERED_BYTES + 1)
    await node.ask()
    await node.ask()
    assert node.made["stats"] == 2
    node.words = bytes(REMEMBERED_BYTES)
    for question in range(REMEMBERED_ANSWERS + 1):
        await node.ask(question)
    await node.ask(1)
    await node.ask(0)
    assert (node.made[1], node.made[0]) == (1, 2)
