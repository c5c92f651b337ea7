"""Which tests a watch makes, in a stable order; and what a vote is in each of them. Pure.

A **vote** is one device on one watch's bundle, offered to it in this watch. In a test with the metric

* `update_fail` an attempt is a vote whose device reported `set` or a failed start (`update_fail`, `set_fail`); failed
  if it reported a failed start, also later, also after it was healthy;
* `install_fail` an attempt is one that reported `set`, or any failure; failed if it could not be downloaded, verified
  or unpacked;
* `crash` and `error` an attempt is one that reported `set` and can report the metric (`generations`); failed if the
  event came after its `set`. Against the control it is no vote: see `ControlVotes`.

An attempt is counted at its `set`, at once, or at its failure if no `set` came: if its network has a place left
(`networks.is_counted`, by the votes of the same scope), and for good. A later failure turns it; one that was not
counted stays so. One that is counted is counted in its epoch too if its network has a place left there, by the
epoch's own votes: else few networks with the many places of an old, large count would fill a new epoch. The scopes
are the whole, each segment, and the known devices: those first heard of KNOWN_MS before the watch began. In a test of
the known an attempt is every **offered** device, from its offer on, so forged installs hide nothing; only such a test
lets the guard take a bundle back.
"""

from collections.abc import Sequence
from typing import NamedTuple

from edge.domain.guard_policy import GuardAction, GuardMetric, GuardPolicy
from edge.domain.guarding.odds.alpha import TESTS_LIMIT

KNOWN_MS = 24 * 3_600_000  # before the watch began; who prepares ids in advance has to keep them alive so long

_CONTROLLED = (GuardMetric.CRASH, GuardMetric.ERROR)  # a control installs nothing, so it fails no start


class GuardTest(NamedTuple):
    """`name` is unique in its watch. `segment` empty: of all devices. `known`: see the top."""

    name: str
    metric: GuardMetric
    segment: str = ""
    versus_control: bool = False
    known: bool = False


FIGURES = GuardTest("figures", GuardMetric.UPDATE_FAIL)  # what is counted and shown where no test counts all devices


def tests_of(policy: GuardPolicy, in_rollout: bool = True) -> tuple[GuardTest, ...]:
    """At most TESTS_LIMIT, the first for all devices; `is_too_much` of a policy says if it asks for more. Without a
    rollout nobody is outside of it, so nothing is tested against a control."""
    scopes = ("", *policy.segments)
    found = [_test(policy, metric, segment, in_rollout) for segment in scopes for metric in policy.metrics]
    if policy.action is GuardAction.ROLLBACK:
        counted = [metric for metric in policy.metrics if not _is_controlled(policy, metric)]
        known = [GuardTest(f"{metric.value} of known devices", metric, known=True) for metric in counted]
        found[len(policy.metrics) : len(policy.metrics)] = known
    return tuple(each for each in found if each is not None)[:TESTS_LIMIT]


def figures_of(plan: Sequence[GuardTest]) -> int | None:
    """The index of the test that the figures of a watch are of, whatever the order of the metrics: `update_fail` of all
    devices, else the first of all devices. None: every test is against the control, or of some devices only."""
    whole = [n for n, test in enumerate(plan) if not (test.versus_control or test.segment or test.known)]
    return min(whole, key=lambda n: (plan[n].metric is not GuardMetric.UPDATE_FAIL, n), default=None)


def tests_asked(policy: GuardPolicy) -> int:
    """How many tests the policy asks for; more than TESTS_LIMIT would take more than the budget of false alarms."""
    known = policy.action is GuardAction.ROLLBACK
    counted = sum(not _is_controlled(policy, metric) for metric in policy.metrics)
    return (1 + len(policy.segments)) * len(policy.metrics) + known * counted


def _test(policy: GuardPolicy, metric: GuardMetric, segment: str, in_rollout: bool) -> GuardTest | None:
    controlled = _is_controlled(policy, metric)
    if controlled and not in_rollout:
        return None
    name = metric.value + (f" of segment {segment}" if segment else "") + (" versus control" if controlled else "")
    return GuardTest(name, metric, segment, controlled)


def _is_controlled(policy: GuardPolicy, metric: GuardMetric) -> bool:
    return policy.versus_control and metric in _CONTROLLED
