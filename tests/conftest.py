"""Every asynchronous test runs on both event loops. No example of a property has to be quick, and the gate draws the
same ones each time: `python -m tests.drills.properties` looks for new ones.

What is marked `long` is not in the gate: `python -m tests.drills.long_tests` runs it, and so does CI.
"""

import asyncio
import signal
from pathlib import Path

import pytest
import uvloop
from hypothesis import settings

pytest_plugins = ["buckets"]  # fixtures of servers that several folders' tests use

# A shell's background job ignores SIGINT, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("gate", deadline=None, derandomize=True)  # a busy machine is not a fault of the code
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("gate")

# Tests of what only ever runs on the supervisor's loop, uvloop, beside workers that have loops of their own: whole
# nodes and the control API. Each starts a node or a store, so asyncio's half of them is `long`.
OF_ONE_LOOP = {
    *("assembly", "control", "control/routes", "node/processes", "node/succession"),
    "node/proving/test_scrubbing.py",
}


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marks
def pytest_collection_modifyitems(items):
    for item in items:
        path = item.path.relative_to(Path(__file__).parent)
        if OF_ONE_LOOP & {str(path), str(path.parent)} and loop_of(item) == "asyncio":
            item.add_marker("long")


def loop_of(item):
    """The name of the loop of an asynchronous test; of others None."""
    called = getattr(item, "callspec", None)
    return called and next((each for each in called.id.split("-") if each in ("asyncio", "uvloop")), None)
