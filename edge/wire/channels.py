"""`/channel_self`: requests to `ChannelSelfRequest`, outcomes to bytes (PROTOCOL.md §3).

iOS decodes strictly: texts are texts, `allowSet` is a boolean, `id` an integer, and no answer has a null. Every answer
is a 200 unless the request is malformed; `unset`, which makes a plugin drop its own choice, is never sent. The Electron
package has its verb in an `action` and reads other members (PROTOCOL.md §3.8).
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from edge.domain.decision.channel_choice import (
    Allowed,
    ChannelSelfOutcome,
    ChannelSelfReason,
    ChannelSelfRefused,
    ChannelSelfRequest,
    ChannelSelfVerb,
    Default,
    Forget,
    Listed,
    Overridden,
    Store,
    Unchanged,
)
from edge.domain.errors import Invalid
from edge.domain.model import AppId, Channel, ChannelName, Platform, parse_app_id, parse_device_id
from edge.domain.versions import VERSION_LIMIT
from edge.wire.body import BODY_LIMIT_BYTES, WireError, encode_json, require_size, valid_text
from edge.wire.fields import (
    INSTALL_SOURCE_LIMIT,
    KEY_ID_LIMIT,
    FieldRule,
    Schema,
    app_id_rule,
    boolean_rule,
    checked_fields,
    device_id_rule,
    platform_rule,
    text_rule,
)
from edge.wire.members import FLAG, TEXT, Members, start_of
from edge.wire.plugins.capabilities import capability, platform_of

VERBS = {
    "POST": ChannelSelfVerb.SET,
    "PUT": ChannelSelfVerb.GET,
    "DELETE": ChannelSelfVerb.UNSET,
    "GET": ChannelSelfVerb.LIST,
}
CHANNEL_NUMBER_LIMIT = 2**31  # so that numbers are integers wherever an app stores them

_BOOLEANS = {"true": True, "false": False}
_BOOLEAN_FIELDS = ("is_emulator", "is_prod")


def parse_channel_request(method: str, body: bytes, query: Sequence[tuple[str, str]]) -> ChannelSelfRequest:
    """`query` is decoded and in order. POST and PUT read the body, GET the query, DELETE both: the body takes
    precedence, either is enough (HTTP stacks of old plugins drop the body of a DELETE, PROTOCOL.md §3.1).

    Raises WireError: 405 `method_not_allowed`; 413 `body_too_large`; 400 `invalid_json_parse_body`,
    `missing_device_id`, `missing_app_id`, and for the rest `invalid_json_body` (POST, PUT) or
    `invalid_query_parameters`. A missing `channel` is an outcome, not a malformed request, and the native version,
    which decides nothing here, may be any text or missing (PROTOCOL.md §1.3.1).
    """
    require_size(body, BODY_LIMIT_BYTES)
    match VERBS.get(method):
        case ChannelSelfVerb.SET | ChannelSelfVerb.GET as verb:
            return _request_of(verb, checked_fields(_members.read(body), _BODY_SCHEMA))
        case ChannelSelfVerb.UNSET:
            return _request_of(ChannelSelfVerb.UNSET, checked_fields(_both(body, query), _DELETE_SCHEMA))
        case ChannelSelfVerb.LIST:
            return _request_of(ChannelSelfVerb.LIST, checked_fields(_query_fields(query) or None, _LIST_SCHEMA))
        case _:
            raise WireError(405, "method_not_allowed", "Method not allowed")


def encode_channel_answer(outcome: ChannelSelfOutcome, request: ChannelSelfRequest) -> bytes:
    """The body of a 200. What the outcome requires to be stored must be stored before."""
    electron = request.platform is Platform.ELECTRON
    match outcome:
        case Store() | Forget() | Unchanged():
            return encode_json({"status": "ok"})
        case Allowed():
            return encode_json({"status": "ok", _may_set_member(electron): True})
        case Overridden(channel, may_set):
            return encode_json({"channel": channel, "status": "override", _may_set_member(electron): may_set})
        case Default(channel, may_set):
            answer: dict[str, object] = {"channel": channel, "status": "default"}
            return encode_json(answer | {_may_set_member(electron): may_set} if electron else answer)
        case Listed(channels, names):
            numbers = channel_numbers(names)
            entries = [_listed(channel, numbers[channel.name]) for channel in channels]
            return encode_json({"channels": entries} if electron else entries)
        case ChannelSelfRefused(reason, channel):
            return _refusal(_refused(reason, channel, request.app), electron)


def encode_too_many(request: ChannelSelfRequest) -> bytes:
    """The body of a 200 for a device above the rate limit: a 429 would also silence its checks and reports (§1.9).

    Every release only passes it to its app as a failed call.
    """
    answer: dict[str, object] = {"error": "too_many_requests", "message": "Too many requests"}
    return _refusal(answer, request.platform is Platform.ELECTRON)


def channel_numbers(names: Iterable[ChannelName]) -> dict[ChannelName, int]:
    """A number for each channel of an app, derived from its name, so that it stays when others come and go.

    Colliding names are resolved in the order of the names.
    """
    numbers: dict[ChannelName, int] = {}
    taken: set[int] = set()
    for name in sorted(names):
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % CHANNEL_NUMBER_LIMIT
        while number in taken:
            number = (number + 1) % CHANNEL_NUMBER_LIMIT
        numbers[name] = number
        taken.add(number)
    return numbers


def _listed(channel: Channel, number: int) -> dict[str, object]:
    return {"id": number, "name": channel.name, "public": channel.public, "allow_self_set": channel.self_set}


def _may_set_member(electron: bool) -> str:
    return "allow_set" if electron else "allowSet"


def _refused(reason: ChannelSelfReason, channel: str, app: AppId) -> dict[str, object]:
    if reason is ChannelSelfReason.UNKNOWN_APP:
        return {"error": reason.code, "kind": "blocked"}  # the bytes of PROTOCOL.md §10
    answer: dict[str, object] = {"error": reason.code, "message": reason.message}
    return answer | {"channel": channel, "app_id": app} if channel else answer


def _refusal(answer: dict[str, object], electron: bool) -> bytes:
    # Electron takes a 200 without `status` for success, even with an `error` (§3.8).
    return encode_json({"status": "error"} | answer if electron else answer)


def _request_of(verb: ChannelSelfVerb, fields: dict[str, Any]) -> ChannelSelfRequest:
    plugin_version = fields.get("plugin_version", "")
    platform = platform_of(Platform(fields["platform"]), plugin_version)
    if platform is Platform.ELECTRON:
        verb = _verb_of_electron(verb, fields.get("action"))
    device = fields.get("device_id")
    return ChannelSelfRequest(
        verb=verb,
        app=parse_app_id(fields["app_id"]),
        device=parse_device_id(device) if device else None,
        platform=platform,
        plugin_version=plugin_version,
        keeps_choice=_keeps_choice(platform, plugin_version),
        channel=fields.get("channel", ""),
        default_channel=fields.get("defaultChannel", ""),
        is_prod=fields.get("is_prod", True),
        is_emulator=fields.get("is_emulator", False),
    )


def _verb_of_electron(verb: ChannelSelfVerb, action: object) -> ChannelSelfVerb:
    """Electron has two methods and an `action` for its four calls (PROTOCOL.md §3.8)."""
    if verb is ChannelSelfVerb.SET and action == "unset":
        return ChannelSelfVerb.UNSET
    return ChannelSelfVerb.GET if verb is ChannelSelfVerb.LIST and action != "list" else verb


def _keeps_choice(platform: Platform, plugin_version: str) -> bool:
    if not plugin_version or platform is Platform.ELECTRON:
        return True  # as in the protocol; nothing is stored for a device without a plugin version
    try:
        return capability("channel_choice_kept_on_device", platform, plugin_version) == "yes"
    except Invalid:
        return False  # an invalid version counts as the oldest release


def _both(body: bytes, query: Sequence[tuple[str, str]]) -> dict[str, Any] | None:
    fields = _query_fields(query)
    if not body.strip():
        return fields or None
    sent = _members.read(body)
    if sent is None and start_of(body) != b"{":
        return None  # not an object
    return fields | (sent or {}) or None


def _query_fields(query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The first value of each known name, with valid booleans converted and empty ones dropped."""
    fields: dict[str, Any] = {}
    for name, text in query:
        if name in _NAMES and name not in fields:
            fields[name] = valid_text(text)
    for name in _BOOLEAN_FIELDS:
        text = fields.pop(name, "")
        if text:
            fields[name] = _BOOLEANS.get(text, text)
    return fields


def _optional_device_rule(value: object) -> str:
    return "" if value == "" else device_id_rule(value)


_OPTIONAL: dict[str, FieldRule] = {
    "is_emulator": boolean_rule,
    "is_prod": boolean_rule,
    "defaultChannel": text_rule("defaultChannel"),
    "channel": text_rule("channel"),
    "plugin_version": text_rule("plugin_version"),
    "version_build": text_rule("Version build"),
    "install_source": text_rule("install_source", INSTALL_SOURCE_LIMIT),
    "key_id": text_rule("key_id", KEY_ID_LIMIT),
}


def _device_schema(code: str, message: str) -> Schema:
    return Schema(
        code=code,
        message=message,
        required={
            "app_id": ("App ID", app_id_rule),
            "device_id": ("Device ID", device_id_rule),
            "version_name": ("Version name", text_rule("Version name", VERSION_LIMIT)),
            "platform": ("Platform", platform_rule),
        },
        optional=_OPTIONAL,
        may_be_empty=frozenset({"version_name"}),
        needs_native=False,
    )


_BODY_SCHEMA = _device_schema("invalid_json_body", "Cannot parse body")
_DELETE_SCHEMA = _device_schema("invalid_query_parameters", "Cannot parse query parameters")
_LIST_SCHEMA = Schema(
    code="invalid_query_parameters",
    message="Cannot parse query parameters",
    required={"app_id": ("App ID", app_id_rule), "platform": ("Platform", platform_rule)},
    optional={"device_id": _optional_device_rule, **_OPTIONAL},
    needs_device=False,
)
_NAMES = frozenset((*_BODY_SCHEMA.required, *_OPTIONAL, "action"))
_members = Members(dict.fromkeys(_NAMES, TEXT) | dict.fromkeys(_BOOLEAN_FIELDS, FLAG))
