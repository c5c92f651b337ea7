"""Every asynchronous test runs on both event loops. No example of a property has to be quick, and the gate draws the
same ones each time: `python -m tests.drills.properties` looks for new ones.
"""

import asyncio
import signal

import uvloop
from hypothesis import settings

# A shell's background job ignores SIGINT, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("gate", deadline=None, derandomize=True)  # a busy machine is not a fault of the code
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("gate")


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
