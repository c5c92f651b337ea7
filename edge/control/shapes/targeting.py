"""Request bodies and answers about targeting: segments, id sets, experiments, windows."""

import msgspec

from edge.control.shapes.common import AnswerBody, ChangeAnswer, RequestBody


class SegmentView(AnswerBody, frozen=True, kw_only=True):
    """`channel` null: it routes nowhere, but rollouts and experiments may name it. The lowest `priority` comes first.

    `yield_to_self_set`: whether a device stays on its own `defaultChannel`; null: only on one that it may choose and
    that is not public. `leave`: the expression by which a device leaves that was in, as far as `where` reads how it is
    used; null: it is in just as long as `where` is true.
    """

    name: str
    where: str
    leave: str | None
    channel: str | None
    priority: int
    yield_to_self_set: bool | None


class SegmentChanged(SegmentView, frozen=True, kw_only=True):
    """`warnings` are one sentence for each condition that matches no device, or that forged reports can turn."""

    warnings: list[str]
    app: str
    revision: int
    changed: bool


class SegmentDeleted(ChangeAnswer, frozen=True, kw_only=True):
    name: str


class SegmentTestRequest(RequestBody, frozen=True, kw_only=True):
    """`device` is what a device posts to `/updates`; `country` is what a trusted proxy would send along.

    `where` is tested instead of the segment's own expression; the segment need not exist then. `leave` likewise; a new
    `where` alone has none.
    """

    device: msgspec.Raw
    where: str | None = None
    leave: str | None = None
    country: str = ""


class SegmentTested(AnswerBody, frozen=True, kw_only=True):
    """`unknown` are the fields that the expression uses and that are unknown for this device: comparisons with them are
    never true. `judged`: what it reads of how the device is used, in words, such as `on 27 Nov 2026: 11 sessions`; ""
    if it reads nothing of that. `leaves`: whether a device that was in, and is like this one, leaves; null without a
    `leave`. What `where` matches stays in."""

    name: str
    where: str
    leave: str | None
    matches: bool
    leaves: bool | None
    unknown: list[str]
    judged: str


class IdSetView(AnswerBody, frozen=True, kw_only=True):
    """`ids` is how many distinct ids it holds; `blob` is the digest of their hashes."""

    name: str
    ids: int
    blob: str


class IdSetChanged(IdSetView, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool


class IdSetDeleted(ChangeAnswer, frozen=True, kw_only=True):
    name: str


class ArmView(AnswerBody, frozen=True, kw_only=True):
    """`windows` and `spread_seconds` take the place of the channel's, if there are any; with `segment`, only devices of
    the arm that match it get the bundle."""

    name: str
    bundle: str
    share: str
    windows: list[str]
    spread_seconds: int
    segment: str | None


class ExperimentView(AnswerBody, frozen=True, kw_only=True):
    """The arms' shares add up to 100%. `segment` null: every device of the channel takes part. `question` is what it
    asks, `measures` what it compares."""

    name: str
    arms: list[ArmView]
    segment: str | None
    started: float
    question: str
    measures: list[str]


class ChannelExperiment(ExperimentView, frozen=True, kw_only=True):
    channel: str


class ArmRequest(RequestBody, frozen=True, kw_only=True):
    """`share` is a percentage: `12.5%`. `windows` and `spread_seconds`, from the start of the experiment, are the arm's
    own; with `segment`, only devices that match it get the bundle."""

    name: str
    bundle: str
    share: str
    windows: tuple[str, ...] = ()
    spread_seconds: int = 0
    segment: str | None = None


class ExperimentRequest(RequestBody, frozen=True, kw_only=True):
    """`downgrade` allows an arm with a version below the one that the channel offers, `again` one that it was
    rolled back from. `question` is what it asks, in one line; `measures` are what it compares, such as `failed`,
    `installed:24h` or `event:checkout`; none: what is usual for its kind."""

    name: str
    arms: list[ArmRequest]
    segment: str | None = None
    question: str = ""
    measures: tuple[str, ...] = ()
    downgrade: bool = False
    again: bool = False


class ExperimentStarted(ChannelExperiment, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool


class ExperimentStopRequest(RequestBody, frozen=True, kw_only=True):
    """`keep` is the arm whose bundle the channel offers to all devices from now on."""

    keep: str


class ExperimentStopped(ChangeAnswer, frozen=True, kw_only=True):
    """`bundle` is what the channel offers now."""

    channel: str
    bundle: str | None


class WindowsView(AnswerBody, frozen=True, kw_only=True):
    """`open`: whether updates are offered at `now`, by the server's clock. `opens_at` is null while open, `closes_at`
    while closed; both also if that does not happen within a year. Without windows a channel is always open.
    """

    channel: str
    windows: list[str]
    rollback_passes: bool
    now: float
    open: bool
    opens_at: float | None
    closes_at: float | None
