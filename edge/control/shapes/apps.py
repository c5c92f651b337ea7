"""Request bodies and answers about apps: their state, history and event counts."""

from typing import Annotated

import msgspec

from edge.control.shapes.channels import ChannelView
from edge.control.shapes.common import AnswerBody, ChangeAnswer, RequestBody, Whole
from edge.control.shapes.impact import ChannelImpactView
from edge.domain.app_parts.protection import ChangeKind
from edge.domain.changes.apps import KEEP_LIMIT_SECONDS


class AppRequest(RequestBody, frozen=True, kw_only=True):
    """`expose_metadata`: devices get a bundle's link and comment too. `organisation` owns it; by default the caller's
    own, for who may create apps in one alone."""

    app: str
    expose_metadata: bool = False
    organisation: str | None = None


class AppSummary(AnswerBody, frozen=True, kw_only=True):
    """How many bundles, channels and overrides the app has at this revision. `damaged` says why the revision cannot be
    read, null if it can; the counts are null if it cannot. `stopped` are rollouts that are paused, `proposals` changes
    that wait for approval; `approval_warnings` as of AppView."""

    app: str
    revision: int
    bundles: int | None
    channels: int | None
    overrides: int | None
    damaged: str | None
    stopped: int | None = None
    proposals: int | None = None
    approval_warnings: tuple[str, ...] = ()


class EventKeyRequest(RequestBody, frozen=True, kw_only=True):
    """How many seconds more the former key is taken; 0 ends it at once."""

    keep_seconds: Annotated[int, msgspec.Meta(ge=0, le=KEEP_LIMIT_SECONDS)] = 30 * 86_400


class EventKeyView(AnswerBody, frozen=True, kw_only=True):
    """A key that the app's own code states with its events. `until` is when it ends; null for the latest one."""

    key: str
    made: float
    until: float | None


class EventKeysChanged(ChangeAnswer, frozen=True, kw_only=True):
    """Show the app for its event keys."""


class AppView(AnswerBody, frozen=True, kw_only=True):
    """The app at this revision; `bundles` and `overrides` are how many it has. Without `event_keys`, events of its own
    code are taken without one; else the latest is the last. `approval_people` have to stand behind changes of its
    `approval_kinds`: of features, or messages. `approval_warnings` are of rules that too few people could fulfil."""

    app: str
    revision: int
    expose_metadata: bool
    bundles: int
    overrides: int
    channels: list[ChannelView]
    event_keys: list[EventKeyView]
    proposals: int = 0
    freezes: int = 0
    approval_people: int = 1
    approval_kinds: tuple[ChangeKind, ...] = ()
    approval_warnings: tuple[str, ...] = ()


class AppChanged(AppView, frozen=True, kw_only=True):
    changed: bool


class AppDeleted(ChangeAnswer, frozen=True, kw_only=True):
    """The app is gone; its history stays."""


class UndoDone(ChangeAnswer, frozen=True, kw_only=True):
    """`undone` is the revision whose change was undone; null if this command had landed before, or if the revision
    appeared during the request."""

    undone: "HistoryEntry | None"


class AlteredView(AnswerBody, frozen=True, kw_only=True):
    """`what` of `subject` (`bundle`, `channel`, `segment`, `feature`, `message`, `freeze` or `app`) `name` went
    from `before` to `after`, in words; null where there is no such thing. Long values are cut."""

    subject: str
    name: str
    what: str
    before: str | None
    after: str | None


class PutBackRequest(RequestBody, frozen=True, kw_only=True):
    """`revision` is the one whose change is put back, in a new one."""

    revision: Whole


class PutBackDone(ChangeAnswer, frozen=True, kw_only=True):
    """`put_back` is the revision whose change is put back."""

    put_back: "HistoryEntry"


class HistoryEntry(AnswerBody, frozen=True, kw_only=True):
    """One revision: the kind and id of the change that made it, when (seconds since the epoch) and by which token.

    `digest` is the SHA-256 of the revision document, `summary` the command in one line. `channels` are those that it
    changed, with what they offered before and after. `reason` is why, in its author's words. `changes` say from what to
    what, except for overrides, which `summary` names: the device's id only to who may look up devices. A change that
    was proposed was `approved_by` these, as `proposal`; an `emergency` is a rollback that passed without.
    """

    revision: int
    digest: str
    id: str
    at: float
    by: str
    kind: str
    summary: str
    reason: str
    channels: list[ChannelImpactView]
    changes: list[AlteredView]
    approved_by: tuple[str, ...] = ()
    proposal: str = ""
    emergency: bool = False


class BundleCount(AnswerBody, frozen=True, kw_only=True):
    """`n` events of this action about this bundle."""

    bundle: str
    action: str
    n: int


class AppStats(AnswerBody, frozen=True, kw_only=True):
    """`duplicates` are events that arrived again within the hour; the counts leave them out."""

    counts: list[BundleCount]
    duplicates: int
