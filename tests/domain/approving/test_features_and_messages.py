"""Two people stand behind what an app's features give and the messages that it sends; one turns a feature off."""

import msgspec
import pytest
from factories import digest
from two_people import ANN, BOB, Team

from edge.domain.app_parts.protection import APP_KINDS, WHOLE_APP, ChangeKind
from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.approving.approval_commands import EndFreeze, SetApproval, StartFreeze
from edge.domain.changes.commands import DeleteApp, PublishBundle, PutIdSet, SegmentSettings, SetSegment, Undo
from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    FeatureSettings,
    NewFeatureArm,
    NewFeatureRule,
    NewFeatureShare,
    SetFeature,
    StartFeatureExperiment,
    SwitchFeature,
)
from edge.domain.changes.messages.message_commands import CancelMessage, CreateMessage, NewMessageText, SetMessageCaps
from edge.domain.errors import Conflict, Invalid

PROTECT = SetApproval(channel=WHOLE_APP, people=2, kinds=APP_KINDS)
ALL, DROIDS = "is_prod || !is_prod", 'platform == "android"'


def feature(name="checkout", **settings):
    return SetFeature(name=name, settings=FeatureSettings(**settings))


def where(text):
    return SetSegment(name="some", settings=SegmentSettings(where=text))


NEW = feature(kind=FeatureKind.BOOLEAN, default="false")
RULE = NewFeatureRule(value="true", segment="some")
LISTED = NewFeatureRule(value="true", where='in_set("vip")')
VIP = PutIdSet(name="vip", blob=digest("a"), ids=1)
HELLO = CreateMessage(texts=(NewMessageText(title="Hello"),), when="now", expected=3)
OFF, ON = SwitchFeature(name="checkout", on=False), SwitchFeature(name="checkout", on=True)
ARMS = tuple(NewFeatureArm(name=name, value=value, weight=50_000) for name, value in (("a", "true"), ("b", "false")))
FEATURE, MESSAGE = ChangeKind.FEATURE, ChangeKind.MESSAGE
ALONE = {
    "a new feature": (FEATURE, [], NEW),
    "another default": (FEATURE, [NEW], feature(default="true")),
    "a rule": (FEATURE, [NEW], feature(rules=(RULE,))),
    "a share": (FEATURE, [NEW], feature(share=NewFeatureShare(share=1, value="true"))),
    "which bundles": (FEATURE, [NEW], feature(needs="1.4")),
    "on again": (FEATURE, [NEW, OFF], ON),
    "an experiment": (FEATURE, [NEW], StartFeatureExperiment(feature="checkout", name="x", arms=ARMS)),
    "deleted": (FEATURE, [NEW], DeleteFeature(name="checkout")),
    "with its app": (FEATURE, [NEW], DeleteApp(app="com.example.app")),
    "a segment that it reads": (FEATURE, [NEW, feature(rules=(RULE,))], where(ALL)),
    "the ids that a rule reads": (
        FEATURE, [VIP, NEW, feature(rules=(LISTED,))], PutIdSet(name="vip", blob=digest("b"), ids=9),
    ),
    "the undo of a kill": (FEATURE, [NEW, OFF], Undo(revision=-1, force=True)),
    "a message": (MESSAGE, [], HELLO),
    "a silent one": (MESSAGE, [], msgspec.structs.replace(HELLO, silent=True, texts=(NewMessageText(),))),
    "the audience of one": (MESSAGE, [msgspec.structs.replace(HELLO, segment="some", when="best")], where(ALL)),
    "a cap that allows more": (
        MESSAGE, [SetMessageCaps(per_day=5, device="1/day")], SetMessageCaps(per_day=5, device="2/day"),
    ),
    "no cap of a device": (MESSAGE, [SetMessageCaps(per_day=5, device="1/day")], SetMessageCaps(per_day=5)),
    "no rule": (ChangeKind.RULES, [], SetApproval(channel=WHOLE_APP, people=1, kinds=APP_KINDS)),
    "one kind less": (ChangeKind.RULES, [], SetApproval(channel=WHOLE_APP, people=2, kinds=(FEATURE,))),
}  # fmt: skip


@pytest.mark.parametrize("way", ALONE)
def test_one_person_alone_changes_nothing_and_two_do(way):
    kind, before, command = ALONE[way]
    if isinstance(command, Undo):  # the undo is of what was done last: the rule has to be older
        team = Team(*before[:-1], protect=PROTECT)
        team.do(before[-1])
    else:
        team = Team(*before, protect=PROTECT)
    known = team.state
    with pytest.raises(Conflict) as refused:
        team.do(command)
    assert (refused.value.code, refused.value.needed.kinds, team.state) == ("needs_approval", (kind,), known)
    if not isinstance(command, Undo):
        team.agree(command)
        assert (team.recorded[-1].by, team.recorded[-1].approved_by) == (ANN, (BOB,))


HARMLESS = {
    "in other words": ([NEW], feature(about="the new checkout", noted=True)),
    "a stricter cap": ([], SetMessageCaps(per_day=1)),
    "a cancelled message": ([HELLO], CancelMessage(message="m")),
    "a segment that nobody reads": ([NEW], where(ALL)),
    "the segment of one that is cancelled": (
        [msgspec.structs.replace(HELLO, segment="some", when="best"), CancelMessage(message="m")], where(ALL),
    ),
    "a bundle": ([NEW], PublishBundle(bundle=Team().state.bundles["1.0.3"], channel="beta")),
    "a stricter rule": ([], SetApproval(channel=WHOLE_APP, people=3, kinds=APP_KINDS)),
}  # fmt: skip


@pytest.mark.parametrize("way", HARMLESS)
def test_what_gives_devices_nothing_else_needs_nobody(way):
    before, command = HARMLESS[way]
    team = Team(protect=SetApproval(channel="beta", people=1))
    for each in (*before, PROTECT, command):
        if isinstance(each, CancelMessage):
            each = CancelMessage(message=next(iter(team.state.messages)))
        known = team.state
        assert team.do(each) is not known


def test_a_feature_is_killed_by_one_and_that_is_loud():
    team = Team(NEW, feature(default="true"), protect=PROTECT)
    team.do(OFF)
    assert (team.state.features["checkout"].on, team.recorded[-1].emergency) == (False, True)


def test_without_a_rule_for_it_a_kill_is_no_emergency():
    team = Team(NEW, protect=SetApproval(channel=WHOLE_APP, people=2, kinds=(MESSAGE,)))
    team.do(OFF)
    team.do(ON)
    assert team.recorded[-1].emergency is msgspec.UNSET
    with pytest.raises(Conflict, match=r"com.example.app': 2 people .* \(message\)"):
        team.do(HELLO)


def test_another_feature_in_between_does_not_matter_and_the_same_does():
    team = Team(NEW, protect=SetApproval(channel=WHOLE_APP, people=2, kinds=(FEATURE,)))
    proposal = team.propose(feature(default="true"))
    seen = team.effect(proposal)
    team.agree(feature("dark", kind=FeatureKind.BOOLEAN, default="false"))
    assert team.effect(proposal) == seen
    team.do(OFF)
    with pytest.raises(Conflict, match="would not do now"):
        team.approve(proposal, effect=seen)


def test_the_message_is_that_of_the_request():
    team = Team(protect=PROTECT)
    proposal = team.propose(HELLO, change="asked-for")
    assert team.state.messages == {}
    team.approve(proposal)
    (message,) = team.state.messages.values()
    other = Team()
    other.do(HELLO, change="asked-for")
    assert (message.id, message.created) == (next(iter(other.state.messages)), team.now - 60)


def test_a_freeze_of_the_app_holds_features_and_no_kill_and_no_message():
    team = Team(NEW, protect=SetApproval(channel="beta", people=1))
    team.do(StartFreeze(begins=team.now, ends=team.now + 86_400))
    with pytest.raises(Conflict, match="is frozen"):
        team.do(feature(default="true"))
    team.do(OFF)
    team.do(HELLO)
    team.do(EndFreeze(freeze=team.state.freezes[0].id))
    team.do(StartFreeze(begins=team.now, ends=team.now + 86_400, channels=("production",)))
    team.do(ON)


@pytest.mark.parametrize(("channel", "kinds"), [(WHOLE_APP, (ChangeKind.PUBLISH,)), ("production", (FEATURE,))])
def test_each_has_kinds_of_its_own(channel, kinds):
    with pytest.raises(Invalid, match="approval is asked for one or more of"):
        Team().do(SetApproval(channel=channel, people=2, kinds=kinds))
