"""What is counted for a watch, as values that a database can keep vote by vote. See `plan` for what counts where."""

from typing import NamedTuple

from edge.domain.guarding.networks import NetworkVotes
from edge.domain.guarding.odds.control import ArmEvents
from edge.domain.guarding.silence import SilenceCount


class CountedVotes(NamedTuple):
    """Of one test, since the start or in one epoch. `networks` has at least those that may be among the worst: for
    each number of failures above 0, the two networks with the fewest attempts; never TRUSTED_NETWORK."""

    attempts: int = 0
    failed: int = 0
    networks: tuple[NetworkVotes, ...] = ()


class EpochVotes(NamedTuple):
    """The counted votes of the epoch with this number."""

    epoch: int
    counted: CountedVotes


class ThresholdTally(NamedTuple):
    """Of one threshold test. `epochs` are the open ones that have votes. `without` has the same without what one node
    brought, for each other node that brought some."""

    whole: CountedVotes = CountedVotes()
    epochs: tuple[EpochVotes, ...] = ()
    without: tuple["VotesWithout", ...] = ()


class VotesWithout(NamedTuple):
    """As if the node of this number (from 1) had brought nothing."""

    node: int
    tally: ThresholdTally


class ControlVotes(NamedTuple):
    """Devices with the event, each once in a watch, in the step and the arm of that event. The arm is the bucket's:
    whether the rollout's share at that moment covers it (`in_share`), whatever the device runs. Devices of the
    rollout's `first` segments are in no arm, nor are those it is not for. The cap is on devices with the event, in
    both arms together. `networks` has at least the 64 with the most in the rollout's arm, each as its own steps."""

    steps: tuple[ArmEvents, ...] = ()  # one for each share
    networks: tuple[tuple[ArmEvents, ...], ...] = ()


class EpochEvents(NamedTuple):
    """The same of the epoch with this number."""

    epoch: int
    counted: ControlVotes


class ControlTally(NamedTuple):
    """Of one test against the control. `epochs` are the open ones that have events, `without` as of ThresholdTally."""

    whole: ControlVotes = ControlVotes()
    epochs: tuple[EpochEvents, ...] = ()
    without: tuple["EventsWithout", ...] = ()


class EventsWithout(NamedTuple):
    """As if the node of this number (from 1) had brought nothing."""

    node: int
    tally: ControlTally


class SilenceWithout(NamedTuple):
    """At the same ages, as if the node of this number had brought nothing."""

    node: int
    counts: tuple[SilenceCount, ...]


class StepWithout(NamedTuple):
    """Counted votes of `plan.figures_of`, as if the node of this number had brought nothing: since the start, and of
    the present step. `waiting` devices were offered the bundle in this step and have not told what became of it."""

    node: int
    attempts: int
    failed: int
    step_attempts: int
    waiting: int


class VoteTally(NamedTuple):
    """All of a watch. `tests` are in the order of `plan.tests_of`. `latest_epoch` is the number of the present one.

    `offered` are distinct devices; `attempts` and `failed` are all votes of `plan.figures_of` (of `update_fail`, if
    there is none), those not counted included; `capped` and `capped_failed` those not counted. `step_attempts` and
    `step_failed` are counted votes of the same whose `set` arrived in the present step. `nodes` are the names of the
    other nodes that brought something, in the order of their numbers, which begin at 1.
    """

    tests: tuple[ThresholdTally | ControlTally, ...]
    latest_epoch: int = 1
    offered: int = 0
    attempts: int = 0
    failed: int = 0
    capped: int = 0
    capped_failed: int = 0
    step_attempts: int = 0
    step_failed: int = 0
    silence: tuple[SilenceCount, ...] = ()
    nodes: tuple[str, ...] = ()
    silence_without: tuple[SilenceWithout, ...] = ()
    step_without: tuple[StepWithout, ...] = ()
