"""An update check's bytes to an `UpdateCheck`: device-protocol §1.3 with the changes of §10.

The ordinary request is decoded in one go. Whatever that refuses is read again slowly, by the rules in their order, so
that a device gets the protocol's exact code; both ways end in the same `_check_of`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from edge.domain.errors import Invalid
from edge.domain.model import (
    APP_ID_LIMIT,
    BUILTIN,
    CHANNEL_NAME_LIMIT,
    Platform,
    UpdateCheck,
    parse_app_id,
    parse_device_id,
)
from edge.domain.versions import VERSION_LIMIT, Version, coerce_native, parse_version
from edge.wire.body import BODY_LIMIT_BYTES, WireError, read_json
from edge.wire.plugins import plugin_of

__all__ = ["BODY_LIMIT_BYTES", "WireError", "parse_update_check"]

DEVICE_ID_LIMIT = 36  # characters; a UUID
CUSTOM_ID_LIMIT = 36  # characters; what /stats of the hosted service takes
INSTALL_SOURCE_LIMIT = 64  # characters; device-protocol §1.3
KEY_ID_LIMIT = 20  # characters; device-protocol §1.3
NATIVE_CACHE_LIMIT = 4096  # native versions of all apps on a node; devices choose the text, so bounded

_UNKNOWN_CHANNEL_MARK = "…"  # no channel's name can begin with it


class _Request(msgspec.Struct):
    app_id: str
    device_id: str
    version_build: str
    version_name: str
    platform: Platform
    plugin_version: str
    is_prod: bool | None = None
    is_emulator: bool | None = None
    default_channel: str | None = msgspec.field(default=None, name="defaultChannel")
    custom_id: str | None = None
    key_id: Annotated[str, msgspec.Meta(max_length=KEY_ID_LIMIT)] | None = None
    install_source: Annotated[str, msgspec.Meta(max_length=INSTALL_SOURCE_LIMIT)] | None = None


_decoder = msgspec.json.Decoder(_Request)


def parse_update_check(body: bytes) -> UpdateCheck:
    """Raises WireError: 413 `body_too_large`; 400 `invalid_json_parse_body`, `invalid_json_body`, `missing_device_id`,
    `missing_app_id` or `semver_error`.

    Every text of the result can be written as UTF-8. A `custom_id` above CUSTOM_ID_LIMIT or of another type counts as
    none: cut, it could be somebody else's. A `defaultChannel` too long for a channel's name stays unknown.
    """
    if len(body) <= BODY_LIMIT_BYTES:
        try:
            return _check_of(_decoder.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Invalid):
            pass  # unusual, not yet wrong: `custom_id: 7` ends here, and so does garbage
    return _check_of(_request_of(_checked_fields(read_json(body, BODY_LIMIT_BYTES))))


def _check_of(request: _Request) -> UpdateCheck:
    build, name = request.version_build, request.version_name
    if name == BUILTIN:
        name = build
    if not name or len(name) > VERSION_LIMIT:
        raise Invalid("invalid_version_name", "version_name is empty or too long")
    return UpdateCheck(
        parse_app_id(request.app_id),
        parse_device_id(request.device_id),
        request.platform,
        name,
        build,
        _native(build),
        plugin_of(request.platform, request.plugin_version),
        request.is_prod is not False,
        request.is_emulator is True,
        _channel(request.default_channel),
        _custom_id(request.custom_id),
        request.key_id or "",
    )


@lru_cache(NATIVE_CACHE_LIMIT)
def _native(text: str) -> Version:
    version = coerce_native(text) if len(text) <= VERSION_LIMIT else None
    if version is None:
        raise Invalid("semver_error", f"native version {text[:VERSION_LIMIT]!r} has no number")
    return version


def _channel(text: str | None) -> str:
    if not text:
        return ""
    if len(text) > CHANNEL_NAME_LIMIT:
        return _UNKNOWN_CHANNEL_MARK + text[: CHANNEL_NAME_LIMIT - 1]
    return text


def _custom_id(text: str | None) -> str:
    stripped = (text or "").strip()
    return stripped if len(stripped) <= CUSTOM_ID_LIMIT else ""


# --- the slow way: rules 4 to 10 of device-protocol §1.3 ---


def _checked_fields(value: Any) -> dict[str, Any]:
    """The known fields that are not null, all of them valid. Raises WireError with the first rule's code."""
    if not isinstance(value, dict) or not value:
        raise WireError(400, "invalid_json_body", "Cannot parse body")
    fields = {name: given for name, given in value.items() if given is not None}
    if not fields.get("device_id"):
        raise WireError(400, "missing_device_id", "Cannot find device_id")
    if not fields.get("app_id"):
        raise WireError(400, "missing_app_id", "Cannot find app_id")
    build = fields.get("version_build")
    if not _is_native(build):
        shown = build[:VERSION_LIMIT] if isinstance(build, str) else None
        raise WireError(400, "semver_error", "The native version is not a version", {"version_build": shown})
    issues = [{"field": name, "message": message} for name, message in _issues(fields)]
    if issues:
        raise WireError(400, "invalid_json_body", "Cannot parse body", {"parseResult": issues})
    return fields


def _request_of(fields: Mapping[str, Any]) -> _Request:
    custom_id = fields.get("custom_id")
    return _Request(
        app_id=fields["app_id"],
        device_id=fields["device_id"],
        version_build=fields["version_build"],
        version_name=fields["version_name"],
        platform=Platform(fields["platform"]),
        plugin_version=fields["plugin_version"],
        is_prod=fields.get("is_prod"),
        is_emulator=fields.get("is_emulator"),
        default_channel=fields.get("defaultChannel"),
        custom_id=custom_id if isinstance(custom_id, str) else None,
        key_id=fields.get("key_id"),
    )


def _is_native(value: object) -> bool:
    return isinstance(value, str) and len(value) <= VERSION_LIMIT and coerce_native(value) is not None


def _issues(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, message) of everything the schema of device-protocol §1.3 refuses, in its order."""
    for name, (label, rule) in _REQUIRED.items():
        given = fields.get(name)
        message = f"{label} is required" if given is None or given == "" else rule(given)
        if message:
            yield name, message
    for name, optional_rule in _OPTIONAL.items():
        message = optional_rule(fields[name]) if name in fields else ""
        if message:
            yield name, message


_Rule = Callable[[object], str]  # what is wrong with a value; empty when nothing is


def _app_id_rule(value: object) -> str:
    if not isinstance(value, str):
        return "App ID must be a string"
    if len(value) > APP_ID_LIMIT:
        return _too_long(APP_ID_LIMIT)
    return "" if _parses(parse_app_id, value) else "App ID must be a reverse domain string"


def _device_id_rule(value: object) -> str:
    if isinstance(value, str) and len(value) > DEVICE_ID_LIMIT:
        return _too_long(DEVICE_ID_LIMIT)
    valid = isinstance(value, str) and _parses(parse_device_id, value)
    return "" if valid else "Device ID must be a valid UUID string"


def _platform_rule(value: object) -> str:
    known = isinstance(value, str) and value in {platform.value for platform in Platform}
    return "" if known else "Platform is not supported or invalid"


def _plugin_version_rule(value: object) -> str:
    valid = isinstance(value, str) and parse_version(value) is not None
    return "" if valid else "Plugin version is invalid"


def _boolean_rule(value: object) -> str:
    return "" if isinstance(value, bool) else "must be a boolean"


def _text_rule(label: str, limit: int | None) -> _Rule:
    def rule(value: object) -> str:
        if not isinstance(value, str):
            return f"{label} must be a string"
        return _too_long(limit) if limit is not None and len(value) > limit else ""

    return rule


_REQUIRED: dict[str, tuple[str, _Rule]] = {
    "app_id": ("App ID", _app_id_rule),
    "device_id": ("Device ID", _device_id_rule),
    "version_name": ("Version name", _text_rule("Version name", VERSION_LIMIT)),
    "platform": ("Platform", _platform_rule),
    "plugin_version": ("plugin_version", _plugin_version_rule),
}
_OPTIONAL: dict[str, _Rule] = {
    "is_emulator": _boolean_rule,
    "is_prod": _boolean_rule,
    "defaultChannel": _text_rule("defaultChannel", None),
    "install_source": _text_rule("install_source", INSTALL_SOURCE_LIMIT),
    "key_id": _text_rule("key_id", KEY_ID_LIMIT),
}


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except Invalid:
        return False
    return True


def _too_long(limit: int) -> str:
    return f"String must contain at most {limit} character(s)"
