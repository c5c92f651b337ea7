"""What one node's token may have in progress, beside all others."""

import pytest

from edge.domain.errors import Unavailable
from edge.regions.feed.node_places import NODE_REQUESTS_LIMIT, NodePlaces


def test_one_token_has_so_many_requests_and_others_theirs():
    places = NodePlaces()
    held = [places.taken("eu") for _ in range(NODE_REQUESTS_LIMIT)]
    for each in held:
        each.__enter__()
    with pytest.raises(Unavailable) as refused, places.taken("eu"):
        pass
    assert refused.value.code == "busy"
    with places.taken("us"):
        pass
    held.pop().__exit__(None, None, None)
    with places.taken("eu"):
        pass


def test_a_request_that_fails_frees_its_place():
    places = NodePlaces()
    for _ in range(NODE_REQUESTS_LIMIT + 1):
        with pytest.raises(KeyError), places.taken("eu"):
            raise KeyError
