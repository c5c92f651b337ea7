"""What one must be allowed for a change: by the command, and by what it does to the app. Pure.

A command names what it is for; an undo does whatever the change did that it takes back, so it is judged by its effect
alone. Judged at each attempt, on the states before and after: no way of writing the same change goes around it.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import NamedTuple

from edge.control.access.grants import Grant, refusal
from edge.control.access.roles import OF_TEST_CHANNELS, Permission
from edge.domain.changes.commands import (
    Command,
    CreateApp,
    CreateChannel,
    DeleteApp,
    DeleteChannel,
    MoveRollout,
    PublishBundle,
    RollBack,
    SetChannel,
    StartExperiment,
    StartRollout,
    StopExperiment,
    Undo,
    kind_of,
)
from edge.domain.changes.guard.guard_commands import SetGuard
from edge.domain.errors import Forbidden
from edge.domain.guard_policy import GUARD_DEFAULT
from edge.domain.model import BUILTIN, AppState, Channel, ChannelName
from edge.domain.schedule.rollout import Move


class Need(NamedTuple):
    """`channel` None: in all of the app. `is_test`: on a channel that is a test channel before and after."""

    permission: Permission
    channel: str | None = None
    is_test: bool = False


# Commands about the whole app. What is not here needs what its operation does.
OF_APP = {
    "delete_app": Permission.DELETE_APP,
    "make_event_key": Permission.CHANGE_APP,
    "remove_event_keys": Permission.CHANGE_APP,
    "make_feature_key": Permission.CHANGE_FEATURES,
    "remove_feature_keys": Permission.CHANGE_FEATURES,
    "delete_bundle": Permission.DELETE_BUNDLES,
    "prune_bundles": Permission.DELETE_BUNDLES,
    "withdraw_bundle": Permission.ROLL_BACK,  # takes it from every channel
    "create_channel": Permission.CHANGE_CHANNELS,  # a public one takes devices from others
    "delete_channel": Permission.CHANGE_CHANNELS,
    "set_override": Permission.LIFT_DEVICES,
    "clear_override": Permission.LIFT_DEVICES,
    "set_segment": Permission.CHANGE_SEGMENTS,
    "delete_segment": Permission.CHANGE_SEGMENTS,
    "put_id_set": Permission.CHANGE_SEGMENTS,
    "delete_id_set": Permission.CHANGE_SEGMENTS,
    "set_feature": Permission.CHANGE_FEATURES,
    "switch_feature": Permission.CHANGE_FEATURES,
    "delete_feature": Permission.CHANGE_FEATURES,
    "start_feature_experiment": Permission.CHANGE_FEATURES,
    "stop_feature_experiment": Permission.CHANGE_FEATURES,
    "create_message": Permission.SEND_MESSAGES,
    "cancel_message": Permission.SEND_MESSAGES,
    "set_message_caps": Permission.SET_RULES,  # a cap that a sender lifts is none
    "set_approval": Permission.SET_RULES,
    "start_freeze": Permission.SET_RULES,
    "end_freeze": Permission.SET_RULES,
    "approve_proposal": Permission.APPROVE_CHANGES,
    "reject_proposal": Permission.APPROVE_CHANGES,
}
# What an undo that alters a field of the app needs; for a field that is not here, UNKNOWN_FIELD.
OF_FIELDS = {
    "expose_metadata": Permission.CHANGE_APP,
    "overrides": Permission.LIFT_DEVICES,
    "segments": Permission.CHANGE_SEGMENTS,
    "id_sets": Permission.CHANGE_SEGMENTS,
    "event_keys": Permission.CHANGE_APP,
    "feature_keys": Permission.CHANGE_FEATURES,
    "features": Permission.CHANGE_FEATURES,
    "messages": Permission.SEND_MESSAGES,
    "message_caps": Permission.SET_RULES,
    "approvals": Permission.SET_RULES,
    "freezes": Permission.SET_RULES,
    "proposals": Permission.APPROVE_CHANGES,
    "deleted": Permission.DELETE_APP,
}
UNKNOWN_FIELD = Permission.SET_RULES  # the least that few have
_JUDGED_APART = frozenset({"bundles", "channels"})
_FOLLOWS = frozenset({"app", "revision", "retired", "recent", "decided"})  # from what else a change does
# Where other devices go depends on them, so they are not a channel's own affair.
_PLATFORMS = ("ios", "android", "electron")
_LEADS_DEVICES = ("public", "self_set", "test")


def check_change(
    grant: Grant, permission: Permission | None, command: Command, before: AppState | None, after: AppState
) -> None:
    """`permission` is that of the operation. Raises Forbidden `forbidden`."""
    for need in needs_of(permission, command, before, after):
        _check(grant, after.app, need)


def check_offering(grant: Grant, state: AppState, channel: str, *, rolls_out: bool) -> None:
    """Before the work of a publish what `check_change` would refuse after it. Raises Forbidden `forbidden`."""
    _check(grant, state.app, _offers(channel, state, state, rolls_out=rolls_out))


def needs_of(
    permission: Permission | None, command: Command, before: AppState | None, after: AppState
) -> Iterator[Need]:
    """All that the change needs; `before` None: it makes the app."""
    if before is None or isinstance(command, CreateApp):
        return  # whose app it becomes decides: see `routes.apps`
    match command:
        case Undo():
            yield from _of_effect(before, after)
        case PublishBundle(channel=str(name)):
            yield Need(Permission.UPLOAD_BUNDLES)
            yield _offers(name, before, after, rolls_out=command.rollout is not None)
        case PublishBundle():
            yield Need(Permission.UPLOAD_BUNDLES)
        case SetChannel(name=name):
            yield _on(Permission.CHANGE_CHANNELS, name, before, after)
            yield from _of_leading(before, after)
        case CreateChannel() | DeleteChannel() | DeleteApp():
            yield Need(OF_APP[kind_of(command)])
        case RollBack(channel=name):
            yield _on(Permission.ROLL_BACK, name, before, after)
            if not _is_way_back(before, command):
                yield _on(Permission.CHANGE_CHANNELS, name, before, after)
        case MoveRollout(channel=name, move=move):
            back = move is Move.ROLL_BACK
            yield _on(Permission.ROLL_BACK if back else Permission.CHANGE_ROLLOUTS, name, before, after)
        case StartRollout(channel=name):
            yield _on(Permission.CHANGE_ROLLOUTS, name, before, after)
        case StartExperiment(channel=name) | StopExperiment(channel=name):
            yield _on(Permission.CHANGE_EXPERIMENTS, name, before, after)
        case SetGuard(channel=name):
            yield _on(Permission.CHANGE_GUARD, name, before, after)
        case _:
            needed = OF_APP.get(kind_of(command), permission)
            if needed is not None:
                yield Need(needed)


def is_test_channel(channel: Channel | None) -> bool:
    """Whether who may change test channels may change it. One that is public serves every device, so it is none."""
    return channel is not None and channel.test and not channel.public


def _check(grant: Grant, app: str, need: Need) -> None:
    stands_in = need.is_test and need.permission in OF_TEST_CHANNELS
    if grant.may(need.permission, app, need.channel):
        return
    if not (stands_in and grant.may(Permission.CHANGE_TEST_CHANNELS, app, need.channel)):
        raise Forbidden("forbidden", refusal(grant, need.permission, app, need.channel))


def _offers(channel: str, before: AppState, after: AppState, *, rolls_out: bool) -> Need:
    return _on(Permission.CHANGE_ROLLOUTS if rolls_out else Permission.CHANGE_CHANNELS, channel, before, after)


def _on(permission: Permission, name: str, before: AppState, after: AppState) -> Need:
    both = before.channels.get(ChannelName(name)), after.channels.get(ChannelName(name))
    return Need(permission, name, all(map(is_test_channel, both)))


def _is_way_back(before: AppState, command: RollBack) -> bool:
    """Whether it offers nothing that the channel did not offer before; another version is an ordinary change."""
    channel = before.channels.get(ChannelName(command.channel))
    return command.to in (None, BUILTIN) or channel is None or command.to in (channel.bundle, *channel.earlier)


def _of_leading(before: AppState, after: AppState) -> Iterator[Need]:
    """For what alters where devices go that are not the channel's: then the right must be for the whole app."""
    for name in {*before.channels, *after.channels}:
        was, now = before.channels.get(name), after.channels.get(name)
        if was is None or now is None or _leads(was, now):
            yield Need(Permission.CHANGE_CHANNELS)
            return


def _leads(was: Channel, now: Channel) -> bool:
    names = (*_LEADS_DEVICES, *(_PLATFORMS if was.public or now.public else ()))
    return any(getattr(was, name) != getattr(now, name) for name in names)


def _of_effect(before: AppState, after: AppState) -> Iterator[Need]:
    for each in fields(AppState):
        if each.name in _JUDGED_APART | _FOLLOWS or getattr(before, each.name) == getattr(after, each.name):
            continue
        if each.name == "deleted" and before.deleted and after.deleted:
            continue
        yield Need(OF_FIELDS.get(each.name, UNKNOWN_FIELD))
    if before.deleted or after.deleted:
        return  # whoever may delete and restore an app, with all in it
    yield from _of_bundles(before, after)
    yield from _of_leading(before, after)
    for name in sorted({*before.channels, *after.channels}):
        was, now = before.channels.get(name), after.channels.get(name)
        if was is not None and now is not None and was != now:
            yield from (_on(permission, name, before, after) for permission in _of_channel(was, now))


def _of_bundles(before: AppState, after: AppState) -> Iterator[Need]:
    if after.bundles.keys() - before.bundles.keys():
        yield Need(Permission.DELETE_BUNDLES)
    if before.bundles.keys() - after.bundles.keys():
        yield Need(Permission.UPLOAD_BUNDLES)
    for version in before.bundles.keys() & after.bundles.keys():
        was, now = before.bundles[version], after.bundles[version]
        if was.withdrawn != now.withdrawn:
            yield Need(Permission.ROLL_BACK)
        if replace(was, withdrawn=now.withdrawn) != now:
            yield Need(Permission.UPLOAD_BUNDLES)


def _of_channel(was: Channel, now: Channel) -> Iterator[Permission]:
    """Of an undo that alters a channel: what the parts that it alters need."""
    if was.rollout != now.rollout:
        yield Permission.CHANGE_ROLLOUTS
    if was.experiment != now.experiment:
        yield Permission.CHANGE_EXPERIMENTS
    if was.guard != now.guard:
        yield Permission.CHANGE_GUARD
    if _without_parts(was) != _without_parts(now):
        yield Permission.CHANGE_CHANNELS


def _without_parts(channel: Channel) -> Channel:
    return replace(channel, rollout=None, experiment=None, guard=GUARD_DEFAULT, guard_told=None, taken_back=())
