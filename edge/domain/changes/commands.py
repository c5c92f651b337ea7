"""Every change people make to an app, as values: what a revision stores of how it came about.

A change's fields are what somebody asked for, not checked yet: `apply` does that, and carries it out.
"""

import msgspec
from msgspec import UNSET, UnsetType

from edge.domain.model import Bundle, Digest, Policy
from edge.domain.schedule.rollout import Move

COMMAND_ID_LIMIT = 64  # characters
NOTHING = "nothing"  # what a channel without a bundle offers, in `if_current`


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What to change of a channel; what is UNSET stays. `bundle` is a version or `builtin`."""

    bundle: str | UnsetType = UNSET
    public: bool | UnsetType = UNSET
    self_set: bool | UnsetType = UNSET
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


class CreateApp(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="create_app"):
    app: str
    expose_metadata: bool = False


class DeleteApp(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="delete_app"):
    app: str


class Meant(msgspec.Struct, frozen=True, kw_only=True):
    """What is most often an accident, and meant here: `downgrade`, a version below the one that the channel offers;
    `again`, one that it went back from."""

    downgrade: bool = False
    again: bool = False


class Replacing(Meant, frozen=True, kw_only=True):
    """On which terms a channel gets another bundle. `force` ends a rollout and an experiment on it; `if_current`, a
    version, `builtin` or NOTHING: only if it offers that."""

    force: bool = False
    if_current: str | None = None


class PublishBundle(Replacing, frozen=True, kw_only=True, tag_field="kind", tag="publish_bundle"):
    """Add a bundle and, with `channel`, offer it there in the same change."""

    bundle: Bundle
    channel: str | None = None


class DeleteBundle(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="delete_bundle"):
    version: str


class PruneBundles(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="prune_bundles"):
    """Delete what is older than the newest `keep` bundles, except for what a channel needs."""

    keep: int


class CreateChannel(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="create_channel"):
    name: str
    settings: ChannelSettings = ChannelSettings()
    replace: bool = False


class SetChannel(Replacing, frozen=True, kw_only=True, tag_field="kind", tag="set_channel"):
    name: str
    settings: ChannelSettings
    replace: bool = False


class DeleteChannel(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="delete_channel"):
    name: str


class SetOverride(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="set_override"):
    device: str
    channel: str


class ClearOverride(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="clear_override"):
    device: str


class WithdrawBundle(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="withdraw_bundle"):
    """Never offer it again anywhere; devices on it are moved to the last good."""

    version: str
    reason: str


class RollBack(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="roll_back"):
    """End what is on its way to the channel; with `to`, a version or `builtin`, offer that. Without either, and with
    nothing on its way: the last good."""

    channel: str
    to: str | None = None


class SegmentSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What to change of a segment; what is UNSET stays. A None of `channel` takes it away."""

    where: str | UnsetType = UNSET
    channel: str | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    yield_to_self_set: bool | UnsetType | None = UNSET


class SetSegment(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="set_segment"):
    """Make a segment, which needs `where`, or change it."""

    name: str
    settings: SegmentSettings


class DeleteSegment(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="delete_segment"):
    name: str


class PutIdSet(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="put_id_set"):
    """Make an id set or replace it. `blob` was written before by whoever encoded the ids."""

    name: str
    blob: Digest
    ids: int


class DeleteIdSet(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="delete_id_set"):
    name: str


class StartRollout(Meant, frozen=True, kw_only=True, tag_field="kind", tag="start_rollout"):
    """See `model.Rollout`; shares in thousandths of a percent."""

    channel: str
    bundle: str
    steps: tuple[int, ...]
    every_seconds: int = 0
    segments: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    hold_out: int = 0
    hold_out_group: str = "control"


class MoveRollout(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="move_rollout"):
    channel: str
    move: Move


class NewArm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`weight` in thousandths of a percent."""

    name: str
    bundle: str
    weight: int


class StartExperiment(Meant, frozen=True, kw_only=True, tag_field="kind", tag="start_experiment"):
    channel: str
    name: str
    arms: tuple[NewArm, ...]
    segment: str | None = None


class StopExperiment(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="stop_experiment"):
    """The channel offers `keep`'s bundle to everybody from now on."""

    channel: str
    keep: str


class Undo(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="undo"):
    """Take back what made `revision`, which must be the app's latest. `force`: also if that was a stop. `latest`:
    nobody named the revision; it is the one that was the latest when the request arrived."""

    revision: int
    force: bool = False
    latest: bool = False


Command = (
    CreateApp
    | DeleteApp
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
    | StartRollout
    | MoveRollout
    | StartExperiment
    | StopExperiment
    | Undo
)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A command with its circumstances. `at` is seconds since the epoch, `by` the name of the token."""

    id: str
    at: float
    by: str
    command: Command


def kind_of(command: Command) -> str:
    """The stable name of a command, as stored: `publish_bundle`."""
    return str(command.__struct_config__.tag)


def target_of(command: Command) -> str:
    """What the command is about, by name: a version, a channel, a device, a revision."""
    match command:
        case CreateApp() | DeleteApp():
            return command.app
        case PruneBundles():
            return f"all but the newest {command.keep}"
        case PublishBundle():
            return command.bundle.version
        case DeleteBundle() | WithdrawBundle():
            return command.version
        case SetOverride() | ClearOverride():
            return command.device
        case RollBack() | StartRollout() | MoveRollout() | StartExperiment() | StopExperiment():
            return command.channel
        case Undo():
            return str(command.revision)
        case _:
            return command.name
