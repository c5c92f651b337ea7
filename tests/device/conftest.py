"""One world per test."""

import pytest
from device_world import World


@pytest.fixture
async def world():
    world = World()
    await world.start()
    yield world
    await world.stop()
