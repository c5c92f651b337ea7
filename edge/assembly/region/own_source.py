"""How a node stands to what it follows, in the words of its report."""

from edge.regions.fleet.node_report import WORDS_LIMIT, SourceReport
from edge.regions.following.follower import FollowStanding


def source_report(standing: FollowStanding, now: float) -> SourceReport:
    """`now` in seconds since the epoch, by the clock that dated the standing."""
    lost, issued = standing.unreachable_since, standing.verified_issued.values()
    return SourceReport(
        name=standing.source[:WORDS_LIMIT],
        verified_seconds=max(0.0, now - min(issued)) if issued else None,
        looked_seconds=max(0.0, now - standing.last_look) if standing.last_look else None,
        unreachable_seconds=None if lost is None else max(0.0, now - lost),
        why=(standing.trouble or standing.refusal)[:WORDS_LIMIT],
        waiting_blobs=standing.waiting_blobs,
        mirrored_bytes=standing.mirrored_bytes,
    )
