"""Request bodies and answers about single devices: overrides, facts, explained checks."""

from typing import Any

from edge.control.shapes.common import AnswerBody, ChangeAnswer, RequestBody


class OverrideRequest(RequestBody, frozen=True, kw_only=True):
    channel: str


class OverrideView(AnswerBody, frozen=True, kw_only=True):
    device: str
    channel: str


class FailingView(AnswerBody, frozen=True, kw_only=True):
    """A bundle whose last `attempts` failed on a device (at least so many in a row); `cause` is what it reported.
    `version` is null if the app no longer has the bundle."""

    version: str | None
    cause: str
    attempts: int


class WithheldView(FailingView, frozen=True, kw_only=True):
    """A bundle that is or was withheld from a device: up to `until`, in seconds since the epoch, or for good (null).
    After that it is offered once more. `node` is where it failed, by its name or id; "" if that is not known."""

    until: float | None
    node: str = ""


class BehaviourView(AnswerBody, frozen=True, kw_only=True):
    """How a device was used, as of the UTC day `judged` ("2026-11-27") on which segments judged it last; null is
    unknown, which is not 0. `features` are those that it has used of the ones that the app's segments read."""

    judged: str
    first_seen_days: int
    sessions_7d: int | None
    session_minutes_7d: int | None
    errors_7d: int | None
    update_delay_hours: int | None
    install_seconds: int | None
    features: list[str] | None


class DeviceView(AnswerBody, frozen=True, kw_only=True):
    """`override` is the operator's channel, `(cannot be read)` if that is lost, `channel` the device's own choice. A
    name that the app no longer has shows as null. `offered` are the versions offered last. `forgot`: at least one more
    bundle was withheld than is kept. `behaviour` null: it was not heard of, as far as segments know."""

    app: str
    device: str
    override: str | None
    channel: str | None
    withheld: list[WithheldView]
    failing: list[FailingView]
    forgot: bool
    offered: list[str | None]
    behaviour: BehaviourView | None


class ListedDevice(AnswerBody, frozen=True, kw_only=True):
    """A device as it was in its latest report, at `reported` (seconds since the epoch), and what the node has noted of
    it: its override (as for a single device), its own choice, the bundles withheld from it. A name that the app no
    longer has shows as null."""

    device: str
    custom_id: str
    reported: float
    platform: str
    runs: str
    native: str
    plugin: str
    override: str | None
    channel: str | None
    withheld: list[str | None]


class DeviceList(AnswerBody, frozen=True, kw_only=True):
    """Newest report first. `matching` devices match on all pages; `next_page` is the `after` of the next one, null on
    the last. `since` is the oldest report read; `cut`: older ones were not read."""

    devices: list[ListedDevice]
    matching: int
    next_page: str | None
    since: float | None
    cut: bool


class WithheldLifted(AnswerBody, frozen=True, kw_only=True):
    app: str
    device: str
    version: str


class WithheldLiftedFromAll(AnswerBody, frozen=True, kw_only=True):
    """`devices` from which the bundle was withheld; in a dry run they still wait."""

    app: str
    version: str
    devices: int
    dry_run: bool


class RawErasedView(AnswerBody, frozen=True, kw_only=True):
    """What is erased already of a device's events and figures: `rows` of databases, `lines` in `segments` of the spool.
    `open_segments` may have more lines and are still being written or counted: they follow."""

    rows: int
    lines: int
    segments: int
    open_segments: int


class DeviceErased(AnswerBody, frozen=True, kw_only=True):
    """`known`: whether anything was there to erase; null if that cannot be told. `erased` is null if the process that
    does it was not there to ask: it will. Lists and exports leave the device out at once; its lines are gone from files
    at `done_by`, in seconds since the epoch, at the latest. `remains` is what stays all the same."""

    app: str
    device: str
    known: bool | None
    erased: RawErasedView | None
    done_by: float
    remains: list[str]


class BroughtLiftedView(AnswerBody, frozen=True, kw_only=True):
    """What the node brought, as the answer of a change that takes it back, or would in a dry run: bundles `withheld`
    from devices, one each, and `choices` of channels."""

    node: str
    withheld: int
    choices: int
    dry_run: bool


class OverrideChanged(OverrideView, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool


class OverrideCleared(ChangeAnswer, frozen=True, kw_only=True):
    device: str


class ExplainStep(AnswerBody, frozen=True, kw_only=True):
    """One step of the decision: its name, the values that it looked at, and its outcome."""

    rule: str
    saw: dict[str, Any]
    outcome: str


class Explanation(AnswerBody, frozen=True, kw_only=True):
    """Every rule in order, the decision, the answer that the device would get, and what an operator can do next.

    `asked` is the check as decided. Fields that the request left out come from the device's report at `reported`, in
    seconds since the epoch; null: there was none, or it was not needed.
    """

    asked: dict[str, Any]
    reported: float | None
    steps: list[ExplainStep]
    decision: dict[str, Any]
    next: str
    answer: dict[str, Any]
