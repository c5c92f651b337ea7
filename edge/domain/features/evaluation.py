"""What is asked of a feature and what it gives, as values. A snapshot makes each answer once; requests share them.

Reasons are those that OpenFeature's remote evaluation protocol has; `why` in the metadata says more.
"""

import enum
from collections.abc import Mapping
from typing import NamedTuple

from edge.domain.facts import DeviceFacts
from edge.domain.model import UpdateCheck

# No rule is called so; what an arm gives is called `experiment/arm`, which no rule can be.
DEFAULT_VARIANT, SHARE_VARIANT, UNKNOWN_VARIANT, HELD_OUT_VARIANT = "default", "share", "unknown", "held-out"
RESERVED_VARIANTS = frozenset({DEFAULT_VARIANT, SHARE_VARIANT, UNKNOWN_VARIANT, HELD_OUT_VARIANT})


class Resolution(enum.Enum):
    """How a value came about, in the protocol's words."""

    STATIC = "STATIC"  # every device gets it
    TARGETING_MATCH = "TARGETING_MATCH"  # by what the device is
    SPLIT = "SPLIT"  # by the device's place in a draw
    DISABLED = "DISABLED"  # the kill switch
    UNKNOWN = "UNKNOWN"  # this node cannot tell: no value


class Why(enum.Enum):
    """Which step of the order decided."""

    KILLED = "killed"
    NEEDS = "needs"
    PREREQUISITE = "prerequisite"
    HELD_OUT = "held_out"  # of the experiment
    EXPERIMENT = "experiment"
    RULE = "rule"
    SHARE = "share"
    DEFAULT = "default"
    UNREADABLE = "unreadable"  # the rule reads an id set that this node lacks, or words of a later release


class Subject(NamedTuple):
    """Whom the answer is for. `key` draws shares: `check.device` as bytes, whatever an app's code calls a device by."""

    check: UpdateCheck
    facts: DeviceFacts
    key: bytes


class Evaluation(NamedTuple):
    """One feature for one subject. `value_json` None: there is no value, so the app's code uses its own. `metadata` is
    flat. `arm`: the name of the experiment's arm. The same object for all subjects that get the same, as long as the
    snapshot lives."""

    key: str
    value_json: bytes | None
    variant: str
    reason: Resolution
    metadata: Mapping[str, str | int | float | bool]
    arm: str = ""
