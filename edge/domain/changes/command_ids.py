"""A command id stands for one command by one author. Pure.

A repeat with the same content is harmless; anything else under the same id is the caller's mistake, and the error
states what the id was first used for. Requests are compared, not their results: times and salts are added later.
"""

import enum
import hashlib
from dataclasses import fields, is_dataclass, replace
from typing import Any

import msgspec
from msgspec import NODEFAULT

from edge.domain.changes.approving.approval_commands import ApproveProposal, Propose
from edge.domain.changes.commands import (
    COMMAND_ID_LIMIT,
    Change,
    Command,
    MakeEventKey,
    PublishBundle,
    Undo,
    kind_of,
    target_of,
)
from edge.domain.changes.features.feature_key_commands import MakeFeatureKey
from edge.domain.errors import Conflict, Invalid
from edge.domain.model import AppState, UsedId
from edge.domain.schedule.durations import format_moment

RECENT_LIMIT = 256  # command ids an app remembers; a retry comes within seconds


_PROPOSED = str(Propose.__struct_config__.tag)
_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


class Repeated(enum.Enum):
    """What a change was before."""

    NO = "no"
    MADE = "made"
    PROPOSED = "proposed"  # it waits, or waited, for approval


def proposed_command(text: str) -> Command:
    """Of a proposal."""
    return _decoder.decode(text)


def is_repeat(state: AppState | None, change: Change) -> Repeated:
    """Whether this change was carried out or proposed before. Raises Invalid `invalid_command_id`, and Conflict
    `command_id_used` if its id was used for another one."""
    if not 0 < len(change.id) <= COMMAND_ID_LIMIT:
        raise Invalid("invalid_command_id", f"a command id must have 1 to {COMMAND_ID_LIMIT} characters")
    for used in state.recent if state is not None else ():
        if used == change.id:
            return Repeated.MADE  # from format 1, which kept nothing but the id
        if isinstance(used, UsedId) and used.id == change.id:
            if used.digest == command_digest(change.command, change.by):
                waits = used.kind == _PROPOSED and not isinstance(change.command, Propose)
                return Repeated.PROPOSED if waits else Repeated.MADE
            raise Conflict(
                "command_id_used",
                f"the id {used.id!r} was first used for {used.kind} {used.target!r} by {used.by!r} "
                f"at {format_moment(used.at)}; use a new id for another change",
            )
    return Repeated.NO


def remember(recent: tuple[UsedId | str, ...], change: Change) -> tuple[UsedId | str, ...]:
    """The latest RECENT_LIMIT ids, the change's last."""
    command = change.command
    digest = command_digest(command, change.by)
    used = UsedId(change.id, digest, kind_of(command), target_of(command), change.by, change.at)
    return (*recent, used)[-RECENT_LIMIT:]


def command_digest(command: Command, by: str) -> str:
    """32 hexadecimal characters. Defaults are left out, so that a later version, which adds a setting to a command,
    still recognises a repeat from before."""
    if isinstance(command, Propose):
        command = proposed_command(
            command.asked or command.command
        )  # what was requested; that it waits is the node's doing
    if isinstance(command, ApproveProposal):
        command = msgspec.structs.replace(command, gone=())  # looked up, not requested
    if isinstance(command, Undo) and command.latest:
        command = msgspec.structs.replace(command, revision=0)  # looked up, not requested
    if isinstance(command, PublishBundle):  # the node derives these from the files
        command = msgspec.structs.replace(command, bundle=replace(command.bundle, names=None, plain_files=False))
    if isinstance(command, MakeEventKey):
        command = msgspec.structs.replace(command, key="")  # drawn, not requested
    if isinstance(command, MakeFeatureKey):
        command = msgspec.structs.replace(command, digest="", shown="")  # likewise
    said = msgspec.json.encode([by, kind_of(command), _said(command)], order="deterministic")
    return hashlib.sha256(said).hexdigest()[:32]


def _said(value: Any) -> Any:
    """The value without the fields that have their defaults."""
    match value:
        case msgspec.Struct():
            defaults = {field.name: _default(field) for field in msgspec.structs.fields(value)}
        case tuple() | list():
            return [_said(each) for each in value]
        case _ if is_dataclass(value):
            defaults = {field.name: field.default for field in fields(value)}
        case _:
            return value
    held = {name: getattr(value, name) for name in defaults}
    return {name: _said(each) for name, each in held.items() if each != defaults[name]}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()
