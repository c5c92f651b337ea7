"""Which tests a policy makes."""

from edge.domain.guard_policy import GuardAction, GuardMetric, GuardPolicy
from edge.domain.guarding import plan
from edge.domain.guarding.odds.alpha import TESTS_LIMIT

BOOT, INSTALL, CRASH = GuardMetric.UPDATE_FAIL, GuardMetric.INSTALL_FAIL, GuardMetric.CRASH


def names(policy: GuardPolicy, in_rollout: bool = True) -> list[str]:
    return [each.name for each in plan.tests_of(policy, in_rollout)]


def test_a_plain_policy_makes_one_test():
    assert names(GuardPolicy()) == ["update_fail"]


def test_each_metric_and_each_segment_is_tested_by_itself():
    policy = GuardPolicy(metrics=(BOOT, INSTALL), segments=("vip",))
    expected = ["update_fail", "install_fail", "update_fail of segment vip", "install_fail of segment vip"]
    assert names(policy) == expected and plan.tests_asked(policy) == 4


def test_only_what_a_control_can_have_is_compared_with_it():
    policy = GuardPolicy(metrics=(BOOT, CRASH), versus_control=True)
    assert names(policy) == ["update_fail", "crash versus control"]
    assert names(policy, in_rollout=False) == ["update_fail"]


def test_a_rollback_has_tests_of_known_devices():
    policy = GuardPolicy(metrics=(BOOT, CRASH), versus_control=True, action=GuardAction.ROLLBACK, segments=("vip",))
    expected = ["update_fail", "crash versus control", "update_fail of known devices"]
    assert names(policy) == [*expected, "update_fail of segment vip", "crash of segment vip versus control"]
    assert plan.tests_asked(policy) == 5


def test_no_policy_makes_more_tests_than_the_budget_has():
    policy = GuardPolicy(segments=tuple(f"s{number}" for number in range(20)))
    assert len(plan.tests_of(policy)) == TESTS_LIMIT < plan.tests_asked(policy)
