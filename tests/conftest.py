"""Every asynchronous test runs on both event loops. No example of a property has to be quick, and the gate draws the
same ones each time: `python -m tests.drills.properties` looks for new ones.

What is marked `long` is not in the gate: `python -m tests.drills.long_tests` runs it, and so does CI.
"""

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
import uvloop
from aiohttp import web_app
from hypothesis import settings

from benchmarks.ports import free_port

pytest_plugins = ["buckets"]  # fixtures of servers that several folders' tests use

# A shell's background job ignores SIGINT, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The stores of tests sync thousands of files, which on a disk is most of the gate's time.
IN_MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 * 1024**3  # what tests need at once, several times over: a container's own 64 MB are not enough
if "TMPDIR" not in os.environ and IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free >= ROOM_BYTES:
    os.environ["TMPDIR"] = str(IN_MEMORY)  # for the programs that tests start too
    tempfile.tempdir = None

settings.register_profile("gate", deadline=None, derandomize=True)  # a busy machine is not a fault of the code
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("gate")

# Tests of what only ever runs on uvloop, beside workers that have loops of their own: whole nodes, the control API, the
# page. Each starts a node or a store, so asyncio's half of them is `long`.
OF_ONE_LOOP = (
    *("assembly", "control", "messages", "page", "push", "regions"),
    *("node/processes", "node/succession", "node/proving"),
)


@pytest.fixture
def port_of_nobody():
    return free_port()


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marks
def pytest_collection_modifyitems(items):
    for item in items:
        path = item.path.relative_to(Path(__file__).parent)
        if any(path.is_relative_to(each) for each in OF_ONE_LOOP) and loop_of(item) == "asyncio":
            item.add_marker("long")


def pytest_runtest_teardown():
    """aiohttp remembers the handlers of a thousand applications, and with them all that their tests made."""
    web_app._cached_build_middleware.cache_clear()


def loop_of(item):
    """The name of the loop of an asynchronous test; of others None."""
    called = getattr(item, "callspec", None)
    return called and next((each for each in called.id.split("-") if each in ("asyncio", "uvloop")), None)
