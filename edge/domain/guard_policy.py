"""What a channel's guard watches for, and what it does when a release fails. Values only; `changes` checks them."""

import enum
from dataclasses import dataclass

from edge.domain.shares import parse_share

MAX_FAILURE_DEFAULT = parse_share("2%")


class Guarded(enum.Enum):
    """Which releases of a channel are guarded."""

    ROLLOUTS = "rollouts"  # each rollout, and no plain publish
    EVERYTHING = "everything"
    NOTHING = "nothing"


class GuardAction(enum.Enum):
    """What the guard does, once for each watch."""

    PAUSE = "pause"
    ROLLBACK = "rollback"
    NOTIFY = "notify"


class GuardMetric(enum.Enum):
    """What counts as a failure of a device."""

    UPDATE_FAIL = "update_fail"  # the bundle did not start: update_fail, set_fail
    INSTALL_FAIL = "install_fail"  # it could not be downloaded, verified or unpacked
    CRASH = "crash"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPolicy:
    """The rules of one channel's guard. `max_failure` is a share in thousandths of a percent."""

    guarded: Guarded = Guarded.ROLLOUTS
    max_failure: int = MAX_FAILURE_DEFAULT
    metrics: tuple[GuardMetric, ...] = (GuardMetric.UPDATE_FAIL,)
    versus_control: bool = False  # crash and error: against the devices outside the rollout
    factor: float = 1.0  # how many times as often as there is allowed
    segments: tuple[str, ...] = ()  # each is tested by itself, beside the whole
    action: GuardAction = GuardAction.PAUSE
    silence: GuardAction = GuardAction.NOTIFY  # for devices that fall silent; never ROLLBACK
    auto_advance: bool = False  # a step ends when enough is known, not by time alone
    trusted_prefixes: tuple[str, ...] = ()  # networks in CIDR form whose devices are all counted


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardTold:
    """What the guard has said of one watch, so that it says it once, whoever holds the node: names of findings, and
    `waits N` for a step."""

    watch: str
    said: tuple[str, ...] = ()


GUARD_DEFAULT = GuardPolicy()
