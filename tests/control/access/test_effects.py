"""What a change needs: by its command, by what it takes back, and for a channel no more than that channel."""

from dataclasses import fields

import pytest
from factories import NOW, a_bundle

from edge.control.access.effects import OF_FIELDS, check_change, needs_of
from edge.control.access.grants import Grant, Hold, hold_of
from edge.control.access.roles import GRANTED, Permission, Role
from edge.control.access.scopes import ChannelScope
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    Change,
    ChannelSettings,
    ClearOverride,
    CreateApp,
    CreateChannel,
    DeleteBundle,
    DeleteChannel,
    MoveRollout,
    NewArm,
    PruneBundles,
    PublishBundle,
    RollBack,
    RolloutTerms,
    SegmentSettings,
    SetChannel,
    SetOverride,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    Undo,
    WithdrawBundle,
)
from edge.domain.changes.going_back.putting_back import plan_putting_back
from edge.domain.changes.guard.guard_commands import GuardSettings, SetGuard
from edge.domain.errors import Forbidden
from edge.domain.guard_policy import Guarded
from edge.domain.model import AppId, AppState
from edge.domain.schedule.rollout import Move

APP = AppId("com.acme.app")
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
P = Permission
settings = ChannelSettings


class History:
    """An app that changes, with every state that it had."""

    def __init__(self):
        self.states: list[AppState] = []
        self.done: list[object] = []

    def do(self, command):
        before = self.states[-1] if self.states else None
        earlier = self.states[-2] if len(self.states) > 1 else None
        change = Change(id=f"c{len(self.done)}", at=NOW + len(self.done), by="test", command=command)
        self.states.append(apply(before, change, earlier))
        self.done.append(command)
        return before, self.states[-1]

    def undo(self):
        return self.do(Undo(revision=self.states[-1].revision, force=True))


@pytest.fixture
def app():
    """Channels production (public), beta and lab, a test channel; production offers 1.1.0, 1.0.0 before it."""
    history = History()
    history.do(CreateApp(app=APP))
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        history.do(PublishBundle(bundle=a_bundle(version)))
    history.do(CreateChannel(name="production", settings=settings(public=True, bundle="1.0.0")))
    history.do(SetChannel(name="production", settings=settings(bundle="1.1.0")))
    history.do(CreateChannel(name="beta", settings=settings(bundle="1.1.0")))
    history.do(CreateChannel(name="lab", settings=settings(test=True)))
    return history


def of_channel(name, role=Role.RELEASER):
    return Grant("one", (Hold(role.value, GRANTED[role], ChannelScope(APP, name)),))


DEVELOPER = Grant("dev", (hold_of(Role.DEVELOPER, APP),))
SUPPORT = Grant("support", (hold_of(Role.SUPPORT, APP),))
RELEASER = Grant("releaser", (hold_of(Role.RELEASER, APP),))
PUBLISHER = Grant("publisher", (hold_of(Role.PUBLISHER, APP),))


def permits(grant, command, before, after):
    try:
        check_change(grant, P.CHANGE_APP, command, before, after)
    except Forbidden as refused:
        assert refused.code == "forbidden"
        return False
    return True


def tried(app, command, *grants):
    """Which of them may, without it being done."""
    before, after = app.do(command)
    app.states.pop(), app.done.pop()
    return [permits(grant, command, before, after) for grant in grants]


def rollout(channel, bundle="1.2.0"):
    return StartRollout(channel=channel, bundle=bundle, steps=(1_000,))


def experiment(channel):
    arms = (NewArm(name="a", bundle="1.1.0", weight=50_000), NewArm(name="b", bundle="1.2.0", weight=50_000))
    return StartExperiment(channel=channel, name="test", arms=arms)


def on(name):
    """What a channel's holder does to it, one by one."""
    return [
        SetChannel(name=name, settings=settings(bundle="1.2.0")),
        SetChannel(name=name, settings=settings(windows=("daily 00:00-12:00 UTC",), dev=False)),
        PublishBundle(bundle=a_bundle("2.0.0"), channel=name),
        PublishBundle(bundle=a_bundle("2.0.0"), channel=name, rollout=RolloutTerms(steps=(1_000,))),
        rollout(name),
        experiment(name),
        SetGuard(channel=name, settings=GuardSettings(guarded=Guarded.NOTHING)),
    ]


@pytest.mark.parametrize("command", on("beta"))
def test_who_holds_one_channel_changes_that_one_alone(app, command):
    assert tried(app, command, of_channel("beta"), of_channel("production"), RELEASER, PUBLISHER) == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("command", on("lab"))
def test_a_developer_changes_a_test_channel(app, command):
    assert tried(app, command, DEVELOPER, SUPPORT) == [True, False]


@pytest.mark.parametrize("command", on("beta") + on("production"))
def test_a_developer_changes_no_other_channel(app, command):
    assert tried(app, command, DEVELOPER) == [False]


LEADING = [
    SetChannel(name="lab", settings=settings(public=True), replace=True),
    SetChannel(name="lab", settings=settings(self_set=True)),
    SetChannel(name="lab", settings=settings(test=False)),
    SetChannel(name="beta", settings=settings(test=True)),
    SetChannel(name="beta", settings=settings(public=True), replace=True),
    SetChannel(name="production", settings=settings(electron=False)),
    CreateChannel(name="new", settings=settings(test=True)),
    DeleteChannel(name="lab"),
]


@pytest.mark.parametrize("command", LEADING)
def test_where_devices_of_others_go_is_for_who_may_change_every_channel(app, command):
    holders = DEVELOPER, of_channel("lab"), of_channel("beta"), of_channel("production"), of_channel("new")
    assert tried(app, command, *holders) == [False] * 5
    assert tried(app, command, RELEASER, PUBLISHER) == [True, True]


def test_a_test_channel_that_is_public_is_none(app):
    app.do(SetChannel(name="lab", settings=settings(public=True), replace=True))
    assert tried(app, SetChannel(name="lab", settings=settings(bundle="1.2.0")), DEVELOPER) == [False]


OF_ALL = [
    WithdrawBundle(version="1.2.0", reason="bad"),
    DeleteBundle(version="1.2.0"),
    PruneBundles(keep=1),
    SetSegment(name="s", settings=SegmentSettings(where='platform == "ios"', channel="beta")),
    SetOverride(device=DEVICE, channel="beta"),
]


@pytest.mark.parametrize("command", OF_ALL)
def test_what_concerns_the_app_is_not_for_who_holds_one_channel(app, command):
    assert tried(app, command, of_channel("beta"), of_channel("beta", Role.ADMIN), DEVELOPER) == [False] * 3
    assert tried(app, command, PUBLISHER) == [True]


def only(*permissions, channel=None):
    within = hold_of(Role.VIEWER, APP).within if channel is None else ChannelScope(APP, channel)
    return Grant("only", (Hold("own", frozenset(permissions), within),))


def test_who_may_only_roll_back_offers_nothing_new(app):
    on_call = only(P.ROLL_BACK)
    for command, expected in (
        (RollBack(channel="production"), True),
        (RollBack(channel="production", to="1.0.0"), True),
        (RollBack(channel="production", to="builtin"), True),
        (RollBack(channel="production", to="1.2.0"), False),
    ):
        assert tried(app, command, on_call) == [expected], command
    app.do(rollout("production"))
    assert tried(app, MoveRollout(channel="production", move=Move.ROLL_BACK), on_call) == [True]
    assert tried(app, MoveRollout(channel="production", move=Move.PROMOTE), on_call) == [False]
    app.do(MoveRollout(channel="production", move=Move.ROLL_BACK))
    assert tried(app, RollBack(channel="production", to="1.2.0"), on_call) == [False], "what it was rolled back from"


UNDONE = [
    (SetChannel(name="production", settings=settings(bundle="1.2.0")), P.CHANGE_CHANNELS),
    (rollout("production"), P.CHANGE_ROLLOUTS),
    (experiment("production"), P.CHANGE_EXPERIMENTS),
    (SetGuard(channel="production", settings=GuardSettings(guarded=Guarded.NOTHING)), P.CHANGE_GUARD),
    (CreateChannel(name="new"), P.CHANGE_CHANNELS),
    (DeleteChannel(name="lab"), P.CHANGE_CHANNELS),
    (PublishBundle(bundle=a_bundle("2.0.0")), P.UPLOAD_BUNDLES),
    (DeleteBundle(version="1.2.0"), P.DELETE_BUNDLES),
    (WithdrawBundle(version="1.2.0", reason="bad"), P.ROLL_BACK),
    (SetSegment(name="s", settings=SegmentSettings(where='platform == "ios"')), P.CHANGE_SEGMENTS),
    (SetOverride(device=DEVICE, channel="beta"), P.LIFT_DEVICES),
]


@pytest.mark.parametrize(("command", "permission"), UNDONE)
def test_an_undo_needs_the_rights_for_what_it_undoes(app, command, permission):
    app.do(command)
    before, after = app.undo()
    others = frozenset(P) - {permission}
    undo = app.done[-1]
    assert permits(only(*P), undo, before, after)
    assert not permits(only(*others), undo, before, after), "without the one that it takes"
    assert permits(only(permission), undo, before, after), "with that one alone"


def test_an_undo_of_several_things_needs_the_right_for_each(app):
    app.do(PublishBundle(bundle=a_bundle("2.0.0"), channel="production"))
    before, after = app.undo()
    undo = app.done[-1]
    assert permits(only(P.UPLOAD_BUNDLES, P.CHANGE_CHANNELS), undo, before, after)
    for lacking in (only(P.UPLOAD_BUNDLES), only(P.CHANGE_CHANNELS), DEVELOPER, of_channel("beta")):
        assert not permits(lacking, undo, before, after)
    assert permits(of_channel("production"), undo, before, after)


def test_an_undo_of_a_stop_is_no_way_around(app):
    app.do(rollout("production"))
    app.do(RollBack(channel="production"))
    before, after = app.undo()
    assert not permits(only(P.ROLL_BACK), app.done[-1], before, after), "that would offer it again"
    assert permits(only(P.CHANGE_ROLLOUTS, P.CHANGE_CHANNELS, P.ROLL_BACK), app.done[-1], before, after)


def test_a_developer_undoes_what_was_done_on_a_test_channel(app):
    app.do(SetChannel(name="lab", settings=settings(bundle="1.2.0")))
    before, after = app.undo()
    assert permits(DEVELOPER, app.done[-1], before, after)


def test_what_is_put_back_is_judged_as_the_change_that_it_is(app):
    was, now = app.do(SetChannel(name="production", settings=settings(bundle="1.2.0")))
    command = plan_putting_back(was, now)
    assert tried(app, command, DEVELOPER, of_channel("beta"), of_channel("production")) == [False, False, True]
    was, now = app.do(SetChannel(name="lab", settings=settings(test=False)))
    assert tried(app, plan_putting_back(was, now), DEVELOPER, of_channel("lab"), RELEASER) == [False, False, True]


def test_stopping_an_experiment_needs_its_right(app):
    app.do(experiment("beta"))
    command = StopExperiment(channel="beta", keep="b")
    assert tried(app, command, only(P.CHANGE_EXPERIMENTS), only(P.CHANGE_CHANNELS)) == [True, False]


def test_support_sets_and_clears_overrides(app):
    app.do(SetOverride(device=DEVICE, channel="beta"))
    assert tried(app, ClearOverride(device=DEVICE), SUPPORT, DEVELOPER) == [True, False]


def test_a_command_that_is_not_known_here_needs_what_its_operation_does(app):
    before = app.states[-1]
    assert [need.permission for need in needs_of(P.SEND_MESSAGES, CreateApp(app="x"), None, before)] == []


def test_every_part_of_an_app_has_the_right_that_an_undo_of_it_needs():
    judged_apart = {"app", "revision", "retired", "recent", "decided", "bundles", "channels"}
    assert {each.name for each in fields(AppState)} - judged_apart == set(OF_FIELDS), "add it to OF_FIELDS"
