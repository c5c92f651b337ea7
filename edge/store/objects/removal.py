"""One lock between those who refer to objects and the one who removes them, among threads and processes.

Who refers holds it together with others, for as long as it takes to look and to write the reference; who removes holds
it alone, for a few milliseconds at a time.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.domain.errors import Conflict
from edge.store.disk.durable_files import FILE_MODE

WAIT_SECONDS = 30.0  # a commit takes milliseconds; one that takes longer is stuck
PAUSE_SECONDS = 0.02

Pause = Callable[[float], None]


@contextmanager
def shared(lock: Path, pause: Pause = time.sleep) -> Iterator[None]:
    """Nothing is removed during the block. Raises Conflict `busy`."""
    with _held(lock, fcntl.LOCK_SH, WAIT_SECONDS, pause):
        yield


@contextmanager
def alone(lock: Path, wait_seconds: float = WAIT_SECONDS, pause: Pause = time.sleep) -> Iterator[None]:
    """Nobody refers to anything during the block. Raises Conflict `busy`."""
    with _held(lock, fcntl.LOCK_EX, wait_seconds, pause):
        yield


@contextmanager
def _held(lock: Path, mode: int, wait_seconds: float, pause: Pause) -> Iterator[None]:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        waited = 0.0
        while not _take(descriptor, mode):
            if waited >= wait_seconds:
                raise Conflict("busy", f"another process holds {lock}; try again")
            pause(PAUSE_SECONDS)
            waited += PAUSE_SECONDS
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # explicitly: a forked child may hold a copy of the descriptor
        os.close(descriptor)


def _take(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
