"""What tests of the command line share: a running node for each module."""

import pytest
from running_node import serving_node


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node")) as running:
        yield running
