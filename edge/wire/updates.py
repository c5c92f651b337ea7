"""An update check's bytes to an `UpdateCheck`: device-protocol §1.3 with the changes of §10.

The ordinary request is decoded in one go. Whatever that refuses is read again slowly, by the rules in their order, so
that a device gets the protocol's exact code; both ways end in the same `_check_of`.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from edge.domain.errors import Invalid
from edge.domain.model import (
    BUILTIN,
    CHANNEL_NAME_LIMIT,
    Platform,
    UpdateCheck,
    parse_app_id,
    parse_device_id,
)
from edge.domain.versions import VERSION_LIMIT, Version, coerce_native
from edge.wire.body import BODY_LIMIT_BYTES, WireError, read_json
from edge.wire.fields import (
    CUSTOM_ID_LIMIT,
    INSTALL_SOURCE_LIMIT,
    KEY_ID_LIMIT,
    Schema,
    app_id_rule,
    boolean_rule,
    checked_fields,
    device_id_rule,
    platform_rule,
    plugin_version_rule,
    text_rule,
)
from edge.wire.plugins import plugin_of

__all__ = ["BODY_LIMIT_BYTES", "WireError", "parse_update_check"]

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
    return _check_of(_request_of(checked_fields(read_json(body, BODY_LIMIT_BYTES), _SCHEMA)))


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

_SCHEMA = Schema(
    code="invalid_json_body",
    message="Cannot parse body",
    required={
        "app_id": ("App ID", app_id_rule),
        "device_id": ("Device ID", device_id_rule),
        "version_name": ("Version name", text_rule("Version name", VERSION_LIMIT)),
        "platform": ("Platform", platform_rule),
        "plugin_version": ("plugin_version", plugin_version_rule),
    },
    optional={
        "is_emulator": boolean_rule,
        "is_prod": boolean_rule,
        "defaultChannel": text_rule("defaultChannel"),
        "install_source": text_rule("install_source", INSTALL_SOURCE_LIMIT),
        "key_id": text_rule("key_id", KEY_ID_LIMIT),
    },
)


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
