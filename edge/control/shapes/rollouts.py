"""Request bodies and answers about rollouts, rollbacks, undo, and the known devices that they concern."""

import msgspec

from edge.control.shapes.common import AnswerBody, RequestBody, Whole
from edge.control.shapes.impact import ImpactView
from edge.domain.guard_policy import GuardAction, GuardMetric
from edge.domain.model import Phase


class RolloutRequest(RequestBody, frozen=True, kw_only=True):
    """`steps` are rising shares, `every_seconds` is how long each lasts (0: until it is advanced). `segments` limit the
    rollout to devices in one of them; devices in `first` are included from the start. `hold_out` is the share of
    `hold_out_group`, which gets nothing. `downgrade` allows a version below the one that the channel offers, `again`
    allows one that the channel was rolled back from."""

    bundle: str
    steps: list[str]
    every_seconds: Whole = 0
    segments: list[str] = msgspec.field(default_factory=list)
    first: list[str] = msgspec.field(default_factory=list)
    hold_out: str = "0%"
    hold_out_group: str = "control"
    downgrade: bool = False
    again: bool = False


class RolloutPlan(RequestBody, frozen=True, kw_only=True):
    """How the rollout goes that a publish starts: as in `RolloutRequest`."""

    steps: list[str]
    every_seconds: Whole = 0
    segments: list[str] = msgspec.field(default_factory=list)
    first: list[str] = msgspec.field(default_factory=list)
    hold_out: str = "0%"
    hold_out_group: str = "control"


class RollbackRequest(RequestBody, frozen=True, kw_only=True):
    """`to` is a version or `builtin`; null: end the rollout or experiment, or else return to the last good bundle."""

    to: str | None = None


class WithdrawRequest(RequestBody, frozen=True, kw_only=True):
    """`reason` is for people."""

    reason: str


class UndoRequest(RequestBody, frozen=True, kw_only=True):
    """`revision` must be the app's latest; null: whichever is the latest now. `force` allows undoing a stop."""

    revision: Whole | None = None
    force: bool = False


class RolloutSummary(AnswerBody, frozen=True, kw_only=True):
    """The channel's latest rollout in short."""

    bundle: str
    phase: Phase


class RolloutGuard(AnswerBody, frozen=True, kw_only=True):
    """What may fail of a rollout, counted by which metrics, tested in which segments beside all devices, and what
    follows."""

    max_failure: str
    metrics: list[GuardMetric]
    segments: list[str]
    action: GuardAction


class RolloutView(RolloutSummary, frozen=True, kw_only=True):
    """`step` is the current one, from 1; `share` is what the rollout includes now, or goes on with after a resume.
    Times are in seconds since the epoch: `began` is when the step began, `paused` since when the rollout is paused
    (null: it is not, or that is not known), `next_step_at` is null if no step follows by itself. `gated`: the next step
    begins when its time is up, at `gate_opens`, and the guard knows enough. `guard` has the rules by which the rollout
    is watched; null: it is not."""

    step: int
    share: str
    next_step_at: float | None
    steps: list[str]
    every_seconds: int
    segments: list[str]
    first: list[str]
    hold_out: str
    hold_out_group: str
    started: float
    began: float
    paused: float | None
    gated: bool
    gate_opens: float | None
    resumed: int
    guard: RolloutGuard | None


class RolloutChanged(RolloutView, frozen=True, kw_only=True):
    app: str
    channel: str
    revision: int
    changed: bool


class WaitingView(AnswerBody, frozen=True, kw_only=True):
    """Known devices that may install the bundle at their next start although no device is offered it now: `downloaded`
    have reported its download, and neither that they run it nor that it failed; `offered` were offered it as well, but
    have not reported what became of it. Devices that report nothing are not counted. `since` is the oldest report read,
    in seconds since the epoch; `cut`: there are more than were read."""

    downloaded: int
    offered: int
    since: float | None
    cut: bool


class RolloutPaused(RolloutChanged, frozen=True, kw_only=True):
    """`waiting` is null if too many requests are counting known devices now."""

    waiting: WaitingView | None


class RolloutRolledBack(RolloutChanged, frozen=True, kw_only=True):
    """`impact` on channels and known devices is counted afterwards; null if nothing changed."""

    impact: ImpactView | None


class FailureCostView(AnswerBody, frozen=True, kw_only=True):
    """What a release that fails on a tenth of its starts would cost at this step, by a model of a usual fleet: devices
    offered it when the guard has paused it, those of them that fail, and minutes until then; `…_at_most` is what one
    such release in twenty exceeds. `acts`, `surely_acts`: the guard acts within a day, usually or in nineteen of
    twenty; where it does not, the cost is the whole share."""

    offered: int
    offered_at_most: int
    failed: int
    failed_at_most: int
    minutes: float
    minutes_at_most: float
    acts: bool
    surely_acts: bool


class StepView(AnswerBody, frozen=True, kw_only=True):
    """`buckets` is how many of 100,000 eligible devices the step includes; with a hold-out, the expected number.

    Of the known devices on the channel, `offered` get the bundle, `has_it` run it, and `held_back` counts the others by
    reason code. `joining` are devices that are offered it from this step on, latest report first. `cost` is null
    without known devices, and where no guard watches.
    """

    share: str
    after_seconds: int | None
    buckets: float
    offered: int
    has_it: int
    held_back: dict[str, int]
    joining: list[str]
    cost: FailureCostView | None = None


class KnownView(AnswerBody, frozen=True, kw_only=True):
    """Devices whose reports this node still holds; anyone can send one. `since` is the oldest counted, in seconds
    since the epoch; `cut`: there are more than were read. `elsewhere` are on other channels or none."""

    devices: int
    elsewhere: int
    since: float | None
    cut: bool


class PreviewAnswer(AnswerBody, frozen=True, kw_only=True):
    """A start with `id` as its Idempotency-Key draws the same devices."""

    app: str
    channel: str
    bundle: str
    id: str
    hold_out: str
    hold_out_group: str
    steps: list[StepView]
    known: KnownView
