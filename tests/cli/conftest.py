"""What tests of the command line share: a running node, on which each makes an app of its own."""

from pathlib import Path

import pytest
from running_node import serving_node

# Their tests change or read what a node has but once: each of these modules has a node of its own.
OF_WHOLE_NODES = {"audit", "keys", "node", "people", "store", "test_cli_walk.py"}


@pytest.fixture(scope="session")
def shared_node(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(scope="module")
def node(request, tmp_path_factory):
    if request.path.relative_to(Path(__file__).parent).parts[0] not in OF_WHOLE_NODES:
        yield request.getfixturevalue("shared_node")
        return
    with serving_node(tmp_path_factory.mktemp("node")) as running:
        yield running
