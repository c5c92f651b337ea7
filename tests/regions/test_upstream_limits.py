"""The limits between nodes in the operating page are those of the code."""

from documents import read

from edge.control.routes.feed.documents import KNOWN_LIMIT, KNOWN_LIMIT_BYTES
from edge.regions.feed.documents import FOLLOWED_DOCUMENTS
from edge.regions.upstream import ANSWER_LIMIT_BYTES, ANSWER_SECONDS, CONNECT_SECONDS, SILENCE_SECONDS

LIMITS = read("config/README.md")


def test_the_limits_between_nodes_are_those_of_the_code():
    for row in (
        f"| documents that a follower names as known | {KNOWN_LIMIT}, in {KNOWN_LIMIT_BYTES >> 10} KiB | there are "
        f"{len(FOLLOWED_DOCUMENTS)};",
        f"| an answer of the node above | {ANSWER_LIMIT_BYTES >> 20} MiB unless it is documents or a blob, within "
        f"{ANSWER_SECONDS:.0f} s; a connection in {CONNECT_SECONDS:.0f} s, {SILENCE_SECONDS:.0f} s of silence in a",
    ):
        assert row in LIMITS
