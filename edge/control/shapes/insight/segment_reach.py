"""Bodies and answers about who is in segments."""

from edge.control.shapes.common import AnswerBody, RequestBody
from edge.control.shapes.impact import GROUPS_LISTED, RunningView
from edge.domain.decision.foresight.segment_counts import SegmentCounts, both_in


class SegmentUseView(AnswerBody, frozen=True, kw_only=True):
    """The known devices in one segment. `running` are the largest groups of them by what they run. `withheld` devices
    have at least one bundle withheld. `judged` devices' sessions of 7 days are known: `sessions` and `errors` are their
    sums. `both` is how many of them are in each other segment too, by name."""

    name: str
    devices: int
    running: list[RunningView]
    withheld: int
    judged: int
    sessions: int
    errors: int
    both: dict[str, int]


class SegmentsReach(AnswerBody, frozen=True, kw_only=True):
    """Of the known `devices`, `in_any` are in at least one segment; of `unjudged` ones it is not known how they are
    used. Known devices are those whose reports this node still holds: `since` is the oldest counted, in seconds since
    the epoch; `cut`: there are more than were read. Segments by name."""

    app: str
    devices: int
    in_any: int
    unjudged: int
    since: float | None
    cut: bool
    segments: list[SegmentUseView]


class SegmentCountRequest(RequestBody, frozen=True, kw_only=True):
    """`where` is counted instead of the segment's own expression; the segment need not exist then."""

    where: str | None = None


class SegmentCounted(AnswerBody, frozen=True, kw_only=True):
    """`matching` of the known `devices` match `where` now. `unknown` is of how many devices a field that the expression
    uses is unknown, by field: comparisons with it are never true. `warnings` as of a segment that is saved. `since` and
    `cut` as of known devices."""

    name: str
    where: str
    devices: int
    matching: int
    unknown: dict[str, int]
    warnings: list[str]
    since: float | None
    cut: bool


def view_segments(app: str, counts: SegmentCounts, *, since: float | None, cut: bool) -> SegmentsReach:
    """Of each segment at most GROUPS_LISTED groups by what they run."""
    both = both_in(counts)
    return SegmentsReach(
        app=app,
        devices=counts.devices,
        in_any=counts.in_any,
        unjudged=counts.unjudged,
        since=since,
        cut=cut,
        segments=[
            SegmentUseView(
                name=name,
                devices=use.devices,
                running=[RunningView(bundle=bundle, devices=n) for bundle, n in use.running.most_common(GROUPS_LISTED)],
                withheld=use.withheld,
                judged=use.judged,
                sessions=use.sessions,
                errors=use.errors,
                both={str(other): n for other, n in both[name].items()},
            )
            for name, use in counts.uses.items()
        ],
    )
