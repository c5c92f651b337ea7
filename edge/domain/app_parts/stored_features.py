"""A feature of an app as it is stored: what it gives to whom. `changes.features` checks it, `features` evaluates it.

Values are JSON texts, as they are sent: 1 and 1.0 stay two things.
"""

import enum
from dataclasses import dataclass


class FeatureKind(enum.Enum):
    """What an app's code reads the feature as. It never changes."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRule:
    """Devices that get another value: those of a segment, or those that an expression selects. With a `share`, in
    thousandths of a percent, only that part of them; the others go on to the next rule."""

    name: str  # unique in the feature; sent as the variant, so that figures of it go on when the rule is changed
    value: str
    segment: str | None = None
    where: str | None = None  # either this or `segment`
    share: int | None = None  # None: all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureShare:
    """A part of the devices that no rule took, in thousandths of a percent. A larger share has all of a smaller one."""

    share: int
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """Another feature, and the value that it has to give."""

    feature: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureArm:
    """One value of an experiment. `weight` is its share of the devices in it, in thousandths of a percent."""

    name: str
    value: str
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureExperiment:
    """Several values side by side, each for a share of the devices; see `model.Experiment`. Devices of the hold-out
    group, which is the same in all rollouts and features that name it, are not in it."""

    name: str
    arms: tuple[FeatureArm, ...]
    salt: str
    segment: str | None = None  # None: every device
    hold_out: int = 0  # thousandths of a percent
    hold_out_group: str = "control"
    started: float = 0.0  # seconds since the epoch
    question: str = ""
    measures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """In this order: what is not `on` gives its default; so does a device that runs a bundle below `needs`, or for
    which a prerequisite gives something else; then the experiment, the rules, the share, the default."""

    name: str
    kind: FeatureKind
    default: str
    salt: str  # draws its shares; different in every feature
    rules: tuple[FeatureRule, ...] = ()
    share: FeatureShare | None = None
    prerequisites: tuple[Prerequisite, ...] = ()
    needs: str = ""  # a version; empty: any
    server_only: bool = False  # whether it is given to an app's own servers alone
    on: bool = True  # the kill switch
    noted: bool = False  # whether it is recorded which device gets which value; in an experiment it always is
    experiment: FeatureExperiment | None = None
    about: str = ""  # what it is for, in words
    revision: int = 0  # the app's, at which it last changed
