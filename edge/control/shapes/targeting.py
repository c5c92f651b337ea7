"""The bodies and answers about targeting: segments, id sets, experiments, windows. Otherwise as `shapes`.

Shares are percentages as text, `12.5%`: no digit is lost. Moments are in seconds since the epoch.
"""

import msgspec

from edge.control.shapes.common import AnswerBody, RequestBody


class SegmentView(AnswerBody, frozen=True, kw_only=True):
    """`channel` null: it leads nowhere, rollouts and experiments may name it. The lowest `priority` is asked first.

    `yield_to_self_set`: whether it leaves a device on its own `defaultChannel`; null: where that may be chosen and is
    not public.
    """

    name: str
    where: str
    channel: str | None
    priority: int
    yield_to_self_set: bool | None


class SegmentChanged(SegmentView, frozen=True, kw_only=True):
    """`warnings`: conditions of `where` that match nobody, a sentence each."""

    warnings: list[str]
    app: str
    revision: int
    changed: bool


class SegmentDeleted(AnswerBody, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool
    name: str


class SegmentTestRequest(RequestBody, frozen=True, kw_only=True):
    """`device` is what a device posts to `/updates`; `country` is what a trusted proxy would say of it.

    `where` is tried instead of what the segment says; there need not be such a segment then.
    """

    device: msgspec.Raw
    where: str | None = None
    country: str = ""


class SegmentTested(AnswerBody, frozen=True, kw_only=True):
    """`unknown` is what the expression asks for and nobody knows of this device: such a comparison is never true."""

    name: str
    where: str
    matches: bool
    unknown: list[str]


class IdSetView(AnswerBody, frozen=True, kw_only=True):
    """`ids` is how many different ones it holds; `blob` is the digest of their hashes."""

    name: str
    ids: int
    blob: str


class IdSetChanged(IdSetView, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool


class IdSetDeleted(AnswerBody, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool
    name: str


class ArmView(AnswerBody, frozen=True, kw_only=True):
    name: str
    bundle: str
    share: str


class ExperimentView(AnswerBody, frozen=True, kw_only=True):
    """The arms' shares make 100 percent. `segment` null: every device of the channel takes part."""

    name: str
    arms: list[ArmView]
    segment: str | None
    started: float


class ChannelExperiment(ExperimentView, frozen=True, kw_only=True):
    channel: str


class ArmRequest(RequestBody, frozen=True, kw_only=True):
    name: str
    bundle: str
    share: str


class ExperimentRequest(RequestBody, frozen=True, kw_only=True):
    """`downgrade` allows an arm below what the channel offers, `again` one with a bundle that it went back from."""

    name: str
    arms: list[ArmRequest]
    segment: str | None = None
    downgrade: bool = False
    again: bool = False


class ExperimentStarted(ChannelExperiment, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool


class ExperimentStopRequest(RequestBody, frozen=True, kw_only=True):
    """`keep` is the arm whose bundle the channel offers to everybody from now on."""

    keep: str


class ExperimentStopped(AnswerBody, frozen=True, kw_only=True):
    """`bundle` is what the channel offers now."""

    app: str
    revision: int
    changed: bool
    channel: str
    bundle: str | None


class WindowsView(AnswerBody, frozen=True, kw_only=True):
    """`open`: whether something new is offered at `now`, by the server's clock. `opens_at` is null where it is open,
    `closes_at` where it is not; both also where that does not happen within a year. No windows: always open.
    """

    channel: str
    windows: list[str]
    rollback_passes: bool
    now: float
    open: bool
    opens_at: float | None
    closes_at: float | None
