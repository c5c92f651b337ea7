"""Which side of a rollout, and which arm of an experiment, a device is on: by its bucket, whatever it runs. Pure.

A side is named by the rollout's salt, an arm by the experiment's: both are different in every one, and stay. So what
devices of two sides did can be compared, whenever they checked.
"""

from typing import NamedTuple

from edge.domain.buckets import bucket_of
from edge.domain.decision.targets import CompiledChannel, ExperimentTargets, RolloutTarget
from edge.domain.facts import DeviceFacts
from edge.domain.model import UpdateCheck
from edge.domain.schedule.rollout import active_share_at

NEW, CONTROL, REST = "new", "control", "rest"


class DrawnPlace(NamedTuple):
    """`side` is `<salt>/new`, `<salt>/control` or `<salt>/rest`, `arm` is `<salt>/<name>`; "": it is on none."""

    side: str = ""
    arm: str = ""


def place_of(compiled: CompiledChannel, check: UpdateCheck, facts: DeviceFacts, proven: float) -> DrawnPlace:
    """As `pick` decides it: a device that an experiment takes is in no rollout. `proven` as in `Moment`."""
    if compiled.experiment is not None and compiled.experiment.takes(check, facts):
        return DrawnPlace(arm=_arm_of(compiled.experiment, check))
    if compiled.rollout is not None:
        return DrawnPlace(side=_side_of(compiled.rollout, check, facts, proven))
    return DrawnPlace()


def _arm_of(running: ExperimentTargets, check: UpdateCheck) -> str:
    arm = running.experiment.arms[running.arm_of(check)]
    return f"{running.experiment.salt}/{arm.name}"


def _side_of(running: RolloutTarget, check: UpdateCheck, facts: DeviceFacts, proven: float) -> str:
    """Only who could get the bundle is held out: both sides are drawn from the same devices."""
    rollout = running.rollout
    is_first = any(matches(check, facts) for matches in running.first)
    if running.only and not is_first and not any(matches(check, facts) for matches in running.only):
        side = REST
    elif rollout.hold_out and bucket_of(running.group_salt, check.device) < rollout.hold_out:
        side = CONTROL
    elif is_first or bucket_of(running.salt, check.device) < active_share_at(rollout, proven):
        side = NEW
    else:
        side = REST
    return f"{rollout.salt}/{side}"
