"""Request bodies and answers about a channel's guard: its rules, what it knows, and what it did."""

from typing import Literal

from msgspec import UNSET, UnsetType, field

from edge.control.shapes.common import AnswerBody, RequestBody
from edge.control.shapes.figures.reports import MissingReports
from edge.domain.changes.guard.guard_commands import Finding, GuardDeed
from edge.domain.guard_policy import GuardAction, Guarded, GuardMetric
from edge.telemetry.votes.standing import GuardStanding


class GuardRequest(RequestBody, frozen=True, kw_only=True, omit_defaults=True):
    """Absent settings stay. `max_failure` is a share of the attempts; `segments` are tested beside all devices;
    `versus_control` compares crashes and errors with the devices outside the rollout, `factor` times as often as there
    is allowed. `silence` is what devices that fall silent lead to; devices of `trusted_prefixes` (networks) all count.
    """

    guarded: Guarded | UnsetType = UNSET
    max_failure: str | UnsetType = UNSET
    metrics: list[GuardMetric] | UnsetType = UNSET
    versus_control: bool | UnsetType = UNSET
    factor: float | UnsetType = UNSET
    segments: list[str] | UnsetType = UNSET
    action: GuardAction | UnsetType = UNSET
    silence: Literal["notify", "pause"] | UnsetType = UNSET
    auto_advance: bool | UnsetType = UNSET
    trusted_prefixes: list[str] | UnsetType = UNSET


class GuardRules(AnswerBody, frozen=True, kw_only=True):
    """`guarded` is which releases: rollouts, everything or nothing."""

    guarded: Guarded
    max_failure: str
    metrics: list[GuardMetric]
    versus_control: bool
    factor: float
    segments: list[str]
    action: GuardAction
    silence: GuardAction
    auto_advance: bool
    trusted_prefixes: list[str]


class WatchView(AnswerBody, frozen=True, kw_only=True):
    """What is under guard now: a rollout, or with `is_rollout` false a plain publish. Counted since `since`, in seconds
    since the epoch: its start, or its last resume, which begins another count. `acts`: it goes on; of a paused one the
    count goes on too, and the guard does nothing. `told` is what the guard has said of it."""

    id: str
    bundle: str
    is_rollout: bool
    since: float
    acts: bool
    resumed: int
    told: list[str]


class GuardView(GuardRules, frozen=True, kw_only=True):
    """`watched` is null where nothing is under guard now. `standing` is what is known of the latest release under
    guard; null with the reason `unknown` if that cannot be had: then the guard is blind. `missing_reports`: nodes whose
    reports are late. A pause may rest on the others'; no step begins by itself without them: `waits_for` says so of a
    step that would begin now, "" if it does not wait for them."""

    channel: str
    watched: WatchView | None
    standing: GuardStanding | None
    unknown: str
    missing_reports: list[MissingReports] = field(default_factory=list)
    waits_for: str = ""


class GuardChanged(GuardRules, frozen=True, kw_only=True):
    app: str
    channel: str
    revision: int
    changed: bool


class GuardFiguresView(AnswerBody, frozen=True, kw_only=True):
    """What a deed rests on. `low` and `high` are an interval of the rate, from 0 to 1; `log_odds` are natural
    logarithms, of the test that decided, and of where it alarms."""

    offered: int
    attempts: int
    failed: int
    low: float
    high: float
    max_failure: str
    log_odds: float
    alarm_log_odds: float


class GuardEntry(AnswerBody, frozen=True, kw_only=True):
    """One revision that the guard made (`watch`, `deed`, `finding`, `bundle`, `figures`), or that changed its rules
    (those null). `at` is in seconds since the epoch, `step` a rollout's, from 1."""

    revision: int
    at: float
    by: str
    reason: str
    summary: str
    watch: str | None
    deed: GuardDeed | None
    finding: Finding | None
    bundle: str | None
    step: int | None
    figures: GuardFiguresView | None


class GuardHistory(AnswerBody, frozen=True, kw_only=True):
    """Newest first. `next_before` goes on with older revisions; null: there are none."""

    app: str
    channel: str
    entries: list[GuardEntry]
    next_before: int | None
