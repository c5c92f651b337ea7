"""The worlds that benchmarks build are ones that a node accepts, in the order in which benchmarks change them."""

import os

import pytest

from benchmarks.contenders.servers import node
from benchmarks.scale import Loaded, Swapper
from benchmarks.worlds.many_apps import CHANNELS, VERSIONS, app_id, open_scaled
from benchmarks.worlds.releases import APP, CHANNEL, Sizes, prepare_app


@pytest.mark.long
def test_an_app_offers_the_last_bundle_even_if_it_is_the_lower_one(tmp_path):
    made = prepare_app(tmp_path, [("1.0.2", Sizes()), ("1.0.1", Sizes())])
    assert list(made) == ["1.0.2", "1.0.1"]
    with node(tmp_path, os.sched_getaffinity(0)) as running:
        assert running.control.get(f"/v1/apps/{APP}/channels/{CHANNEL}")["bundle"] == "1.0.1"


@pytest.mark.long
def test_apps_can_be_swapped_forth_and_back(tmp_path):
    with node(open_scaled(tmp_path, 2), os.sched_getaffinity(0)) as running:
        swapper = Swapper(Loaded(2, running, 0.0, 0))
        for _ in range(5):
            assert swapper.swap() > 0
        address = f"/v1/apps/{app_id(0)}/channels/{CHANNELS[0]}"
        assert running.control.get(address)["bundle"] == VERSIONS[-2]
        swapper.restore()
        assert running.control.get(address)["bundle"] == VERSIONS[-1]
