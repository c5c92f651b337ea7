"""Every asynchronous test runs on both event loops, and no example of a property has to be quick."""

import asyncio

import uvloop
from hypothesis import settings

settings.register_profile("edge", deadline=None)  # a busy machine is not a fault of the code
settings.load_profile("edge")


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
