"""Where channels use bundles: for all, in a rollout, as an arm, as the way back."""

from factories import MOMENT, a_bundle, a_change, a_released_app

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import MoveRollout, NewArm, PublishBundle, StartExperiment, StartRollout
from edge.domain.decision.foresight.bundle_uses import BundleUse, UsedBundle, uses_of
from edge.domain.schedule.rollout import Move

NEXT = PublishBundle(bundle=a_bundle("1.1.0"))
ROLLOUT = StartRollout(channel="production", bundle="1.1.0", steps=(1_000, 100_000))
ARMS = tuple(NewArm(name=name, bundle=bundle, weight=50_000) for name, bundle in (("old", "1.0.1"), ("new", "1.1.0")))


def uses(*commands):
    state = a_released_app("1.0.1")
    for command in commands:
        state = apply(state, a_change(command))
    return dict(uses_of(state, MOMENT))


EVERYBODY = UsedBundle("production", BundleUse.ALL, 100_000)


def test_what_no_channel_needs_is_left_out():
    assert uses(NEXT) == {"1.0.1": [EVERYBODY]}


def test_a_rollout_has_its_share_and_says_when_it_is_paused():
    assert uses(NEXT, ROLLOUT)["1.1.0"] == [UsedBundle("production", BundleUse.ROLLOUT, 1_000)]
    paused = uses(NEXT, ROLLOUT, MoveRollout(channel="production", move=Move.PAUSE))
    assert paused["1.1.0"] == [UsedBundle("production", BundleUse.PAUSED, 1_000)]


def test_an_arm_is_named_beside_what_all_others_get():
    used = uses(NEXT, StartExperiment(channel="production", name="look", arms=ARMS))
    assert used["1.0.1"] == [EVERYBODY, UsedBundle("production", BundleUse.ARM, 50_000, "old")]


def test_what_a_channel_would_fall_back_to_is_needed_too():
    used = uses(PublishBundle(bundle=a_bundle("1.1.0"), channel="production"))
    assert used["1.0.1"] == [UsedBundle("production", BundleUse.WAY_BACK, 0)]
