"""A second node on a data directory is refused before it touches anything, whatever its ports."""

import os

import pytest

from edge.assembly.roles.region_node import RegionNode, see_source
from edge.assembly.standalone import Standalone
from edge.config import Config, Control, Devices, UpstreamOptions
from edge.facts.recovery import FactsInUse, lock_facts


def a_config(folder, **more):
    devices = Devices(host="127.0.0.1", port=0, workers=1)
    return Config(data_dir=str(folder), devices=devices, control=Control(port=0), **more)


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("role", ["standalone", "region"])
async def test_nothing_is_touched_while_another_node_runs_on_it(tmp_path, role):
    upstream = UpstreamOptions(source="http://127.0.0.1:9", token_file=str(tmp_path / "token"))
    config = a_config(tmp_path / "data", **({"role": role, "upstream": upstream} if role == "region" else {}))
    facts = tmp_path / "data" / "node" / "telemetry" / "facts"
    facts.mkdir(parents=True)
    held = lock_facts(facts)
    before = contents(tmp_path)
    try:
        with pytest.raises(FactsInUse, match="another node runs on this data"):
            if role == "region":
                await see_source(config)
            else:
                Standalone(config)
        with pytest.raises(FactsInUse, match="another node runs on this data"):
            (RegionNode if role == "region" else Standalone)(config)
        assert contents(tmp_path) == before
    finally:
        os.close(held)
