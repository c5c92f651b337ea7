"""What people tell a channel's guard, and what the guard does by itself, as values."""

import enum

import msgspec
from msgspec import UNSET, UnsetType

from edge.domain.guard_policy import GuardAction, Guarded, GuardMetric

GUARD_NAME = "guard"  # who made its changes; no token has this name


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What to change of a `GuardPolicy`; `max_failure` is in thousandths of a percent."""

    guarded: Guarded | UnsetType = UNSET
    max_failure: int | UnsetType = UNSET
    metrics: tuple[GuardMetric, ...] | UnsetType = UNSET
    versus_control: bool | UnsetType = UNSET
    factor: float | UnsetType = UNSET
    segments: tuple[str, ...] | UnsetType = UNSET
    action: GuardAction | UnsetType = UNSET
    silence: GuardAction | UnsetType = UNSET
    auto_advance: bool | UnsetType = UNSET
    trusted_prefixes: tuple[str, ...] | UnsetType = UNSET


class SetGuard(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="set_guard"):
    """Settings that are not given stay as they are."""

    channel: str
    settings: GuardSettings


class GuardDeed(enum.Enum):
    """What the guard does."""

    PAUSE = "pause"  # offer the bundle to no more devices
    ROLL_BACK = "rollback"  # take it back, as a person would
    TELL = "tell"  # nothing but to say what it found
    ADVANCE = "advance"  # the rollout's next step
    WAIT = "wait"  # the next step is due, and too little is known


class Finding(enum.Enum):
    """What the guard acts upon."""

    FAILS = "fails"
    SILENT = "silent"
    PASSES = "passes"
    BLIND = "blind"  # a step begins by time, and nothing is counted
    UNSURE = "unsure"  # a step is due, and it is not known whether the release fails


class GuardFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What it rests on: `failed` of `attempts` counted devices of `offered`; rates are shares from 0 to 1, the limit in
    thousandths of a percent. `log_odds` against `alarm_log_odds`, of the test that decided."""

    offered: int
    attempts: int
    failed: int
    low: float
    high: float
    max_failure: int
    log_odds: float = 0.0
    alarm_log_odds: float = 0.0


class GuardActs(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="guard_acts"):
    """Refused unless `watch` is what the guard watches on the channel now and, to advance or wait, `step` is its step:
    what a person has decided since holds. So does what the channel's rules are now: `rules` is the digest of those that
    the finding was judged by, "" if it does not say. Each is done once for a watch; `WAIT` once for a step."""

    channel: str
    watch: str
    deed: GuardDeed
    finding: Finding
    bundle: str
    step: int | None = None  # the index of the rollout's step; None: a plain publish
    figures: GuardFigures | None = None
    rules: str = ""
