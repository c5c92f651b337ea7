"""A request for an app that is not loaded waits for it, for a stated time, and so do only so many."""

import asyncio

from factories import APP
from node_world import PROMPT_SECONDS

from edge.node.service.snapshots.first_asks import FirstAsks

OTHER = "com.example.other"


async def test_all_requests_for_an_app_go_on_when_it_is_settled():
    asks = FirstAsks(PROMPT_SECONDS)
    waiting = [asyncio.create_task(asks.wait(APP)) for _ in range(3)]
    await asks.arrive(PROMPT_SECONDS)
    assert (asks.first(), asks.waiting) == (APP, 3)
    asks.settle(APP)
    await asyncio.gather(*waiting)
    assert (asks.first(), asks.waiting, APP in asks) == (None, 0, False)


async def test_the_longest_asked_for_comes_first_and_stays_asked_for_when_its_request_gives_up():
    asks = FirstAsks(0.0)
    await asks.wait(APP)
    await asks.wait(OTHER)
    await asks.wait(APP)
    assert asks.first() == APP and asks.waiting == 0
    asks.settle(APP)
    assert asks.first() == OTHER
    await asks.arrive(PROMPT_SECONDS)
    asks.settle(OTHER)
    await asks.arrive(0.0)
    asks.settle(OTHER)


async def test_no_more_than_the_limit_wait_and_the_others_are_loaded_too():
    asks = FirstAsks(PROMPT_SECONDS, limit=1)
    waiting = asyncio.create_task(asks.wait(APP))
    await asks.arrive(PROMPT_SECONDS)
    await asks.wait(APP)  # returns
    await asks.wait(OTHER)
    assert OTHER in asks
    asks.settle(APP)
    await waiting


async def test_a_request_that_leaves_takes_no_place():
    asks = FirstAsks(PROMPT_SECONDS)
    waiting = asyncio.create_task(asks.wait(APP))
    await asks.arrive(PROMPT_SECONDS)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert asks.waiting == 0 and APP in asks
    asks.settle(APP)


async def test_an_app_that_a_request_waits_for_comes_before_those_that_requests_gave_up():
    asks = FirstAsks(PROMPT_SECONDS)
    left = asyncio.create_task(asks.wait(APP))
    await asks.arrive(PROMPT_SECONDS)
    left.cancel()
    await asyncio.wait([left])
    waiting = asyncio.create_task(asks.wait(OTHER))
    while not asks.waiting:
        await asyncio.sleep(0)
    assert asks.first() == OTHER
    asks.settle(OTHER)
    await waiting
    assert asks.first() == APP
    asks.settle(APP)
