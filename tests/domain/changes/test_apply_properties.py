"""Whatever is changed, in whatever order: what holds of every state, of every refusal and of every undo."""

from dataclasses import replace

import msgspec
import pytest
from factories import a_change
from histories import COMMANDS, PUBLISHED, STORIES, History, a_history, as_before
from hypothesis import given, settings
from two_people import TEAM_STORIES

from edge.domain.approving.hands import different_people
from edge.domain.changes.apply import apply
from edge.domain.changes.approving.approval_commands import ApproveProposal
from edge.domain.changes.commands import (
    DeleteSegment,
    MoveRollout,
    PublishBundle,
    RollBack,
    SetChannel,
    StartRollout,
    StopExperiment,
    Undo,
)
from edge.domain.errors import EdgeError
from edge.domain.model import BUILTIN, AppState, Channel, Platform
from edge.domain.shares import WHOLE_SHARE
from edge.domain.states import last_good
from edge.domain.targeting.parser import check_expression
from edge.domain.versions import parse_version
from edge.store.revision_document import encode_overrides, encode_revision, parse_revision
from edge.store.stored_document import digest_of

MANY = settings(max_examples=60)


def faults(state: AppState) -> list[str]:
    """What is wrong with a state, in words."""
    found = [f"{name}: {fault}" for name, channel in state.channels.items() for fault in channel_faults(state, channel)]
    for platform in Platform:
        public = [channel.name for channel in state.channels.values() if channel.public and channel.serves(platform)]
        found += [f"{platform}: {public} are public"] if len(public) > 1 else []
    found += [f"override to {name}" for name in state.overrides.values() if name not in state.channels]
    found += [f"{version} is published and retired" for version in state.bundles.keys() & state.retired.keys()]
    for segment in state.segments.values():
        leads = segment.channel is None or segment.channel in state.channels
        asks = check_expression(segment.where) <= state.id_sets.keys()
        found += [] if leads and asks else [f"segment {segment.name} leads or asks nowhere"]
    return found + proposal_faults(state)


def proposal_faults(state: AppState) -> list[str]:
    """Each waits or is decided, never both; nobody stands behind one twice, and it has too few people as yet."""
    found = [f"{each.id} waits and is decided" for each in state.decided if each.id in state.proposals]
    for id, each in state.proposals.items():
        hands = [each.hands, *(one.hands for one in each.approvals)]
        found += [] if different_people(hands) == len(hands) else [f"{id} is approved by its author, or twice by one"]
        found += [] if id == each.id and int(id[1:]) <= state.revision else [f"{id} is not of its revision"]
    return found


def channel_faults(state: AppState, channel: Channel) -> list[str]:
    rollout, experiment = channel.rollout, channel.experiment
    found = []
    needed = [channel.bundle] if channel.bundle not in (None, BUILTIN) else []
    needed += [arm.bundle for arm in experiment.arms] if experiment else []
    segments = [experiment.segment] if experiment and experiment.segment else []
    if rollout is not None and rollout.phase.is_active:
        needed.append(rollout.bundle)
        segments += [*rollout.segments, *rollout.first]
        if state.bundles[rollout.bundle].withdrawn or rollout.bundle == channel.bundle:
            found.append("a rollout of what is withdrawn, or offered to everybody")
        if (rollout.frozen is not None) != (rollout.phase.value == "paused"):
            found.append("frozen while it runs, or not while it is paused")
    found += [f"needs bundle {version}" for version in needed if version not in state.bundles]
    found += [f"needs segment {name}" for name in segments if name not in state.segments]
    if not set(channel.earlier) <= state.bundles.keys() or channel.bundle in channel.earlier:
        found.append("earlier holds what is gone, or the current one")
    if len(set(channel.earlier)) != len(channel.earlier):
        found.append("earlier holds one twice")
    if experiment and sum(arm.weight for arm in experiment.arms) != WHOLE_SHARE:
        found.append("weights")
    good = last_good(state, channel)
    return found + ([] if good is None or not state.bundles[good].withdrawn else ["a last good that was withdrawn"])


@MANY
@given(STORIES | TEAM_STORIES)
def test_every_state_is_whole_and_every_change_counts_one(commands):
    history = History(*PUBLISHED)
    for command in commands:
        known, revisions, before = msgspec.json.encode(plain(history.state)), len(history.states), history.state
        done = history.attempt(command)
        assert msgspec.json.encode(plain(before)) == known  # neither a refusal nor a change touches the old state
        assert done or len(history.states) == revisions
        assert faults(history.state) == []
        assert not done or decision_faults(before, history.state, history.changes[-1]) == []
    assert [state.revision for state in history.states] == list(range(1, len(history.states) + 1))


@MANY
@given(STORIES | TEAM_STORIES)
def test_the_same_changes_make_the_same_state_and_a_repeat_none(commands):
    history = a_history(commands)
    state, before = None, None
    for change in history.changes:
        after = apply(state, change, before)
        assert apply(after, change, state) is after
        state, before = after, state
    assert state == history.state


@MANY
@given(STORIES | TEAM_STORIES)
def test_a_state_is_read_back_as_it_was_written(commands):
    history = a_history(commands)
    blobs = {digest_of(blob): blob for blob in encode_overrides(history.state.overrides).values()}
    shards = {shard: digest_of(blob) for shard, blob in encode_overrides(history.state.overrides).items()}
    content = encode_revision(history.state, history.changes[-1], None, shards)
    read = parse_revision(content, history.state.app, history.state.revision, blobs.__getitem__)
    assert read.state == history.state


@MANY
@given(STORIES, COMMANDS)
def test_an_undo_gives_the_state_before_and_its_undo_the_one_after(commands, last):
    history = a_history(commands)
    first = history.state
    if not history.attempt(last) or history.state is first:
        return
    changed = history.state
    assert as_before(history.undo(force=True)) == as_before(first)
    assert faults(history.state) == []
    assert as_before(history.undo(force=True)) == as_before(changed)
    way = {name: channel.rolled_back for name, channel in changed.channels.items() if name in first.channels}
    assert {name: history.state.channels[name].rolled_back for name in way} == way


@MANY
@given(STORIES)
def test_a_published_name_stays_used_up(commands):
    """Whatever happens, other bytes never come under a name: it stays published or retired."""
    history = a_history(commands)
    names: set[str] = set()
    for state in history.states:
        assert names <= state.bundles.keys() | state.retired.keys()
        names |= state.bundles.keys()


@MANY
@given(STORIES)
def test_what_was_withdrawn_is_offered_again_by_force_alone(commands):
    history = a_history([command for command in commands if not (isinstance(command, Undo) and command.force)])
    withdrawn: set[str] = set()
    for state in history.states:
        assert all(state.bundles[version].withdrawn for version in withdrawn & state.bundles.keys())
        withdrawn |= {version for version, bundle in state.bundles.items() if bundle.withdrawn}


@MANY
@given(STORIES)
def test_nothing_slips_past_a_rollout_or_an_experiment(commands):
    """Another bundle for everybody comes only with the end of the rollout, or where nothing is on its way. An
    experiment lets its channel's rollout arrive beside it, and an undo takes that back."""
    history = a_history(commands)
    for before, after, change in steps_of(history):
        for name, old in before.channels.items():
            new = after.channels.get(name)
            if new is None or new.bundle == old.bundle:
                assert new is not None or not (on_its_way(old) or old.experiment)
                continue
            assert not (on_its_way(old) and on_its_way(new)), change
            if old.experiment and new.experiment:
                assert isinstance(change.command, MoveRollout | Undo), change
            if isinstance(change.command, PublishBundle | SetChannel):
                assert change.command.force or not (on_its_way(old) or old.experiment), change
                assert not (on_its_way(new) or new.experiment), change


@MANY
@given(STORIES)
def test_a_lower_version_is_published_or_set_only_where_that_is_meant(commands):
    history = a_history(commands)
    for before, after, change in steps_of(history):
        if not isinstance(change.command, PublishBundle | SetChannel) or change.command.downgrade:
            continue
        for name, new in after.channels.items():
            old = before.channels[name]
            offered = old.bundle if offers_itself(before, old) else last_good(before, old)
            if new.bundle != old.bundle and BUILTIN not in (new.bundle, offered) and offered is not None:
                assert parse_version(new.bundle) >= parse_version(offered), change


@MANY
@given(STORIES)
def test_what_a_channel_went_back_from_it_offers_again_only_where_that_is_meant(commands):
    """Kept here by other means than `domain.taking_back`: what each revision left, by what was asked."""
    history = a_history(commands)
    left: list[set[tuple[str, str]]] = [set()]  # channel and bundle, of each revision
    for place, (before, after, change) in enumerate(steps_of(history)):
        command = change.command
        undone = history.changes[place].command if isinstance(command, Undo) else None
        known = set(left[-2] if undone is not None else left[-1])
        meant = isinstance(command, RollBack | Undo) or getattr(command, "again", False)
        for name in before.channels.keys() & after.channels.keys():
            old, new = brings(before.channels[name]), brings(after.channels[name])
            assert meant or not {(name, bundle) for bundle in new - old} & known, change
            known -= {(name, bundle) for bundle in new}
            if isinstance(command, RollBack) or isinstance(undone, PublishBundle | SetChannel | StartRollout):
                higher = isinstance(undone, PublishBundle | SetChannel) and undone.downgrade
                known |= set() if higher else {(name, bundle) for bundle in old - new}
        left.append({each for each in known if each[0] in after.channels})


@MANY
@given(STORIES)
def test_a_channel_says_who_changed_what_it_offers_and_when(commands):
    history = a_history(commands)
    for before, after, change in steps_of(history):
        for name, new in after.channels.items():
            old = before.channels.get(name)
            comes_back = old is None and isinstance(change.command, Undo)
            if new.bundle != (old.bundle if old else None) and not comes_back:
                assert (new.changed_by, new.changed) == (change.by, change.at)


def steps_of(history: History):
    """Each change with the states around it."""
    return zip(history.states[:-1], history.states[1:], history.changes[1:], strict=True)


def brings(channel: Channel) -> set[str]:
    """The bundles that the channel has for some device."""
    rollout = [channel.rollout.bundle] if on_its_way(channel) else []
    arms = [arm.bundle for arm in channel.experiment.arms] if channel.experiment else []
    return {*rollout, *arms, *([channel.bundle] if channel.bundle not in (None, BUILTIN) else [])}


def decision_faults(before: AppState, after: AppState, change) -> list[str]:
    """None waits whose time is over, and whoever approves one is another person than all who stand behind it."""
    found = [f"{each.id} is over" for each in after.proposals.values() if each.expires <= change.at]
    if isinstance(change.command, ApproveProposal) and after is not before:
        asked = before.proposals[change.command.proposal]
        hands = [asked.hands, change.command.hands, *(each.hands for each in asked.approvals)]
        found += [] if different_people(hands) == len(hands) else [f"{asked.id} is approved by too few"]
    return found


def on_its_way(channel: Channel) -> bool:
    return channel.rollout is not None and channel.rollout.phase.is_active


def offers_itself(state: AppState, channel: Channel) -> bool:
    return channel.bundle not in state.bundles or not state.bundles[channel.bundle].withdrawn


def test_a_refusal_names_its_code():
    history = History(*PUBLISHED)
    for command in (DeleteSegment(name="nope"), StopExperiment(channel="production", keep="a")):
        with pytest.raises(EdgeError) as caught:
            apply(history.state, a_change(command))
        assert caught.value.code in ("unknown_segment", "no_experiment")


def plain(state: AppState) -> AppState:
    """With mappings that can be encoded."""
    held = ("bundles", "retired", "channels", "overrides", "segments", "id_sets", "approvals", "proposals")
    return replace(state, **{name: dict(getattr(state, name)) for name in held})
