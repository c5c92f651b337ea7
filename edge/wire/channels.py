"""`/channel_self`: a request of any of its four verbs to a `ChannelRequest`, an outcome to bytes (device-protocol §3).

iOS decodes strictly: texts are texts, `allowSet` is a boolean, `id` an integer, and no answer has a null. Every answer
but a malformed request's is HTTP 200; `unset`, which makes a plugin drop its own choice, is never sent.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from edge.domain.channel_choice import (
    Allowed,
    ChannelRequest,
    Default,
    Forget,
    Listed,
    Outcome,
    Overridden,
    Refusal,
    Refused,
    Store,
    Unchanged,
    Verb,
)
from edge.domain.errors import Invalid
from edge.domain.model import AppId, Channel, ChannelName, Platform, parse_app_id, parse_device_id
from edge.domain.versions import VERSION_LIMIT
from edge.wire.body import BODY_LIMIT_BYTES, WireError, encode_json, read_json, valid_text
from edge.wire.capabilities import capability
from edge.wire.fields import (
    INSTALL_SOURCE_LIMIT,
    KEY_ID_LIMIT,
    Rule,
    Schema,
    app_id_rule,
    boolean_rule,
    checked_fields,
    device_id_rule,
    platform_rule,
    text_rule,
)

VERBS = {"POST": Verb.SET, "PUT": Verb.GET, "DELETE": Verb.UNSET, "GET": Verb.LIST}
CHANNEL_NUMBER_LIMIT = 2**31  # numbers below it are integers wherever a plugin's app may put them
TOO_MANY = "too_many_requests"

_BOOLEANS = {"true": True, "false": False}
_BOOLEAN_FIELDS = ("is_emulator", "is_prod")


class Answer(NamedTuple):
    status: int
    body: bytes
    retry_after_seconds: int | None = None  # for the header of a 429


def parse_channel_request(method: str, body: bytes, query: Sequence[tuple[str, str]]) -> ChannelRequest:
    """`query` in its order, decoded. POST and PUT read the body, GET the query, DELETE both: the body wins, either is
    enough (HTTP stacks of old plugins lose the body of a DELETE, device-protocol §3.1).

    Raises WireError: 405 `method_not_allowed`; 413 `body_too_large`; 400 `invalid_json_parse_body`,
    `missing_device_id`, `missing_app_id`, `semver_error`, and for the rest `invalid_json_body` (POST, PUT) or
    `invalid_query_parameters`. A missing `channel` is an outcome, not a malformed request.
    """
    match VERBS.get(method):
        case Verb.SET | Verb.GET as verb:
            return _request_of(verb, checked_fields(read_json(body, BODY_LIMIT_BYTES), _BODY_SCHEMA))
        case Verb.UNSET:
            return _request_of(Verb.UNSET, checked_fields(_both(body, query), _DELETE_SCHEMA))
        case Verb.LIST:
            return _request_of(Verb.LIST, checked_fields(_query_fields(query), _LIST_SCHEMA))
        case _:
            raise WireError(405, "method_not_allowed", "Method not allowed")


def encode_channel_answer(outcome: Outcome, app: AppId) -> bytes:
    """The body of a 200. What an outcome says to store has to be stored before."""
    match outcome:
        case Store() | Forget() | Unchanged():
            return encode_json({"status": "ok"})
        case Allowed():
            return encode_json({"status": "ok", "allowSet": True})
        case Overridden(channel, may_set):
            return encode_json({"channel": channel, "status": "override", "allowSet": may_set})
        case Default(channel):
            return encode_json({"channel": channel, "status": "default"})
        case Listed(channels, names):
            numbers = channel_numbers(names)
            return encode_json([_listed(channel, numbers[channel.name]) for channel in channels])
        case Refused(reason, channel):
            return encode_json(_refusal(reason, channel, app))


def encode_too_many(request: ChannelRequest, wait_seconds: float, now: float, reason: str = "") -> Answer:
    """Whoever asks too often. Only plugins that wait as told get a 429 (plugin-capabilities §8).

    To older ones it would be the last answer they hear until their app restarts (`latch`). They get the same code with
    200, which every release hands to its app as a failed call and nothing more; an ordinary answer would say that a
    choice is kept which is not.
    """
    message = "Too many requests"
    if not _waits_when_told(request):
        return Answer(200, encode_json({"error": TOO_MANY, "message": message}))
    wait = max(1, math.ceil(wait_seconds))
    more: dict[str, object] = {"app_id": request.app}
    if request.device is not None:
        more["device_id"] = request.device
    more |= {"rateLimitResetAt": math.ceil((now + wait) * 1000), "retryAfterSeconds": wait}
    if reason:
        more["reason"] = reason
    return Answer(429, encode_json({"error": TOO_MANY, "message": message, "moreInfo": more}), wait)


def channel_numbers(names: Iterable[ChannelName]) -> dict[ChannelName, int]:
    """A number for each channel of one app: of its name alone, so it stays when others come and go.

    Two names that fall on one number are told apart in the order of the names.
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


def _refusal(reason: Refusal, channel: str, app: AppId) -> dict[str, object]:
    if reason is Refusal.UNKNOWN_APP:
        return {"error": reason.code, "kind": "blocked"}  # the bytes of device-protocol §10
    answer: dict[str, object] = {"error": reason.code, "message": reason.message}
    return answer | {"channel": channel, "app_id": app} if channel else answer


def _request_of(verb: Verb, fields: dict[str, Any]) -> ChannelRequest:
    platform = Platform(fields["platform"])
    plugin_version = fields.get("plugin_version", "")
    device = fields.get("device_id")
    return ChannelRequest(
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


def _keeps_choice(platform: Platform, plugin_version: str) -> bool:
    if not plugin_version:
        return True  # as in the protocol, and nothing is stored for who does not say what it is
    return _capability("channel_choice_kept_on_device", platform, plugin_version) == "yes"


def _waits_when_told(request: ChannelRequest) -> bool:
    return _capability("http_429", request.platform, request.plugin_version) == "retry_after"


def _capability(name: str, platform: Platform, plugin_version: str) -> str:
    """Empty for what is no version: it counts as none of the releases that can more than the oldest."""
    try:
        return capability(name, platform, plugin_version)
    except Invalid:
        return ""


def _both(body: bytes, query: Sequence[tuple[str, str]]) -> Any:
    sent = read_json(body, BODY_LIMIT_BYTES) if body.strip() else {}
    if not isinstance(sent, dict):
        return sent
    return _query_fields(query) | {name: value for name, value in sent.items() if value is not None}


def _query_fields(query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The first of each name, booleans as such where they are spelled right; an empty one says nothing."""
    fields: dict[str, Any] = {}
    for name, text in query:
        fields.setdefault(valid_text(name), valid_text(text))
    for name in _BOOLEAN_FIELDS:
        text = fields.pop(name, "")
        if text:
            fields[name] = _BOOLEANS.get(text, text)
    return fields


def _optional_device_rule(value: object) -> str:
    return "" if value == "" else device_id_rule(value)


_OPTIONAL: dict[str, Rule] = {
    "is_emulator": boolean_rule,
    "is_prod": boolean_rule,
    "defaultChannel": text_rule("defaultChannel"),
    "channel": text_rule("channel"),
    "plugin_version": text_rule("plugin_version"),
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
            "version_build": ("Version build", text_rule("Version build", VERSION_LIMIT)),
            "platform": ("Platform", platform_rule),
        },
        optional=_OPTIONAL,
        may_be_empty=frozenset({"version_name", "version_build"}),
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
    needs_native=False,
)
