"""Request bodies and answers about channels."""

from edge.control.shapes.common import AnswerBody, ChangeAnswer
from edge.control.shapes.impact import ImpactView
from edge.control.shapes.rollouts import RolloutSummary
from edge.control.shapes.targeting import ExperimentView
from edge.domain.app_parts.protection import ChangeKind
from edge.domain.changes.commands import ChannelSettings
from edge.domain.model import Policy
from edge.domain.plugin import Prefer


class _ChannelRequest(ChannelSettings, frozen=True, kw_only=True):
    replace: bool = False


class ChannelPatch(_ChannelRequest, frozen=True, kw_only=True):
    """Absent settings stay. `replace` lets a new public channel take platforms from the old one; `force`, `downgrade`,
    `again` and `if_current` mean what they mean in a publish."""

    force: bool = False
    downgrade: bool = False
    again: bool = False
    if_current: str | None = None


class ChannelRequest(_ChannelRequest, frozen=True, kw_only=True):
    """As a change of a channel, which offers nothing yet."""

    name: str


class TakenBackView(AnswerBody, frozen=True, kw_only=True):
    """A bundle that a channel was rolled back from; `at` is in seconds since the epoch, `by` is the token."""

    bundle: str
    at: float
    by: str


class ChannelView(AnswerBody, frozen=True, kw_only=True):
    """`bundle` is a version, `builtin`, or null: the channel offers nothing. It last changed at `bundle_changed`, in
    seconds since the epoch; `rolled_back`: that change returned to an earlier bundle.

    `bundle_changed_by` is the token that changed it, empty for changes by versions that did not keep it. `earlier` is
    what the channel offered to all devices before, latest last; `last_good` is what it falls back to. `withdrawn` is
    the reason why its bundle is withdrawn, empty if it is not. `served` is what all devices get: the bundle, or its
    stand-in while it is withdrawn. `taken_back` is what the channel was rolled back from, latest last: offering it
    again needs `again`. `prefer` null: what the node prefers. `test`: developers may change it, unless it is public.
    `approval_people` stand behind a change of one of `approval_kinds`.
    """

    name: str
    bundle: str | None
    approval_people: int = 1
    approval_kinds: tuple[ChangeKind, ...] = ()
    public: bool
    self_set: bool
    test: bool
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
    prefer: Prefer | None
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
    from the start), by the token `by` (empty: unknown); or as the stand-in of the withdrawn bundle `withdrawn` (null:
    none). `rollout` and `experiment`, by name, are what the change ended."""

    bundle: str | None
    changed: float
    by: str
    withdrawn: str | None
    rollout: RolloutSummary | None
    experiment: str | None


class ChannelChanged(ChannelView, frozen=True, kw_only=True):
    """`replaced` is null if the channel offers what it did before, is new, or the change had landed before."""

    app: str
    revision: int
    changed: bool
    replaced: ReplacedView | None


class ChannelRolledBack(ChannelChanged, frozen=True, kw_only=True):
    """`impact` on channels and known devices is counted afterwards; null if nothing changed."""

    impact: ImpactView | None


class ChannelDeleted(ChangeAnswer, frozen=True, kw_only=True):
    name: str
