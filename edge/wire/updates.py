"""The bytes of an update check to an `UpdateCheck`: PROTOCOL.md §1.3.

An ordinary request is decoded in one step. What that refuses is read again slowly, by the rules in their order, so that
the device gets the protocol's exact code; both paths end in the same `_check_of`.
"""

from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from edge.domain.errors import Invalid
from edge.domain.model import (
    BUILTIN,
    CHANNEL_NAME_LIMIT,
    AppId,
    Platform,
    UpdateCheck,
    parse_app_id,
    parse_device_id,
)
from edge.domain.versions import VERSION_LIMIT, read_native
from edge.wire.body import BODY_LIMIT_BYTES, WireError, require_size
from edge.wire.fields import (
    CUSTOM_ID_LIMIT,
    INSTALL_SOURCE_LIMIT,
    KEY_ID_LIMIT,
    Schema,
    boolean_rule,
    checked_fields,
    device_id_rule,
    platform_rule,
    plugin_version_rule,
    text_rule,
)
from edge.wire.members import FLAG, TEXT, Members
from edge.wire.plugins.forms import asker_of

__all__ = ["BODY_LIMIT_BYTES", "WireError", "fields_of", "parse_update_check"]

NATIVE_CACHE_LIMIT = 4096  # native versions, for all apps on a node; devices choose the text, so bounded

VERSION_OS_LIMIT = 64  # characters; no system has a longer one, and the protocol has no limit

_NO_APP = AppId("")
_UNKNOWN_CHANNEL_MARK = "…"  # no channel name starts with it


_native = lru_cache(NATIVE_CACHE_LIMIT)(read_native)


class _Request(msgspec.Struct, gc=False):
    platform: Platform
    device_id: str
    app_id: AppId  # still any text
    version_name: Annotated[str, msgspec.Meta(min_length=1, max_length=VERSION_LIMIT)]
    plugin_version: str
    version_build: Annotated[str, msgspec.Meta(max_length=VERSION_LIMIT)] = ""  # Android without a versionName has none
    custom_id: str | None = None
    version_os: str | None = None
    is_emulator: bool | None = None
    is_prod: bool | None = None
    install_source: Annotated[str, msgspec.Meta(max_length=INSTALL_SOURCE_LIMIT)] | None = None
    default_channel: str | None = msgspec.field(default=None, name="defaultChannel")
    key_id: Annotated[str, msgspec.Meta(max_length=KEY_ID_LIMIT)] | None = None


_decoder = msgspec.json.Decoder(_Request)


def parse_update_check(body: bytes, country: str = "", apps: Container[AppId] = frozenset()) -> UpdateCheck:
    """Raises WireError: 413 `body_too_large`; 400 `invalid_json_parse_body`, `invalid_json_body`, `missing_device_id`,
    `missing_app_id` or `semver_error`. Odd requests from real builds raise none (PROTOCOL.md §1.3.1): the native
    version may be any text or missing, and so may the app id, which is empty in the result if no app can have it.

    `country` is for the result: bodies do not contain it. The ids in `apps` are known to be valid, which saves a check.
    Every text of the result can be written as UTF-8. A `custom_id` above CUSTOM_ID_LIMIT or of another type is dropped:
    cut, it could be another device's; likewise a `version_os`. A `defaultChannel` too long for a channel's name remains
    an unknown one.
    """
    require_size(body, BODY_LIMIT_BYTES)
    try:
        return _check_of(_decoder.decode(body), country, apps)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Invalid):
        pass  # unusual, but not necessarily wrong, such as `custom_id: 7`
    return _check_of(_request_of(checked_fields(_members.read(body), _SCHEMA)), country, apps)


def fields_of(check: UpdateCheck) -> dict[str, str | bool]:
    """A check as understood, under the names of a body's fields, without the app. `platform` is "" for a web page's."""
    return {
        "device_id": check.device,
        "platform": check.platform.value if check.platform else "",
        "version_name": check.own_name,
        "version_build": check.version_build,
        "plugin_version": check.plugin.version,
        "is_prod": check.is_prod,
        "is_emulator": check.is_emulator,
        "defaultChannel": check.default_channel,
        "custom_id": check.custom_id,
        "key_id": check.key_id,
        "version_os": check.version_os,
        "install_source": check.install_source,
    }


def _check_of(request: _Request, country: str, apps: Container[AppId]) -> UpdateCheck:
    app, build, name, version_os = request.app_id, request.version_build, request.version_name, request.version_os
    says_builtin = name == BUILTIN
    platform, plugin = asker_of(request.platform, request.plugin_version)
    return UpdateCheck(
        app if app in apps else _app_id(app),
        parse_device_id(request.device_id),
        platform,
        build if says_builtin else name,
        build,
        _native(build),
        plugin,
        request.is_prod is not False,
        request.is_emulator is True,
        _channel(request.default_channel) if request.default_channel else "",
        _custom_id(request.custom_id) if request.custom_id else "",
        request.key_id or "",
        version_os if version_os and len(version_os) <= VERSION_OS_LIMIT else "",
        request.install_source or "",
        country,
        says_builtin,
    )


def _app_id(text: str) -> AppId:
    try:
        return parse_app_id(text)
    except Invalid:
        return _NO_APP


def _channel(text: str) -> str:
    if len(text) > CHANNEL_NAME_LIMIT:
        return _UNKNOWN_CHANNEL_MARK + text[: CHANNEL_NAME_LIMIT - 1]
    return text


def _custom_id(text: str) -> str:
    stripped = text.strip()
    return stripped if len(stripped) <= CUSTOM_ID_LIMIT else ""


# --- the slow path: rules 4 to 10 of PROTOCOL.md §1.3 ---

_SCHEMA = Schema(
    code="invalid_json_body",
    message="Cannot parse body",
    required={
        "app_id": ("App ID", text_rule("App ID")),
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
    may_be_empty=frozenset({"app_id"}),
)

_FLAGS = ("is_emulator", "is_prod")
_NAMES = (*_SCHEMA.required, *_SCHEMA.optional, "version_build", "custom_id", "version_os")
_members = Members(dict.fromkeys(_NAMES, TEXT) | dict.fromkeys(_FLAGS, FLAG))


def _request_of(fields: Mapping[str, Any]) -> _Request:
    custom_id, version_os = fields.get("custom_id"), fields.get("version_os")
    return _Request(
        app_id=fields["app_id"],
        device_id=fields["device_id"],
        version_build=fields.get("version_build", ""),
        version_name=fields["version_name"],
        platform=Platform(fields["platform"]),
        plugin_version=fields["plugin_version"],
        is_prod=fields.get("is_prod"),
        is_emulator=fields.get("is_emulator"),
        default_channel=fields.get("defaultChannel"),
        custom_id=custom_id if isinstance(custom_id, str) else None,
        version_os=version_os if isinstance(version_os, str) else None,
        install_source=fields.get("install_source"),
        key_id=fields.get("key_id"),
    )
