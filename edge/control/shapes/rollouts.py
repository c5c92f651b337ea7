"""The bodies and answers about rollouts and ways back. Shares are percentages as text, `12.5%`: no digit is lost.

Requests refuse unknown fields: a misspelt setting must not be taken for an absent one.
"""

import msgspec

from edge.control.shapes.common import AnswerBody, RequestBody, Whole
from edge.control.shapes.impact import ImpactView
from edge.domain.model import Phase


class RolloutRequest(RequestBody, frozen=True, kw_only=True):
    """`steps` are rising shares, `every_seconds` how long each lasts; 0: until it is advanced. `segments` limit the
    rollout to devices in one of them, those in `first` are in at once. `hold_out` is the share of `hold_out_group`,
    which gets nothing. `downgrade` allows a version below the one that the channel offers, `again` one that it went
    back from."""

    bundle: str
    steps: list[str]
    every_seconds: Whole = 0
    segments: list[str] = msgspec.field(default_factory=list)
    first: list[str] = msgspec.field(default_factory=list)
    hold_out: str = "0%"
    hold_out_group: str = "control"
    downgrade: bool = False
    again: bool = False


class RollbackRequest(RequestBody, frozen=True, kw_only=True):
    """`to` is a version or `builtin`; null: end what is on its way, or else go back to the last good bundle."""

    to: str | None = None


class WithdrawRequest(RequestBody, frozen=True, kw_only=True):
    reason: str


class UndoRequest(RequestBody, frozen=True, kw_only=True):
    """`revision` must be the app's latest; null: whichever that is now. `force`: also if that was a stop."""

    revision: Whole | None = None
    force: bool = False


class RolloutSummary(AnswerBody, frozen=True, kw_only=True):
    """The channel's latest rollout; its own address tells more."""

    bundle: str
    phase: Phase


class RolloutView(RolloutSummary, frozen=True, kw_only=True):
    """`step` is the one in force, from 1; `share` what is in now, or what a resume goes on with. Times are in seconds
    since the epoch: `began` is when the step did, `paused` since when the rollout
    is paused (null: it is not, or that was not kept yet), `next_step_at` is null where no step follows by itself."""

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


class RolloutChanged(RolloutView, frozen=True, kw_only=True):
    app: str
    channel: str
    revision: int
    changed: bool


class WaitingView(AnswerBody, frozen=True, kw_only=True):
    """Known devices that install the bundle at their next start although nobody is offered it any more: `downloaded`
    have reported its download, and neither that they run it nor that it failed; `offered` were offered it besides, and
    have not said what became of it. Devices that report nothing are not counted. `since` is the oldest report that was
    read, in seconds since the epoch; `cut`: there are more than were read."""

    downloaded: int
    offered: int
    since: float | None
    cut: bool


class RolloutPaused(RolloutChanged, frozen=True, kw_only=True):
    """`waiting` is null where too many others look at the known devices now."""

    waiting: WaitingView | None


class RolloutRolledBack(RolloutChanged, frozen=True, kw_only=True):
    """`impact` is what it does to channels and to known devices, counted afterwards; null where nothing changed."""

    impact: ImpactView | None


class StepView(AnswerBody, frozen=True, kw_only=True):
    """`buckets` is how many of 100,000 devices that the rollout is for are in; with a hold-out, to be expected.

    Of the known devices on the channel `offered` get the bundle, `has_it` run it, and `held_back` counts the others by
    the code of why. `joining` are devices that are offered it from this step on, the latest to report first.
    """

    share: str
    after_seconds: int | None
    buckets: float
    offered: int
    has_it: int
    held_back: dict[str, int]
    joining: list[str]


class ReachView(AnswerBody, frozen=True, kw_only=True):
    """Who of the known `devices` can take what the channel offers: those that are `offered` it, those that run it
    (`has_it`), and under `kept` the others on the channel by the code of why not; `elsewhere` are on other channels, or
    on none. Known are devices whose reports this node still holds: `since` is the oldest that counted, in seconds since
    the epoch; `cut`: there are more than were read."""

    channel: str
    bundle: str | None
    devices: int
    offered: int
    has_it: int
    kept: dict[str, int]
    elsewhere: int
    since: float | None
    cut: bool


class KnownView(AnswerBody, frozen=True, kw_only=True):
    """Devices whose reports this node still holds: anybody can send one. `since` is the oldest that counted, in seconds
    since the epoch; `cut`: there are more than were read. `elsewhere` are on other channels, or on none."""

    devices: int
    elsewhere: int
    since: float | None
    cut: bool


class PreviewAnswer(AnswerBody, frozen=True, kw_only=True):
    """Nothing was changed. A start with `id` as its Idempotency-Key draws the same devices."""

    app: str
    channel: str
    bundle: str
    id: str
    hold_out: str
    hold_out_group: str
    steps: list[StepView]
    known: KnownView
