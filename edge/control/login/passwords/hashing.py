"""Passwords as argon2id hashes: made and compared in two threads of their own, since each takes 64 MiB and 0.15 s of
four cores. Anybody can have that done, so they yield to what serves devices.

Which passwords are taken is `password_rules`', how often one may be tried is `tries`'.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from edge.control.login.passwords.password_rules import PASSWORD_MOST, normal_form
from edge.domain.errors import Unavailable

AT_ONCE = 2  # 128 MiB
WAITING_LIMIT = 40  # three seconds of both threads; who comes later is told to come back
NICENESS = 5  # a quarter of a core that a worker wants whole: what waits then still ends within a page's 20 s


P = ParamSpec("P")
R = TypeVar("R")


class ComparedPassword(NamedTuple):
    """`renewed` is the hash to keep from now on, where the kept one is weaker than what is made today; "" else."""

    right: bool
    renewed: str = ""


class Passwords:
    """Hashes and compares. An account that does not exist takes as long as one that does."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(AT_ONCE, "passwords", _yield_to_others)
        self._room = threading.BoundedSemaphore(AT_ONCE + WAITING_LIMIT)
        self._decoy = ""

    async def hash(self, password: str) -> str:
        """Raises Unavailable `busy`."""
        return await self._run(self._hash, normal_form(password))

    async def compare(self, password: str, kept: str | None) -> ComparedPassword:
        """Whether the password is the one of the hash `kept`; None for an account without one. Raises Unavailable
        `busy`."""
        return await self._run(self._compare, normal_form(password[: PASSWORD_MOST * 4])[:PASSWORD_MOST], kept)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, call: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
        if not self._room.acquire(blocking=False):
            raise Unavailable("busy", "too many people are signing in at once; try again in a few seconds")
        submitted = self._threads.submit(call, *given, **named)
        submitted.add_done_callback(lambda _: self._room.release())  # also of one that nobody waits for any more
        return await asyncio.wrap_future(submitted)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def _compare(self, password: str, kept: str | None) -> ComparedPassword:
        if not self._decoy:  # before either case, so that the first answer tells nothing either
            self._decoy = self._hasher.hash("nobody has this password")
        try:
            self._hasher.verify(kept or self._decoy, password)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return ComparedPassword(right=False)
        if kept is None:
            return ComparedPassword(right=False)
        renewed = self._hasher.hash(password) if self._hasher.check_needs_rehash(kept) else ""
        return ComparedPassword(right=True, renewed=renewed)


def _yield_to_others() -> None:
    """Of this thread alone, and of those that argon2 starts from it: Linux has a niceness for each."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
