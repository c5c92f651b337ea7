"""Request bodies and answers about apps: their state, history and event counts."""

from edge.control.shapes.channels import ChannelView
from edge.control.shapes.common import AnswerBody, ChangeAnswer, RequestBody
from edge.control.shapes.impact import ChannelImpactView


class AppRequest(RequestBody, frozen=True, kw_only=True):
    """`expose_metadata`: devices get a bundle's link and comment too."""

    app: str
    expose_metadata: bool = False


class AppSummary(AnswerBody, frozen=True, kw_only=True):
    """How many bundles, channels and overrides the app has at this revision. `damaged` says why the revision cannot be
    read, null if it can; the counts are null if it cannot."""

    app: str
    revision: int
    bundles: int | None
    channels: int | None
    overrides: int | None
    damaged: str | None


class AppView(AnswerBody, frozen=True, kw_only=True):
    """The app at this revision; `bundles` and `overrides` are how many it has."""

    app: str
    revision: int
    expose_metadata: bool
    bundles: int
    overrides: int
    channels: list[ChannelView]


class AppChanged(AppView, frozen=True, kw_only=True):
    changed: bool


class AppDeleted(ChangeAnswer, frozen=True, kw_only=True):
    """The app is gone; its history stays."""


class UndoDone(ChangeAnswer, frozen=True, kw_only=True):
    """`undone` is the revision whose change was undone; null if this command had landed before, or if the revision
    appeared during the request."""

    undone: "HistoryEntry | None"


class HistoryEntry(AnswerBody, frozen=True, kw_only=True):
    """One revision: the kind and id of the change that made it, when (seconds since the epoch) and by which token.

    `digest` is the SHA-256 of the revision document, `summary` the command in one line. `channels` are those that it
    changed, with what they offered before and after.
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
    """`n` events of this action about this bundle."""

    bundle: str
    action: str
    n: int


class AppStats(AnswerBody, frozen=True, kw_only=True):
    """`duplicates` are events that arrived again within the hour; the counts leave them out."""

    counts: list[BundleCount]
    duplicates: int
