"""What the control API takes and answers about single devices: overrides, facts, explained checks."""

from typing import Any

from edge.control.shapes.common import AnswerBody, RequestBody


class OverrideRequest(RequestBody, frozen=True, kw_only=True):
    channel: str


class OverrideView(AnswerBody, frozen=True, kw_only=True):
    device: str
    channel: str


class FailingView(AnswerBody, frozen=True, kw_only=True):
    """A bundle whose last attempts failed on a device, at least so many in a row; `cause` is what it reported."""

    version: str | None
    cause: str
    attempts: int


class WithheldView(FailingView, frozen=True, kw_only=True):
    """One that is withheld from it, or was: `until` is in seconds since the epoch, or null where it is for good. After
    that it is offered once more.
    """

    until: float | None


class DeviceView(AnswerBody, frozen=True, kw_only=True):
    """`override` is the operator's, `channel` what the device chose; a name that the app no longer has is null. With
    `forgot` at least one more bundle was withheld from it that is not remembered.
    """

    app: str
    device: str
    override: str | None
    channel: str | None
    withheld: list[WithheldView]
    failing: list[FailingView]
    forgot: bool
    offered: list[str | None]


class WithheldLifted(AnswerBody, frozen=True, kw_only=True):
    app: str
    device: str
    version: str


class DeviceErased(AnswerBody, frozen=True, kw_only=True):
    app: str
    device: str


class OverrideChanged(OverrideView, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool


class OverrideCleared(AnswerBody, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool
    device: str


class ExplainStep(AnswerBody, frozen=True, kw_only=True):
    rule: str
    saw: dict[str, Any]
    outcome: str


class Explanation(AnswerBody, frozen=True, kw_only=True):
    """Every rule in order, the decision, the answer that the device would get, and what an operator can do next.

    `asked` is the question. What it did not say comes from the device's report of `reported`, in seconds since the
    epoch; null: nothing does.
    """

    asked: dict[str, Any]
    reported: float | None
    steps: list[ExplainStep]
    decision: dict[str, Any]
    next: str
    answer: dict[str, Any]
