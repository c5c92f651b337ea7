"""What the control API takes and answers about channels."""

from edge.control.shapes.common import AnswerBody
from edge.control.shapes.impact import ImpactView
from edge.control.shapes.rollouts import RolloutSummary
from edge.control.shapes.targeting import ExperimentView
from edge.domain.changes.commands import ChannelSettings
from edge.domain.model import Policy


class _ChannelRequest(ChannelSettings, frozen=True, kw_only=True):
    replace: bool = False


class ChannelPatch(_ChannelRequest, frozen=True, kw_only=True):
    """Settings that are absent stay as they are. `replace` lets a new public channel take platforms from the old;
    `force`, `downgrade`, `again` and `if_current` are those of a publish."""

    force: bool = False
    downgrade: bool = False
    again: bool = False
    if_current: str | None = None


class ChannelRequest(_ChannelRequest, frozen=True, kw_only=True):
    """As a change of a channel that offers nothing yet."""

    name: str


class TakenBackView(AnswerBody, frozen=True, kw_only=True):
    """A bundle that a channel went back from `at`, in seconds since the epoch, by the token `by`."""

    bundle: str
    at: float
    by: str


class ChannelView(AnswerBody, frozen=True, kw_only=True):
    """`bundle` is a version, `builtin`, or null: the channel offers nothing. It changed last at `bundle_changed`, in
    seconds since the epoch, and `rolled_back` says whether that was a way back.

    `bundle_changed_by` is the token that changed it, empty where that was not kept yet. `earlier` is what the channel
    offered to everybody before, the latest last; `last_good` what it falls back to, as it does where the bundle is
    `withdrawn`: that is the reason, empty where it is not. `served` is what everybody gets: the bundle, or then its
    stand-in. `taken_back` is what the channel went back from, the latest last: another offer of it needs `again`.
    """

    name: str
    bundle: str | None
    public: bool
    self_set: bool
    ios: bool
    android: bool
    electron: bool
    emulator: bool
    device: bool
    dev: bool
    prod: bool
    policy: Policy
    block_under_native: bool
    rollout: RolloutSummary | None
    windows: tuple[str, ...]
    rollback_passes: bool
    spread_seconds: int
    withdrawn: str
    bundle_changed: float
    bundle_changed_by: str
    rolled_back: bool
    earlier: list[str]
    last_good: str | None
    served: str | None
    taken_back: list[TakenBackView]
    experiment: ExperimentView | None


class ReplacedView(AnswerBody, frozen=True, kw_only=True):
    """What devices got from a channel before this change: `bundle`, since `changed`, in seconds since the epoch (0:
    always), by the token `by` (empty: not known); or as the stand-in of `withdrawn`, which was set then (null: it was
    not withdrawn). `rollout` and `experiment`, by name, are what the change ended."""

    bundle: str | None
    changed: float
    by: str
    withdrawn: str | None
    rollout: RolloutSummary | None
    experiment: str | None


class ChannelChanged(ChannelView, frozen=True, kw_only=True):
    """`replaced` is null where the channel offers what it did, is new, or this was carried out before."""

    app: str
    revision: int
    changed: bool
    replaced: ReplacedView | None


class ChannelRolledBack(ChannelChanged, frozen=True, kw_only=True):
    """`impact` is what it does to channels and to known devices, counted afterwards; null where nothing changed."""

    impact: ImpactView | None


class ChannelDeleted(AnswerBody, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool
    name: str
