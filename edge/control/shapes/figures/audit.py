"""The answer of the audit."""

from msgspec import field

from edge.control.shapes.common import AnswerBody


class KindAuditView(AnswerBody, frozen=True, kw_only=True):
    """Of one kind of records, in its units: events of plugins and of the node, checks, deliveries, events of the app's
    own code (`used`), outcomes. `acknowledged` = `counted` + `duplicates` + all of `dropped` (by limit, or
    "malformed"), and `counted` = `in_figures`, what the figures add up to, unless there are differences. `waiting` are
    acknowledged and not folded yet, beside these. `before` of the acknowledged were counted by a release without an
    audit; the raw form of `erased` ones is erased."""

    kind: str
    acknowledged: int
    counted: int
    duplicates: int
    dropped: dict[str, int]
    waiting: int
    erased: int
    before: int
    in_figures: int


class DifferenceView(AnswerBody, frozen=True, kw_only=True):
    """Where it does not add up: in a segment of the spool, or, for "figures", in the sums."""

    segment: str
    kind: str
    acknowledged: int
    accounted: int
    why: str


class NodeAuditView(AnswerBody, frozen=True, kw_only=True):
    """Of the segments of one node, in units of all kinds: what it acknowledged, and what is accounted for here. The
    `name` is empty for this node, and for one that was forgotten; `node` "" has what was counted before there were
    several."""

    node: str
    acknowledged: int
    accounted: int
    name: str = ""
    region: str = ""


class AuditView(AnswerBody, frozen=True, kw_only=True):
    """Of one node, and region by region of those that send it their reports (`nodes`), since its figures begin.
    `lost_places` are damaged places of files on disk, or their ends that a crash tore before anyone was told that they
    are stored. `differences` are the first 1,000.
    `devices_beyond_limit` counts devices that had no room for a row of their own, each once a batch in which they were
    heard of: what they sent is counted all the same. `groups_beyond_limit` counts kinds of devices that found no room
    with all their labels (segments, then side and arm), likewise: figures by these miss them, guards and experiments do
    not."""

    exact: bool
    kinds: list[KindAuditView]
    segments: int
    deleted_segments: int
    lost_places: int
    lost_bytes: int
    differences: list[DifferenceView]
    devices_beyond_limit: int
    groups_beyond_limit: int
    nodes: list[NodeAuditView] = field(default_factory=list)
