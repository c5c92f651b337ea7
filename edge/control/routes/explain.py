"""Why a device gets what it gets, for an update check given as a body or as parameters.

What the parameters leave out comes from the device's latest report that this node still holds, or else from DEFAULTS.
The answer shows the complete check.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from edge.control.access.roles import Permission
from edge.control.calls import Call, check_app
from edge.control.operations import Operation
from edge.control.segment_trial import check_same_app
from edge.control.shapes.devices import Explanation
from edge.control.uploads import decode_body
from edge.control.work_queue import LOOKS
from edge.domain.errors import Invalid
from edge.domain.model import parse_device_id
from edge.wire.plugins.capabilities import NEWEST_PLUGIN
from edge.wire.updates import fields_of

COUNTRY = "country"  # sent by a proxy, not by a device
FLAGS = ("is_prod", "is_emulator")
TEXTS = (
    "device_id",
    "platform",
    "version_name",
    "version_build",
    "plugin_version",
    "defaultChannel",
    "custom_id",
    "key_id",
    "version_os",
    "install_source",
)
EXPLAIN_QUERY = (*TEXTS, *FLAGS, COUNTRY)
# A fresh installation from a store: on builtin, with the newest plugin.
DEFAULTS: Mapping[str, Any] = {
    "platform": "android",
    "version_name": "builtin",
    "version_build": "1.0.0",
    "plugin_version": NEWEST_PLUGIN,
}

_FLAG_VALUES = {"true": True, "false": False}


class _AppOfBody(msgspec.Struct):
    app_id: str = ""


async def handle_explain_body(call: Call[msgspec.Raw]) -> Explanation:
    """Raises Invalid `app_mismatch` if the device's body is for another app than the address."""
    await check_app(call)
    body = bytes(call.body)
    check_same_app(decode_body(body, _AppOfBody).app_id, call.app)
    country = parse_country(call.request.query.get(COUNTRY, ""))
    async with call.request.app[LOOKS].turn():
        return await call.ports.explaining.explain(call.app, body, country)


async def handle_explain(call: Call[None]) -> Explanation:
    """Raises Invalid `invalid_boolean`, `invalid_country`, and what an invalid body raises."""
    await check_app(call)
    given = parse_question(call.request.query)
    country = parse_country(str(given.pop(COUNTRY, "")))
    known = None
    if "device_id" in given:
        known = await call.ports.known_devices.reported(call.app, parse_device_id(given["device_id"]))
    asked = {**DEFAULTS, **(fields_of(known.check) if known else {}), **given, "app_id": call.app}
    async with call.request.app[LOOKS].turn():
        explained = await call.ports.explaining.explain(call.app, msgspec.json.encode(asked), country)
    return msgspec.structs.replace(explained, reported=known.reported if known else None)


def parse_question(query: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a device's body that the parameters give. Raises Invalid `invalid_boolean`."""
    return {name: _parse_flag(name, text) if name in FLAGS else text for name, text in query.items()}


def parse_country(text: str) -> str:
    """Two letters, in capitals, or empty. Raises Invalid `invalid_country`."""
    if text and not (len(text) == 2 and text.isascii() and text.isalpha()):
        raise Invalid("invalid_country", f"invalid country {text[:8]!r}: use a two-letter code")
    return text.upper()


def _parse_flag(name: str, text: str) -> bool:
    if text not in _FLAG_VALUES:
        raise Invalid("invalid_boolean", f"invalid {name} {text[:16]!r}: use true or false")
    return _FLAG_VALUES[text]


OPERATIONS = (
    Operation(
        name="explain",
        method="POST",
        path="/v1/apps/{app}/explain",
        summary="Explain a device's update check: every rule that it meets, and the answer",
        permission=Permission.LOOK_UP_DEVICES,
        handle=handle_explain_body,
        answer=Explanation,
        body=msgspec.Raw,
        query=(COUNTRY,),
    ),
    Operation(
        name="explain_device",
        method="GET",
        path="/v1/apps/{app}/explain",
        summary="Explain an update check given in parameters; the device's latest report fills in the rest",
        permission=Permission.LOOK_UP_DEVICES,
        handle=handle_explain,
        answer=Explanation,
        query=EXPLAIN_QUERY,
    ),
)
