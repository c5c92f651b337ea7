"""Large bodies are charged to their address before they arrive, held up to a limit, and read a few at a time."""

import asyncio
import threading
from collections import Counter
from contextlib import ExitStack

import pytest

from edge.node.service.limits.event_limits import BURST_SECONDS, WIDE_SHARE
from edge.node.service.limits.large_bodies import (
    HELD_LIMIT_BYTES,
    LARGE_BYTES,
    ON_LOOP_BYTES,
    PREFIX_RATE_KIB,
    READERS,
    WAITING_LIMIT,
    WHATEVER_SIZE,
    WIDE_HELD_LIMIT_BYTES,
    BodyRefused,
    LargeBodies,
)

MIB = 1 << 20


@pytest.fixture
def bodies():
    made = LargeBodies(Counter())
    yield made
    made.close()


def send(bodies: LargeBodies, size_bytes: int, prefix: str = "192.0.2.1", now: float = 0.0) -> None:
    with bodies.lease(prefix, now) as lease:
        lease.take(size_bytes)


def test_an_address_may_send_its_rate_and_no_more_until_it_has_waited(bodies):
    for _ in range(PREFIX_RATE_KIB * BURST_SECONDS // 1024):
        send(bodies, MIB)
    with pytest.raises(BodyRefused):
        send(bodies, MIB)
    send(bodies, MIB, prefix="192.0.2.2")
    with pytest.raises(BodyRefused):
        send(bodies, MIB, now=1024 / PREFIX_RATE_KIB - 0.1)
    send(bodies, MIB, now=1024 / PREFIX_RATE_KIB)


def test_a_holder_of_many_addresses_may_send_as_much_as_four_of_them(bodies):
    for site in range(WIDE_SHARE):
        for _ in range(PREFIX_RATE_KIB * BURST_SECONDS // 1024):
            send(bodies, MIB, prefix=f"2001:db8:1:{site}::/64")
    with pytest.raises(BodyRefused):
        send(bodies, MIB, prefix="2001:db8:1:ffff::/64")
    send(bodies, MIB, prefix="2001:db8:2:0::/64")


def test_small_bodies_are_not_charged(bodies):
    with bodies.lease("192.0.2.1", 0.0) as lease:
        lease.take(LARGE_BYTES)
        assert bodies.held_bytes == 0
        lease.take(LARGE_BYTES + 1)
        lease.take(LARGE_BYTES + 1)
        assert bodies.held_bytes == LARGE_BYTES + 1
    assert bodies.held_bytes == 0


def test_what_a_worker_holds_has_a_limit_whoever_sends_it(bodies):
    with ExitStack() as held:
        for place in range(HELD_LIMIT_BYTES // WIDE_HELD_LIMIT_BYTES):
            lease = held.enter_context(bodies.lease(f"192.0.{place}.1", 0.0))
            lease.take(WIDE_HELD_LIMIT_BYTES - (MIB if place == 0 else 0))
        with pytest.raises(BodyRefused):
            send(bodies, 2 * MIB, prefix="198.51.100.1")
        send(bodies, MIB, prefix="198.51.100.1")
    send(bodies, 2 * MIB, prefix="198.51.100.1")


def test_a_holder_of_many_addresses_keeps_nobody_else_out(bodies):
    with bodies.lease("192.0.2.1", 0.0) as slow:
        slow.take(WIDE_HELD_LIMIT_BYTES)
        with pytest.raises(BodyRefused):
            send(bodies, MIB, prefix="192.0.2.2")
        send(bodies, MIB, prefix="198.51.100.1")
    send(bodies, MIB, prefix="192.0.2.2")


def test_a_refused_body_gives_nothing_back(bodies):
    with pytest.raises(BodyRefused), bodies.lease("192.0.2.1", 0.0) as lease:
        lease.take(HELD_LIMIT_BYTES + 1)
    assert bodies.held_bytes == 0


async def test_what_is_small_is_read_on_the_loop_and_the_rest_on_few_threads(bodies):
    readers = {(await bodies.run(WHATEVER_SIZE, threading.current_thread)).name for _ in range(10)}
    assert len(readers) <= READERS
    assert threading.current_thread().name not in readers
    assert await bodies.run(ON_LOOP_BYTES, threading.current_thread) is threading.current_thread()


async def test_no_more_than_a_few_wait(bodies):
    release = threading.Event()
    waiting = [asyncio.create_task(bodies.run(WHATEVER_SIZE, release.wait)) for _ in range(WAITING_LIMIT)]
    await asyncio.sleep(0)
    with pytest.raises(BodyRefused):
        await bodies.run(WHATEVER_SIZE, release.wait)
    release.set()
    assert all([await each for each in waiting])
    await bodies.run(WHATEVER_SIZE, release.wait)
