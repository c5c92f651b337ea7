"""What a channel falls back to, and what never comes back: offering, rolling back, withdrawing, deleting."""

import pytest
from factories import NOW, a_bundle, a_change, an_app
from histories import History

from edge.domain.changes.apply import apply
from edge.domain.changes.bundles import REASON_LIMIT, uses_of
from edge.domain.changes.channels import EARLIER_LIMIT, SPREAD_LIMIT_SECONDS
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    DeleteBundle,
    MoveRollout,
    NewArm,
    PublishBundle,
    RollBack,
    SegmentSettings,
    SetChannel,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    WithdrawBundle,
)
from edge.domain.errors import Conflict, EdgeError
from edge.domain.model import Channel, Phase
from edge.domain.schedule.rollout import Move
from edge.domain.states import last_good

A, B, C, D = "1.0.1", "1.0.2", "1.0.3", "1.0.4"
BUNDLES = tuple(PublishBundle(bundle=a_bundle(version)) for version in (A, B, C, D))
OFFERS_NOTHING = CreateChannel(name="production", settings=ChannelSettings(public=True))
BACK = "back"  # a rollback to the last good


def offers(bundle: str, *, force: bool = False) -> SetChannel:
    return SetChannel(
        name="production", settings=ChannelSettings(bundle=bundle), downgrade=True, again=True, force=force
    )


def withdrawal(version: str) -> WithdrawBundle:
    return WithdrawBundle(version=version, reason="white screen")


ROLL_BACK = RollBack(channel="production")
ROLLOUT_OF_D = StartRollout(channel="production", bundle=D, steps=(1_000,))
ARMS = (NewArm(name="control", bundle=A, weight=50_000), NewArm(name="new", bundle=D, weight=50_000))
EXPERIMENT = StartExperiment(channel="production", name="colours", arms=ARMS, downgrade=True)
OF_DROIDS = StartExperiment(channel="production", name="colours", arms=ARMS, downgrade=True, segment="droids")
DROIDS = SetSegment(name="droids", settings=SegmentSettings(where='platform == "android"'))


@pytest.mark.parametrize(
    ("offered", "earlier", "way_back"),
    [
        ((), (), False),
        ((A,), (), False),
        ((A, B), (A,), False),
        ((A, B, C), (A, B), False),
        ((A, B, A), (), True),
        ((A, B, A, C), (A,), False),
        ((A, B, C, A), (), True),
        ((A, B, C, B), (A,), True),
        ((A, B, C, B, D), (A, B), False),
        ((A, B, A, B), (A,), False),
        ((A, "builtin"), (), True),
        ((A, B, "builtin"), (A,), True),
        ((A, "builtin", B), (), False),
        ((A, B, "builtin", C), (A,), False),
        ((A, B, "builtin", B), (A,), False),
        ((A, B, "builtin", A), (), True),
        (("builtin", A), (), False),
        ((A, B, BACK), (), True),
        ((A, B, C, BACK), (A,), True),
        ((A, B, C, BACK, BACK), (), True),
        ((A, B, BACK, C), (A,), False),
    ],
)
def test_what_lies_behind_a_channel(offered, earlier, way_back):
    history = History(*BUNDLES, OFFERS_NOTHING)
    for bundle in offered:
        history.do(ROLL_BACK if bundle == BACK else offers(bundle))
    channel = history.state.channels["production"]
    assert (channel.earlier, channel.rolled_back) == (earlier, way_back)
    assert last_good(history.state, channel) == (earlier[-1] if earlier else None)
    assert channel.changed == (history.now - 1_000 if offered else 0.0)


def test_a_channel_remembers_so_many_and_no_more():
    versions = [f"1.0.{number}" for number in range(EARLIER_LIMIT + 2)]
    state = an_app(OFFERS_NOTHING, *(PublishBundle(bundle=a_bundle(v), channel="production") for v in versions))
    assert state.channels["production"].earlier == tuple(versions[1:-1])


@pytest.mark.parametrize(
    ("changes", "bundle", "phase"),
    [
        ((offers(A), offers(B), ROLL_BACK), A, None),
        ((offers(A), offers(B), offers(C), withdrawal(B), ROLL_BACK), A, None),
        ((offers(A), offers(B), RollBack(channel="production", to=C)), C, None),
        ((offers(A), offers(B), RollBack(channel="production", to="builtin")), "builtin", None),
        ((offers(A), offers(B), RollBack(channel="production", to=B)), B, None),  # it is there
        # What is on its way ends, and the channel keeps what it offers, unless told what to offer.
        ((offers(A), offers(B), ROLLOUT_OF_D, ROLL_BACK), B, Phase.ROLLED_BACK),
        ((offers(A), offers(B), ROLLOUT_OF_D, RollBack(channel="production", to=A)), A, Phase.ROLLED_BACK),
        ((offers(A), offers(B), ROLLOUT_OF_D, RollBack(channel="production", to=B)), B, Phase.ROLLED_BACK),
        ((offers(A), offers(B), ROLLOUT_OF_D, RollBack(channel="production", to=D)), D, Phase.ROLLED_BACK),
        ((offers(A), offers(B), EXPERIMENT, ROLL_BACK), B, None),
        ((offers(A), offers(B), ROLLOUT_OF_D, DROIDS, OF_DROIDS, ROLL_BACK), B, Phase.ROLLED_BACK),
        ((offers(A), offers(B), ROLLOUT_OF_D, ROLL_BACK, ROLL_BACK), A, Phase.ROLLED_BACK),
    ],
)
def test_rolling_back(changes, bundle, phase):
    channel = an_app(*BUNDLES, OFFERS_NOTHING, *changes).channels["production"]
    assert (channel.bundle, channel.experiment) == (bundle, None)
    assert (channel.rollout.phase if channel.rollout else None) is phase


@pytest.mark.parametrize(
    ("changes", "command", "code"),
    [
        ((), ROLL_BACK, "nothing_to_roll_back_to"),
        ((offers(A),), ROLL_BACK, "nothing_to_roll_back_to"),
        ((offers(A), offers(B), withdrawal(A)), ROLL_BACK, "nothing_to_roll_back_to"),
        ((offers(A), offers(B), withdrawal(A)), RollBack(channel="production", to=A), "bundle_withdrawn"),
        ((offers(A),), RollBack(channel="production", to="9.9.9"), "unknown_bundle"),
        ((offers(A),), RollBack(channel="nope"), "unknown_channel"),
        ((offers(A), ROLLOUT_OF_D), offers("builtin"), "rollout_active"),
        ((withdrawal(A),), offers(A), "bundle_withdrawn"),
        ((withdrawal(A),), PublishBundle(bundle=a_bundle(A), channel="production"), "bundle_withdrawn"),
        ((withdrawal(A),), PublishBundle(bundle=a_bundle(A)), "bundle_withdrawn"),
        ((), SetChannel(name="production", settings=ChannelSettings(spread_seconds=-1)), "invalid_spread"),
        (
            (),
            SetChannel(name="production", settings=ChannelSettings(spread_seconds=SPREAD_LIMIT_SECONDS + 1)),
            "invalid_spread",
        ),
        ((), SetChannel(name="production", settings=ChannelSettings(windows=("Mon 1-2 UTC",))), "invalid_window"),
        (
            (),
            SetChannel(
                name="production",
                settings=ChannelSettings(windows=tuple(f"Mon {h:02}:00-{h:02}:30 UTC" for h in range(17))),
            ),
            "too_many_windows",
        ),
        ((), WithdrawBundle(version="9.9.9", reason="x"), "unknown_bundle"),
        ((), WithdrawBundle(version=A, reason=" "), "invalid_reason"),
        ((), WithdrawBundle(version=A, reason="two\nlines"), "invalid_reason"),
        ((), WithdrawBundle(version=A, reason="x" * (REASON_LIMIT + 1)), "invalid_reason"),
    ],
)
def test_what_is_refused_changes_nothing(changes, command, code):
    history = History(*BUNDLES, OFFERS_NOTHING, *changes)
    before = history.state
    with pytest.raises(EdgeError) as caught:
        history.do(command)
    assert caught.value.code == code
    assert history.state is before


def test_a_window_is_stored_in_its_one_spelling():
    settings = ChannelSettings(windows=("mon-FRI  01:00-05:00 Europe/Paris", "Mon-Fri 01:00-05:00 Europe/Paris"))
    state = an_app(CreateChannel(name="production", settings=settings))
    assert state.channels["production"].windows == ("Mon-Fri 01:00-05:00 Europe/Paris",)


# --- withdrawing ---


def test_a_withdrawal_ends_every_rollout_of_the_bundle_and_no_other():
    beta = CreateChannel(name="beta", settings=ChannelSettings(bundle=A))
    inner = CreateChannel(name="inner", settings=ChannelSettings(bundle=A))
    started = (StartRollout(channel="beta", bundle=D, steps=(1,)), StartRollout(channel="inner", bundle=C, steps=(1,)))
    state = an_app(*BUNDLES, OFFERS_NOTHING, offers(A), beta, inner, ROLLOUT_OF_D, *started, withdrawal(D))
    phases = {name: channel.rollout.phase for name, channel in state.channels.items()}
    assert phases == {"production": Phase.ROLLED_BACK, "beta": Phase.ROLLED_BACK, "inner": Phase.RUNNING}
    assert state.bundles[D].withdrawn == "white screen"


def test_a_second_withdrawal_changes_nothing():
    state = an_app(*BUNDLES, withdrawal(A))
    assert apply(state, a_change(WithdrawBundle(version=A, reason="another"))) is state


def test_a_withdrawn_bundle_does_not_come_back_by_deleting_and_publishing_it():
    state = an_app(PublishBundle(bundle=a_bundle(A)), withdrawal(A), DeleteBundle(version=A))
    with pytest.raises(Conflict, match="white screen") as caught:
        apply(state, a_change(PublishBundle(bundle=a_bundle(A))))
    assert caught.value.code == "bundle_withdrawn"


# --- what a bundle is needed for ---


@pytest.mark.parametrize(
    ("changes", "version", "uses"),
    [
        ((offers(A), offers(B)), B, ["offered by channel 'production'"]),
        ((offers(A), offers(B)), A, ["what channel 'production' falls back to"]),
        ((offers(A), offers(B), offers(C)), A, []),
        ((offers(A), offers(B), offers(C), withdrawal(B)), A, ["what channel 'production' falls back to"]),
        ((offers(A), offers(B), offers(C), withdrawal(B)), B, []),
        ((offers(A), ROLLOUT_OF_D), D, ["rolling out on channel 'production'"]),
        (
            (offers(A), ROLLOUT_OF_D, MoveRollout(channel="production", move=Move.PAUSE)),
            D,
            ["rolling out on channel 'production'"],
        ),
        ((offers(A), ROLLOUT_OF_D, ROLL_BACK), D, []),
        ((offers(A), EXPERIMENT), D, ["arm 'new' of an experiment on channel 'production'"]),
        (
            (offers(A), EXPERIMENT),
            A,
            ["offered by channel 'production'", "arm 'control' of an experiment on channel 'production'"],
        ),
        ((offers(A), EXPERIMENT, StopExperiment(channel="production", keep="control")), D, []),
        ((offers(A), EXPERIMENT, withdrawal(D)), D, ["arm 'new' of an experiment on channel 'production'"]),
        ((offers(A), offers(B), offers("builtin")), A, ["what channel 'production' falls back to"]),
        ((offers(A), offers(B), offers("builtin")), B, []),
    ],
)
def test_what_a_bundle_is_needed_for(changes, version, uses):
    history = History(*BUNDLES, OFFERS_NOTHING, *changes)
    assert uses_of(history.state, history.state.channels["production"], version) == uses
    if not uses:
        history.do(DeleteBundle(version=version))
        assert version not in history.state.channels["production"].earlier
        return
    with pytest.raises(Conflict) as caught:
        history.do(DeleteBundle(version=version))
    assert caught.value.code == "bundle_in_use"
    assert " and ".join(uses) in caught.value.message


def test_the_name_of_a_deleted_bundle_that_comes_back_was_not_offered_before():
    history = History(*BUNDLES, OFFERS_NOTHING, offers(A), offers(B), offers(C), DeleteBundle(version=A))
    history.do(PublishBundle(bundle=a_bundle(A)), withdrawal(B))
    assert last_good(history.state, history.state.channels["production"]) is None


def test_a_rollout_that_has_arrived_is_promoted_and_remembers_what_was_before():
    for arrive in (MoveRollout(channel="production", move=Move.PROMOTE), offers(D, force=True)):
        channel: Channel = an_app(*BUNDLES, OFFERS_NOTHING, offers(A), ROLLOUT_OF_D, arrive).channels["production"]
        assert (channel.bundle, channel.earlier, channel.rollout.phase) == (D, (A,), Phase.PROMOTED)
        assert (channel.changed, channel.rolled_back) == (NOW, False)


def test_the_arm_that_is_kept_is_offered_to_everybody():
    for keep, bundle, earlier in (("control", A, ()), ("new", D, (A,))):
        stop = StopExperiment(channel="production", keep=keep)
        channel = an_app(*BUNDLES, OFFERS_NOTHING, offers(A), EXPERIMENT, stop).channels["production"]
        assert (channel.bundle, channel.earlier, channel.experiment) == (bundle, earlier, None)


OFFERED = (
    PublishBundle(bundle=a_bundle("1.0.1")),
    CreateChannel(name="production", settings=ChannelSettings(bundle="1.0.1")),
)


def test_a_channel_does_not_go_back_to_a_withdrawn_bundle_that_it_offers_already():
    """To say that nothing changes would be wrong: its devices are moved away from it."""
    state = an_app(*OFFERED, WithdrawBundle(version="1.0.1", reason="white screen"))
    with pytest.raises(Conflict, match="white screen") as caught:
        apply(state, a_change(RollBack(channel="production", to="1.0.1")))
    assert caught.value.code == "bundle_withdrawn"


@pytest.mark.parametrize("to", ["1.0.1", "builtin"])
def test_going_back_to_what_a_channel_offers_changes_nothing(to):
    state = an_app(*OFFERED, SetChannel(name="production", settings=ChannelSettings(bundle=to)))
    assert apply(state, a_change(RollBack(channel="production", to=to))) is state


def test_an_experiment_whose_arm_was_withdrawn_says_how_it_ends_without_it():
    arms = (NewArm(name="old", bundle="1.0.1", weight=50_000), NewArm(name="new", bundle="1.1.0", weight=50_000))
    state = an_app(
        *OFFERED,
        PublishBundle(bundle=a_bundle("1.1.0")),
        StartExperiment(channel="production", name="look", arms=arms),
        WithdrawBundle(version="1.1.0", reason="white screen"),
    )
    with pytest.raises(Conflict, match=r"white screen.*roll the channel back") as caught:
        apply(state, a_change(StopExperiment(channel="production", keep="new")))
    assert caught.value.code == "bundle_withdrawn"
    assert apply(state, a_change(RollBack(channel="production"))).channels["production"].experiment is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((offers(A),), "no earlier good bundle is left for channel 'production'; name a version"),
        ((offers(A), offers(B), ROLL_BACK), "to offer 1.0.2 again, which was rolled back at"),
        ((offers(A), offers(B), offers(A)), "to offer 1.0.2 again"),
        ((offers(A), offers(B), offers(A), withdrawal(B)), "; name a version"),
    ],
)
def test_where_nothing_is_left_to_fall_back_to_it_says_what_a_step_back_left(changes, says):
    history = History(*BUNDLES, OFFERS_NOTHING, *changes)
    with pytest.raises(EdgeError) as caught:
        history.do(ROLL_BACK)
    assert says in caught.value.message, caught.value.message
