"""Acts on an app's history, on single devices and on bundles, planned from an address and the fields of a form. Pure.

Those on a device's facts have no dry run, since they are no change of the app: their plans say whom they touch.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.control.shapes.apps import PutBackRequest
from edge.control.shapes.devices import OverrideRequest
from edge.domain.errors import Invalid, NotFound
from edge.domain.model import parse_device_id, parse_version_name
from edge.page.acts.confirmation import AskInput, Touch
from edge.page.acts.moves import Act
from edge.page.acts.plans import ActPlan
from edge.page.words.numbers import named

PUT_BACK = Act("put-back", "put_back", "Put back", "Putting back")
LIFT = Act("lift", "lift_withheld", "Offer again", "Offering again")
ERASE = Act("erase", "erase_device", "Forget this device", "Forgetting", danger=True, apart=True)
OVERRIDE = Act("override", "set_override", "Send to a channel", "Sending")
CLEAR = Act("clear-override", "clear_override", "Let the rules decide", "Clearing")
DELETE_SEGMENT = Act("delete-segment", "delete_segment", "Delete", "Deleting", danger=True, apart=True)
DELETE_BUNDLE = Act("delete", "delete_bundle", "Delete", "Deleting", danger=True, apart=True)

_SHOWN_ID = 8  # characters of a device's id in a sentence
_ERASED = (
    Touch("1", "device: its choice, what failed on it, its story here, how it is used. At its next check it is new."),
    Touch("not", "its override, the counts that it is part of, and nothing on the device itself."),
)


def plan_put_back(app: str, revision: int, title: str) -> ActPlan:
    """`title` is what the change did, in words."""
    return ActPlan(
        act=PUT_BACK,
        parts={"app": app},
        question=f"Put back what r{revision} changed? {title}",
        verb="Put it back",
        command=_command("edge put-back", app, str(revision)),
        done=f"r{revision} put back",
        body=PutBackRequest(revision=revision),
    )


def plan_device_act(name: str, app: str, fields: Mapping[str, str], channels: Sequence[str]) -> ActPlan | None:
    """None: `name` is no act on a device. Raises Invalid `missing_field`, `invalid_device_id`."""
    make = _ON_DEVICES.get(name)
    return None if make is None else make(app, parse_device_id(_given(fields, "device")), fields, channels)


def _plan_lift(app: str, device: str, fields: Mapping[str, str], channels: Sequence[str]) -> ActPlan:
    version = parse_version_name(_given(fields, "version"))
    return ActPlan(
        act=LIFT,
        parts={"app": app, "device": device, "version": version},
        question=f"Offer {named(version)} to this device again?",
        verb="Offer it again",
        command=_command("edge device lift", app, device, version),
        done=f"{named(version)} can be offered to device {device[:_SHOWN_ID]}… again",
        touches=(Touch("1", "device. It failed there before; it is offered again what its channel offers."),),
        undoable=False,
    )


def _plan_erase(app: str, device: str, fields: Mapping[str, str], channels: Sequence[str]) -> ActPlan:
    return ActPlan(
        act=ERASE,
        parts={"app": app, "device": device},
        question="Forget this device?",
        verb="Forget it",
        command=_command("edge device erase", app, device),
        done=f"device {device[:_SHOWN_ID]}… forgotten",
        touches=_ERASED,
        typed=device,
        undoable=False,
    )


def _plan_override(app: str, device: str, fields: Mapping[str, str], channels: Sequence[str]) -> ActPlan:
    channel = fields.get("channel", "")
    question = f"Send this device to {named(channel)}?" if channel else "Send this device to a channel"
    asked: tuple[AskInput, ...] = ()
    if not channel:
        choices = [(each, named(each)) for each in channels]
        asked = (
            AskInput(name="device", label="Device", value=device, required=True),
            AskInput(name="channel", label="Channel", choices=choices, required=True),
        )
    return ActPlan(
        act=OVERRIDE,
        parts={"app": app, "device": device},
        question=question,
        verb=f"Send it to {named(channel)}" if channel else "What would that change?",
        command=_command("edge override set", app, device, channel),
        done=f"device {device[:_SHOWN_ID]}… sent to {named(channel)}",
        body=OverrideRequest(channel=channel),
        fields={"device": device, "channel": channel},
        asked=asked,
    )


def _plan_clear(app: str, device: str, fields: Mapping[str, str], channels: Sequence[str]) -> ActPlan:
    return ActPlan(
        act=CLEAR,
        parts={"app": app, "device": device},
        question="Let the rules decide for this device again?",
        verb="Let the rules decide",
        command=_command("edge override clear", app, device),
        done=f"override of device {device[:_SHOWN_ID]}… cleared",
        fields={"device": device},
    )


def plan_delete_segment(app: str, name: str) -> ActPlan:
    return ActPlan(
        act=DELETE_SEGMENT,
        parts={"app": app, "name": name},
        question=f"Delete the segment {named(name)}?",
        verb=f"Delete {named(name)}",
        command=_command("edge segment delete", app, name),
        done=f"segment {named(name)} deleted",
        fields={"segment": name},
    )


def plan_delete_bundle(app: str, version: str) -> ActPlan:
    return ActPlan(
        act=DELETE_BUNDLE,
        parts={"app": app, "version": version},
        question=f"Delete {named(version)}? Its name stays used up.",
        verb=f"Delete {named(version)}",
        command=_command("edge bundle delete", app, version),
        done=f"{named(version)} deleted",
    )


Maker = Callable[[str, str, Mapping[str, str], Sequence[str]], ActPlan]
_ON_DEVICES: Mapping[str, Maker] = {
    LIFT.name: _plan_lift,
    ERASE.name: _plan_erase,
    OVERRIDE.name: _plan_override,
    CLEAR.name: _plan_clear,
}


def revision_of(fields: Mapping[str, str]) -> int:
    """The revision whose change is put back. Raises NotFound `unknown_revision`."""
    given = fields.get("of", "")
    if not (given.isascii() and given.isdigit() and len(given) <= 15):
        raise NotFound("unknown_revision", "this address names no revision")
    return int(given)


def _given(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not value:
        raise Invalid("missing_field", f"this address names no {name}")
    return value


def _command(verb: str, *args: Any) -> str:
    return f"{verb} {shlex.join(args)}"
