"""Every change that people make to an app, as values. A revision stores the one that made it.

The fields are what was requested, unchecked: `apply` checks them and carries the change out.
"""

import msgspec
from msgspec import UNSET, UnsetType

from edge.domain.changes.approving.approval_commands import (
    ApproveProposal,
    EndFreeze,
    Propose,
    RejectProposal,
    SetApproval,
    StartFreeze,
    WithdrawProposal,
)
from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    SetFeature,
    StartFeatureExperiment,
    StopFeatureExperiment,
    SwitchFeature,
)
from edge.domain.changes.features.feature_key_commands import MakeFeatureKey, RemoveFeatureKeys
from edge.domain.changes.guard.guard_commands import GuardActs, SetGuard
from edge.domain.changes.messages.message_commands import CancelMessage, CreateMessage, SetMessageCaps
from edge.domain.model import Bundle, Digest, Policy, Retired
from edge.domain.plugin import Prefer
from edge.domain.schedule.durations import format_moment
from edge.domain.schedule.rollout import Move

COMMAND_ID_LIMIT = 64  # characters
NOTHING = "nothing"  # what a channel without a bundle offers, in `if_current`


class _Command(msgspec.Struct, frozen=True, tag_field="kind"):
    """Each command states its tag: revisions hold it, so it outlives the name of the class."""


class _Settings(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What to change; what is UNSET stays."""


class ChannelSettings(_Settings, frozen=True, kw_only=True):
    """What to change of a channel. `bundle` is a version or `builtin`; `prefer` None: what the node prefers."""

    bundle: str | UnsetType = UNSET
    public: bool | UnsetType = UNSET
    self_set: bool | UnsetType = UNSET
    test: bool | UnsetType = UNSET
    ios: bool | UnsetType = UNSET
    android: bool | UnsetType = UNSET
    electron: bool | UnsetType = UNSET
    emulator: bool | UnsetType = UNSET
    device: bool | UnsetType = UNSET
    dev: bool | UnsetType = UNSET
    prod: bool | UnsetType = UNSET
    policy: Policy | UnsetType = UNSET
    block_under_native: bool | UnsetType = UNSET
    windows: tuple[str, ...] | UnsetType = UNSET
    rollback_passes: bool | UnsetType = UNSET
    spread_seconds: int | UnsetType = UNSET
    prefer: Prefer | UnsetType | None = UNSET


class CreateApp(_Command, frozen=True, kw_only=True, tag="create_app"):
    """`expose_metadata` sends a bundle's link and comment to devices."""

    app: str
    expose_metadata: bool = False


class DeleteApp(_Command, frozen=True, kw_only=True, tag="delete_app"):
    """Deletes everything in the app; version names stay taken."""

    app: str


class MakeEventKey(_Command, frozen=True, kw_only=True, tag="make_event_key"):
    """From now on the app's own events need this `key`, which the node draws; a former one is taken for `keep_seconds`
    more."""

    key: str
    keep_seconds: int


class RemoveEventKeys(_Command, frozen=True, kw_only=True, tag="remove_event_keys"):
    """The app's own events are taken without a key."""


class Meant(msgspec.Struct, frozen=True, kw_only=True):
    """Confirmations of what is usually an accident. `downgrade`: a version below the one that the channel offers;
    `again`: one that it was rolled back from."""

    downgrade: bool = False
    again: bool = False


class Replacing(Meant, frozen=True, kw_only=True):
    """The terms for giving a channel another bundle. `force`: end its rollout and its experiment; `if_current`: only if
    it offers that version, `builtin` or NOTHING."""

    force: bool = False
    if_current: str | None = None


class RolloutTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a rollout goes that a publish starts: as the fields of `StartRollout`."""

    steps: tuple[int, ...]
    every_seconds: int = 0
    segments: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    hold_out: int = 0
    hold_out_group: str = "control"


class PublishBundle(Replacing, _Command, frozen=True, kw_only=True, tag="publish_bundle"):
    """Add a bundle and, with `channel`, offer it there in the same change: to all devices, or as `rollout` says."""

    bundle: Bundle
    channel: str | None = None
    rollout: RolloutTerms | None = None


class DeleteBundle(_Command, frozen=True, kw_only=True, tag="delete_bundle"):
    """Refused while a channel offers it."""

    version: str


class PruneBundles(_Command, frozen=True, kw_only=True, tag="prune_bundles"):
    """Delete all but the newest `keep` bundles and those that a channel needs."""

    keep: int


class CreateChannel(_Command, frozen=True, kw_only=True, tag="create_channel"):
    """`replace` takes over platforms from the channel that is public now."""

    name: str
    settings: ChannelSettings = ChannelSettings()
    replace: bool = False


class SetChannel(Replacing, _Command, frozen=True, kw_only=True, tag="set_channel"):
    """Settings that are not given stay as they are; `replace` as in `CreateChannel`."""

    name: str
    settings: ChannelSettings
    replace: bool = False


class DeleteChannel(_Command, frozen=True, kw_only=True, tag="delete_channel"):
    """Refused while something leads to it."""

    name: str


class SetOverride(_Command, frozen=True, kw_only=True, tag="set_override"):
    """Sends one device to a channel, past segments and choices."""

    device: str
    channel: str


class ClearOverride(_Command, frozen=True, kw_only=True, tag="clear_override"):
    """The rules apply to the device again."""

    device: str


class WithdrawBundle(_Command, frozen=True, kw_only=True, tag="withdraw_bundle"):
    """Never offer it again; devices that run it return to the last good bundle."""

    version: str
    reason: str


class RollBack(_Command, frozen=True, kw_only=True, tag="roll_back"):
    """End the channel's rollout and experiment; with `to`, a version or `builtin`, also offer that. Without `to`, and
    with neither in progress, offer the last good bundle."""

    channel: str
    to: str | None = None


class SegmentSettings(_Settings, frozen=True, kw_only=True):
    """What to change of a segment. `channel` None: it leads to no channel any more; `leave` None: a device is in just
    as long as `where` is true."""

    where: str | UnsetType = UNSET
    channel: str | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    yield_to_self_set: bool | UnsetType | None = UNSET
    leave: str | UnsetType | None = UNSET


class SetSegment(_Command, frozen=True, kw_only=True, tag="set_segment"):
    """Create a segment, which needs `where`, or change it."""

    name: str
    settings: SegmentSettings


class DeleteSegment(_Command, frozen=True, kw_only=True, tag="delete_segment"):
    """Refused while a rollout or an experiment uses it."""

    name: str


class PutIdSet(_Command, frozen=True, kw_only=True, tag="put_id_set"):
    """Create or replace an id set. `blob`, its encoded ids, is in the store already."""

    name: str
    blob: Digest
    ids: int


class DeleteIdSet(_Command, frozen=True, kw_only=True, tag="delete_id_set"):
    """Refused while an expression uses it."""

    name: str


class StartRollout(Meant, _Command, frozen=True, kw_only=True, tag="start_rollout"):
    """See `model.Rollout`; shares are in thousandths of a percent."""

    channel: str
    bundle: str
    steps: tuple[int, ...]
    every_seconds: int = 0
    segments: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    hold_out: int = 0
    hold_out_group: str = "control"


class MoveRollout(_Command, frozen=True, kw_only=True, tag="move_rollout"):
    """One step in the life cycle of the channel's rollout; see `Move`."""

    channel: str
    move: Move


class NewArm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`weight` is in thousandths of a percent; `windows`, `spread_seconds` and `segment` are the arm's own."""

    name: str
    bundle: str
    weight: int
    windows: tuple[str, ...] = ()
    spread_seconds: int = 0
    segment: str | None = None


class StartExperiment(Meant, _Command, frozen=True, kw_only=True, tag="start_experiment"):
    """The shares of the arms add up to 100%; without `segment`, all devices of the channel take part. `question` is
    what it asks, in words; without `measures`, it measures what is usual for its kind."""

    channel: str
    name: str
    arms: tuple[NewArm, ...]
    segment: str | None = None
    question: str = ""
    measures: tuple[str, ...] = ()


class StopExperiment(_Command, frozen=True, kw_only=True, tag="stop_experiment"):
    """Offer the bundle of the arm `keep` to all devices on the channel."""

    channel: str
    keep: str


class AcceptRestored(_Command, frozen=True, kw_only=True, tag="accept_restored"):
    """The app went back with its store, from revision `seen`, and an operator accepted that. `names` are versions that
    the node remembers and the restored state does not have so; `lost`: the app was not there yet."""

    app: str
    seen: int
    names: dict[str, Retired] = {}
    lost: bool = False


class Undo(_Command, frozen=True, kw_only=True, tag="undo"):
    """Take back the change that made `revision`, which must be the app's latest. `force`: even if that resumes what
    was stopped. `latest`: the request named no revision; it is the latest at its arrival."""

    revision: int
    force: bool = False
    latest: bool = False


Command = (
    CreateApp
    | DeleteApp
    | MakeEventKey
    | RemoveEventKeys
    | MakeFeatureKey
    | RemoveFeatureKeys
    | PublishBundle
    | DeleteBundle
    | PruneBundles
    | WithdrawBundle
    | CreateChannel
    | SetChannel
    | DeleteChannel
    | RollBack
    | SetOverride
    | ClearOverride
    | SetSegment
    | DeleteSegment
    | PutIdSet
    | DeleteIdSet
    | SetFeature
    | SwitchFeature
    | DeleteFeature
    | StartFeatureExperiment
    | StopFeatureExperiment
    | CreateMessage
    | CancelMessage
    | SetMessageCaps
    | StartRollout
    | MoveRollout
    | StartExperiment
    | StopExperiment
    | SetGuard
    | GuardActs
    | SetApproval
    | StartFreeze
    | EndFreeze
    | Propose
    | ApproveProposal
    | RejectProposal
    | WithdrawProposal
    | Undo
    | AcceptRestored
)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A command, its id, when in seconds since the epoch, the name of the token that made it, and why, in its words.

    As it is recorded, one that was proposed is `by` its author and `approved_by` others; an `emergency` passed although
    it would need approval."""

    id: str
    at: float
    by: str
    command: Command
    reason: str = ""
    approved_by: tuple[str, ...] | UnsetType = UNSET
    proposal: str | UnsetType = UNSET
    emergency: bool | UnsetType = UNSET


def kind_of(command: Command) -> str:
    """The stored tag of a command: `publish_bundle`."""
    return str(command.__struct_config__.tag)


def target_of(command: Command) -> str:
    """What the command acts on: a version, or the name of a channel, a segment or a device, for people to read."""
    match command:
        case CreateApp() | DeleteApp() | AcceptRestored():
            return command.app
        case PruneBundles():
            return f"all but the newest {command.keep}"
        case PublishBundle():
            return command.bundle.version
        case DeleteBundle() | WithdrawBundle():
            return command.version
        case SetOverride() | ClearOverride():
            return command.device
        case (
            RollBack()
            | StartRollout()
            | MoveRollout()
            | StartExperiment()
            | StopExperiment()
            | SetGuard()
            | GuardActs()
        ):
            return command.channel
        case StartFeatureExperiment() | StopFeatureExperiment():
            return command.feature
        case Undo():
            return str(command.revision)
        case SetApproval():
            return command.channel
        case StartFreeze():
            return f"until {format_moment(command.ends)}"
        case EndFreeze():
            return command.freeze
        case Propose():
            return f"{command.what} {command.target}"
        case ApproveProposal() | RejectProposal() | WithdrawProposal():
            return command.proposal
        case MakeEventKey():
            return command.key
        case CreateMessage():
            return command.segment or command.where or "all devices"
        case CancelMessage():
            return command.message
        case SetMessageCaps():
            return f"{command.per_day} a day"
        case RemoveEventKeys():
            return "all event keys"
        case MakeFeatureKey():
            return command.shown
        case RemoveFeatureKeys():
            return "all feature keys of servers" if command.server else "all feature keys"
        case _:
            return command.name
