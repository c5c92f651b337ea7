"""A token speaks for one node and a node by one token, over restarts, and no further."""

import json

import pytest

from edge.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from edge.regions.fleet import registry as registry_module
from edge.regions.fleet.registry import NODES_LIMIT, NodeRegistry

HOME, EU, US = "h0me", "e0e0", "a5a5"


@pytest.fixture
def opened(tmp_path):
    def open_again(tokens=("eu-1", "us-1"), now=100.0):
        return NodeRegistry(
            tmp_path / "nodes.json", HOME, "home-region", is_token=tokens.__contains__, clock=lambda: now
        )

    return open_again


def test_a_token_speaks_for_the_first_node_that_used_it(opened):
    opened().admit("eu-1", EU)
    again = opened()
    again.admit("eu-1", EU)
    with pytest.raises(Forbidden) as refused:
        again.admit("eu-1", US)
    assert refused.value.code == "other_node" and "edge node forget eu-1" in refused.value.message


def test_a_node_is_spoken_for_by_its_own_token_alone(opened):
    registry = opened()
    registry.admit("eu-1", EU)
    with pytest.raises(Forbidden) as refused:
        registry.admit("us-1", EU)
    assert refused.value.code == "other_node" and "edge node forget eu-1" in refused.value.message
    assert [each.name for each in opened().nodes()] == ["eu-1"]


def test_a_node_gets_a_new_token_once_its_old_one_is_revoked(opened):
    first = opened()
    first.admit("eu-1", EU)
    first.place(EU, "eu")
    renewed = opened(tokens=("eu-2", "us-1"))
    renewed.admit("eu-2", EU)
    assert [(each.name, each.node, each.region) for each in opened().nodes()] == [("eu-2", EU, "eu")]


def test_no_token_speaks_for_the_home_node_itself(opened):
    with pytest.raises(Forbidden) as refused:
        opened().admit("eu-1", HOME)
    assert refused.value.code == "own_node"


@pytest.mark.parametrize("node", ["", "../up", "A B", "x" * 1000])
def test_what_is_no_node_id_is_refused(opened, node):
    with pytest.raises(Invalid) as refused:
        opened().admit("eu-1", node)
    assert refused.value.code == "invalid_node" and len(refused.value.message) < 200


def test_a_region_is_durable_and_the_home_nodes_own_is_known(opened):
    registry = opened()
    registry.admit("eu-1", EU)
    registry.place(EU, "eu")
    assert (opened().region_of(EU), opened().region_of(HOME), opened().region_of("nobody")) == ("eu", "home-region", "")


def test_a_forgotten_nodes_token_speaks_for_another(opened):
    registry = opened()
    registry.admit("eu-1", EU)
    assert registry.forget("eu-1").node == EU
    registry.admit("eu-1", US)
    assert [each.node for each in opened().nodes()] == [US]
    with pytest.raises(NotFound) as refused:
        registry.forget("nobody")
    assert refused.value.code == "unknown_node"


def test_a_node_is_found_by_name_and_by_id(opened):
    registry = opened()
    registry.admit("eu-1", EU)
    assert registry.named("eu-1") == registry.named(EU)


def test_two_processes_of_one_node_lose_nothing_of_each_other(opened):
    predecessor, successor = opened(), opened()
    predecessor.admit("eu-1", EU)
    successor.admit("us-1", US)
    assert {each.node for each in opened().nodes()} == {EU, US}


def test_there_is_a_limit_and_it_says_what_to_do(opened, tmp_path):
    nodes = [{"node": f"n{n}", "name": f"t{n}"} for n in range(NODES_LIMIT)]
    (tmp_path / "nodes.json").write_text(json.dumps({"format": 1, "nodes": nodes}))
    with pytest.raises(Conflict) as refused:
        opened(tokens=[f"t{n}" for n in range(NODES_LIMIT)]).admit("eu-1", EU)
    assert refused.value.code == "too_many_nodes" and "edge node forget" in refused.value.message


def test_a_damaged_file_is_set_aside_and_a_newer_one_is_kept(opened, tmp_path):
    path = tmp_path / "nodes.json"
    path.write_bytes(b"{")
    opened().admit("eu-1", EU)
    assert (tmp_path / "nodes.json.damaged").read_bytes() == b"{"
    newer = json.dumps({"format": registry_module.REGISTRY_FORMAT + 1, "nodes": []})
    path.write_text(newer)
    with pytest.raises(Unavailable) as refused:
        opened().admit("eu-1", EU)
    assert refused.value.code == "nodes_unavailable" and path.read_text() == newer
