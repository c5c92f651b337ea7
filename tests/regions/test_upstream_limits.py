"""The limits between nodes in the operating page are those of the code."""

from documents import read

from edge.control.routes.feed.documents import KNOWN_LIMIT, KNOWN_LIMIT_BYTES
from edge.control.shapes.streamed import STALL_SECONDS
from edge.regions.feed.documents import FOLLOWED_DOCUMENTS
from edge.regions.feed.events import BLOBS_LIMIT, COMING_LIMIT, HEARTBEAT_SECONDS, SEND_SECONDS, SUBSCRIBERS_LIMIT
from edge.regions.feed.feed import PULL_SECONDS, PULLS_LIMIT
from edge.regions.feed.framing import FRAME_LIMIT_BYTES, WINDOW_LOG
from edge.regions.feed.revisions import STREAMS_LIMIT
from edge.regions.sources.introduction import CLOCK_LIMIT_SECONDS
from edge.regions.upstream import ANSWER_LIMIT_BYTES, ANSWER_SECONDS, CONNECT_SECONDS, SILENCE_SECONDS

LIMITS = read("config/README.md")


def test_the_limits_between_nodes_are_those_of_the_code():
    silence = f"{SEND_SECONDS:.0f} s is let go, and finds what it missed when it asks"
    for row in (
        f"| documents that a follower names as known | {KNOWN_LIMIT}, in {KNOWN_LIMIT_BYTES >> 10} KiB | there are "
        f"{len(FOLLOWED_DOCUMENTS)};",
        f"| an answer of the node above | {ANSWER_LIMIT_BYTES >> 20} MiB unless it is documents or a blob, within "
        f"{ANSWER_SECONDS:.0f} s; a connection in {CONNECT_SECONDS:.0f} s, {SILENCE_SECONDS:.0f} s of silence in a",
        "| followers that hear a node's events, or read revisions, at once | "
        f"{SUBSCRIBERS_LIMIT} and {STREAMS_LIMIT} |",
        f"| what a follower has not heard yet | {COMING_LIMIT} releases with {BLOBS_LIMIT:,} blobs each, and which "
        f"heads moved | hints: a follower that reads nothing for {silence}; a sign of life every "
        f"{HEARTBEAT_SECONDS:.0f} s |",
        f"| blobs that a node fetches for its followers at once | {PULLS_LIMIT}, for {PULL_SECONDS:.0f} s each |",
        f"| this machine's clock when it joins | {CLOCK_LIMIT_SECONDS:.0f} s off the node above |",
        f"| a stream of revisions | {FRAME_LIMIT_BYTES >> 20} MiB a revision, a window of {1 << WINDOW_LOG >> 20} MiB, "
        f"{STALL_SECONDS:.0f} s in which nothing is taken |",
    ):
        assert row in LIMITS
