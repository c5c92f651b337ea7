"""Passwords as hashes, and how often one may be tried."""

import asyncio
import os
import sys
import threading

import pytest
from argon2 import PasswordHasher

from edge.control.login.passwords.hashing import AT_ONCE, NICENESS, WAITING_LIMIT, Passwords
from edge.control.login.passwords.password_tries import (
    ACCOUNT_LIMIT,
    NETWORK_LIMIT,
    PAIR_LIMIT,
    WINDOW_SECONDS,
    PasswordTries,
)
from edge.domain.errors import Unavailable

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
DEARER = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)


@pytest.fixture
def passwords():
    made = Passwords(CHEAP)
    yield made
    made.close()


async def test_a_password_is_known_by_its_hash(passwords):
    kept = await passwords.hash("the heron waits")
    assert kept.startswith("$argon2id$") and "heron" not in kept
    assert (await passwords.compare("the heron waits", kept)).right
    assert (await passwords.compare("the heron flies", kept)) == (False, "")


def test_the_ordinary_hash_costs_what_was_measured():
    hasher = PasswordHasher()
    assert (hasher.memory_cost, hasher.time_cost, hasher.type.name) == (65_536, 3, "ID")


async def test_an_account_without_a_password_is_hashed_for_too(passwords):
    class Counted(PasswordHasher):
        compared = 0

        def verify(self, hash, password):
            Counted.compared += 1
            return super().verify(hash, password)

    counted = Passwords(Counted(time_cost=1, memory_cost=64, parallelism=1))
    kept = await counted.hash("the heron waits")
    assert not (await counted.compare("the heron flies", kept)).right
    assert not (await counted.compare("nobody has this password", None)).right
    counted.close()
    assert Counted.compared == 2


async def test_a_weaker_hash_is_renewed_when_its_password_is_right(passwords):
    stronger = Passwords(DEARER)
    kept = await passwords.hash("the heron waits")
    compared = await stronger.compare("the heron waits", kept)
    assert compared.right and compared.renewed != kept
    assert (await stronger.compare("the heron waits", compared.renewed)) == (True, "")
    assert (await stronger.compare("the heron flies", kept)).renewed == ""
    stronger.close()


async def test_a_hash_that_is_none_is_wrong(passwords):
    assert not (await passwords.compare("the heron waits", "not a hash")).right


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own elsewhere")
async def test_hashing_yields_to_what_serves_devices():
    class Niceness(PasswordHasher):
        def hash(self, password):
            return str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    passwords, before = Passwords(Niceness()), os.getpriority(os.PRIO_PROCESS, 0)
    try:
        assert int(await passwords.hash("the heron waits")) == max(NICENESS, before)
    finally:
        passwords.close()
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


async def test_too_many_at_once_are_refused_and_none_is_lost(passwords):
    asked = [passwords.hash(f"the heron waits {each}") for each in range(AT_ONCE + WAITING_LIMIT + 50)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in found if isinstance(each, Unavailable)]
    assert len(refused) <= 50 and {each.code for each in refused} <= {"busy"}
    assert (await passwords.hash("the heron waits")).startswith("$argon2id$")


class TestTries:
    def test_one_account_from_one_network(self):
        tries = PasswordTries()
        assert [tries.begin("a@x.org", "192.0.2.1", 0.0) for _ in range(PAIR_LIMIT)] == [0.0] * PAIR_LIMIT
        assert tries.begin("a@x.org", "192.0.2.1", 100.0) == WINDOW_SECONDS - 100.0
        assert tries.begin("a@x.org", "192.0.2.2", 100.0) == tries.begin("b@x.org", "192.0.2.1", 100.0) == 0.0
        assert tries.begin("a@x.org", "192.0.2.1", WINDOW_SECONDS) == 0.0

    def test_one_account_from_everywhere(self):
        tries = PasswordTries()
        waits = [tries.begin("a@x.org", f"192.0.2.{each}", 0.0) for each in range(ACCOUNT_LIMIT + 1)]
        assert waits == [0.0] * ACCOUNT_LIMIT + [WINDOW_SECONDS]

    def test_every_account_from_one_network(self):
        tries = PasswordTries()
        waits = [tries.begin(f"{each}@x.org", f"2001:db8::{each:x}", 0.0) for each in range(NETWORK_LIMIT + 1)]
        assert waits == [0.0] * NETWORK_LIMIT + [WINDOW_SECONDS], "an IPv6 /64 is one network"

    def test_a_right_password_forgives_its_network_alone(self):
        tries = PasswordTries()
        for _ in range(ACCOUNT_LIMIT // PAIR_LIMIT):
            for _ in range(PAIR_LIMIT):
                assert tries.begin("a@x.org", "192.0.2.1", 0.0) == 0.0
            tries.forgive("a@x.org", "192.0.2.1")
        assert tries.begin("a@x.org", "192.0.2.1", 0.0) == WINDOW_SECONDS, "the account's own limit stands"
