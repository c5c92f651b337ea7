"""What the control API takes and answers about apps: their state, history and statistics."""

from edge.control.shapes.channels import ChannelView
from edge.control.shapes.common import AnswerBody, RequestBody
from edge.control.shapes.impact import ChannelImpactView


class AppRequest(RequestBody, frozen=True, kw_only=True):
    app: str
    expose_metadata: bool = False


class AppSummary(AnswerBody, frozen=True, kw_only=True):
    """Counts of what the app has at this revision."""

    app: str
    revision: int
    bundles: int
    channels: int
    overrides: int


class AppView(AnswerBody, frozen=True, kw_only=True):
    """`bundles` and `overrides` are counts."""

    app: str
    revision: int
    expose_metadata: bool
    bundles: int
    overrides: int
    channels: list[ChannelView]


class AppChanged(AppView, frozen=True, kw_only=True):
    changed: bool


class AppDeleted(AnswerBody, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool


class UndoDone(AnswerBody, frozen=True, kw_only=True):
    """`undone` is the revision whose change was taken back; null when this very command was carried out before,
    or the revision was made while it was being asked for."""

    app: str
    revision: int
    changed: bool
    undone: "HistoryEntry | None"


class HistoryEntry(AnswerBody, frozen=True, kw_only=True):
    """One revision: the change that made it, its id, when (seconds since the epoch) and by which token.

    `digest` is the revision document's; `summary` is the command in one line. `channels` are those that it changed,
    with what they offered before and after.
    """

    revision: int
    digest: str
    id: str
    at: float
    by: str
    kind: str
    summary: str
    channels: list[ChannelImpactView]


class BundleCount(AnswerBody, frozen=True, kw_only=True):
    bundle: str
    action: str
    n: int


class AppStats(AnswerBody, frozen=True, kw_only=True):
    """`duplicates` are reports that came again within the hour; they are not among the counts."""

    counts: list[BundleCount]
    duplicates: int
