"""The body of a request for features to what its evaluation context says (OFREP.md §2).

An ordinary body is decoded in one step. What that refuses is read again slowly, so that the error names the attribute.
Attributes that no segment can read are skipped unread; nothing of a context is ever logged.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

from edge.domain.model import CHANNEL_NAME_LIMIT, AppId, DeviceId, Platform, UpdateCheck
from edge.domain.plugin import Plugin
from edge.domain.versions import VERSION_LIMIT, read_native
from edge.wire.fields import CUSTOM_ID_LIMIT, INSTALL_SOURCE_LIMIT, KEY_ID_LIMIT
from edge.wire.ofrep.refusals import OfrepRefused, invalid_context, unreadable_body
from edge.wire.updates import NATIVE_CACHE_LIMIT, VERSION_OS_LIMIT

CONTEXT_LIMIT_BYTES = 16 << 10  # a real one has 100 to 2,000 bytes
ATTRIBUTES_LIMIT = 128  # of a context
DEPTH_LIMIT = 16  # arrays and objects in each other: no segment reads any of them
TARGETING_KEY_LIMIT = 256  # characters; ids of users have up to 64, mail addresses up to 254

UUID_CHARACTERS = 36
NO_PLATFORM = cast(Platform, None)  # of a web page: it equals no platform, which is what segments compare it with

_PLATFORMS = {platform.value: platform for platform in Platform}
_UUID = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_INNERMOST = re.compile(rb"\[\]|\{\}")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


class _Context(msgspec.Struct, gc=False):
    targeting_key: str | None = msgspec.field(default=None, name="targetingKey")
    platform: str | None = None
    version_name: str | None = None
    version_build: str | None = None
    version_os: str | None = None
    plugin_version: str | None = None
    is_prod: bool | None = None
    is_emulator: bool | None = None
    custom_id: str | None = None
    default_channel: str | None = None
    install_source: str | None = None
    key_id: str | None = None


class _Body(msgspec.Struct, gc=False):
    context: _Context | None = None


_NO_CONTEXT = _Context()
_decoder = msgspec.json.Decoder(_Body)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KINDS = {
    field.encode_name: "true or false" if field.name.startswith("is_") else "a text"
    for field in msgspec.structs.fields(_Context)
}
_LIMITS = {
    "version_name": VERSION_LIMIT,
    "version_build": VERSION_LIMIT,
    "version_os": VERSION_OS_LIMIT,
    "plugin_version": VERSION_LIMIT,
    "default_channel": CHANNEL_NAME_LIMIT,
    "install_source": INSTALL_SOURCE_LIMIT,
    "key_id": KEY_ID_LIMIT,
}
_FEW_BYTES = 5 * ATTRIBUTES_LIMIT  # no body so small has more attributes: each takes a name, a colon and a value


# The attributes as they were sent, without the two ids, and the country: what many contexts have in common.
SaidAttributes = tuple[str | bool | None, ...]


class Attributes(NamedTuple):
    """What is understood of them, under the names of the segment language. "" and NO_PLATFORM: not stated."""

    platform: Platform
    version_name: str
    version_build: str
    version_os: str
    plugin_version: str
    is_prod: bool
    is_emulator: bool
    default_channel: str
    install_source: str
    key_id: str
    country: str  # two capital letters, as a trusted proxy states it


class AskedContext(NamedTuple):
    """`key` draws shares, and is what expressions call the device's id: the targeting key, in lower case if it is a
    UUID; b"": none was sent. Of a UUID alone there are facts. The custom id is "" unless stated."""

    key: bytes
    device: DeviceId
    is_device: bool
    custom_id: str
    said: SaidAttributes

    @property
    def attributes(self) -> Attributes:
        return understood(self.said)


def parse_context(body: bytes, country: str = "") -> AskedContext:
    """`country` is for the result: what a context says of it does not count. Raises OfrepRefused: 413; 400 PARSE_ERROR,
    INVALID_CONTEXT.

    A value that is too long for its field counts as not stated; one of another type is refused.
    """
    if len(body) > CONTEXT_LIMIT_BYTES:
        raise too_large()
    if (body.count(b"{") > DEPTH_LIMIT // 2 or b"[" in body) and _is_too_deep(body):
        raise invalid_context(f"the context has more than {DEPTH_LIMIT} arrays and objects in each other")
    try:
        context = _decoder.decode(body).context or _NO_CONTEXT
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _fault_of(body) from None  # the chain would repeat what the peer sent
    if len(body) > _FEW_BYTES and body.count(b":") > ATTRIBUTES_LIMIT:
        _require_few_attributes(body)
    return _asked(context, country)


def check_of(app: AppId, asked: AskedContext) -> UpdateCheck:
    """The check that such a device would send, as far as segments read it."""
    said = asked.attributes
    return UpdateCheck(
        app=app,
        device=asked.device,
        platform=said.platform,
        version_name=said.version_name,
        version_build=said.version_build,
        native=_native(said.version_build),
        plugin=_plugin(said.plugin_version),
        is_prod=said.is_prod,
        is_emulator=said.is_emulator,
        default_channel=said.default_channel,
        custom_id=asked.custom_id,
        key_id=said.key_id,
        version_os=said.version_os,
        install_source=said.install_source,
        country=said.country,
    )


def is_uuid(key: bytes) -> bool:
    """In any case."""
    return _UUID.fullmatch(key) is not None


def too_large() -> OfrepRefused:
    """For a body above CONTEXT_LIMIT_BYTES."""
    refusal = invalid_context(f"the body has more than {CONTEXT_LIMIT_BYTES} bytes")
    refusal.status = 413
    return refusal


_native = lru_cache(NATIVE_CACHE_LIMIT)(read_native)
_plugin = lru_cache(NATIVE_CACHE_LIMIT)(Plugin)


def _asked(context: _Context, country: str) -> AskedContext:
    text = context.targeting_key or ""
    if len(text) > TARGETING_KEY_LIMIT:
        raise invalid_context(f"targetingKey has more than {TARGETING_KEY_LIMIT} characters")
    key = text.encode()
    is_device = len(key) == UUID_CHARACTERS and is_uuid(key)
    if is_device:
        key, text = key.lower(), text.lower()
    custom_id = (context.custom_id or "").strip()
    if len(custom_id) > CUSTOM_ID_LIMIT:
        custom_id = ""
    said = (
        context.platform,
        context.version_name,
        context.version_build,
        context.version_os,
        context.plugin_version,
        context.is_prod,
        context.is_emulator,
        context.default_channel,
        context.install_source,
        context.key_id,
        country,
    )
    return AskedContext(key, DeviceId(text), is_device, custom_id, said)


def understood(said: SaidAttributes) -> Attributes:
    """What the attributes of a context mean. A text that is too long for its field is none: cut, it could mean
    something else."""
    stated: dict[str, Any] = dict(zip(Attributes._fields, said, strict=True))
    for name, value in stated.items():
        if value is None or (isinstance(value, str) and len(value) > _LIMITS.get(name, len(value))):
            stated[name] = ""
    stated["platform"] = _PLATFORMS.get(stated["platform"], NO_PLATFORM)
    stated["is_prod"], stated["is_emulator"] = stated["is_prod"] is not False, stated["is_emulator"] is True
    return Attributes(**stated)


def _is_too_deep(body: bytes) -> bool:
    """Each round takes the innermost brackets away, without a step for each of them in Python."""
    left = _TEXTS.sub(b"", body).translate(None, _NO_BRACKET)
    for _ in range(DEPTH_LIMIT + 1):  # the body's own object is none of the context
        before, left = len(left), _INNERMOST.sub(b"", left)
        if len(left) == before:  # the others are never closed
            break
    return bool(left)


def _require_few_attributes(body: bytes) -> None:
    """Raises OfrepRefused."""
    context = _object.decode(body).get("context")
    if context is not None and bytes(context)[:1] == b"{" and len(_object.decode(context)) > ATTRIBUTES_LIMIT:
        raise invalid_context(f"the context has more than {ATTRIBUTES_LIMIT} attributes")


def _fault_of(body: bytes) -> OfrepRefused:
    """Why the body cannot be decoded."""
    try:
        members = _object.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return unreadable_body('the body is a JSON object: {"context": {"targetingKey": ...}}')
    try:
        attributes = _object.decode(members.get("context", msgspec.Raw(b"{}")))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return invalid_context("context is an object")
    for name, kind in _KINDS.items():
        if name in attributes and not _is_of(attributes[name], kind):
            return invalid_context(f"{name} is {kind}")
    return unreadable_body("a text in the body is not valid Unicode")


def _is_of(raw: msgspec.Raw, kind: str) -> bool:
    first = bytes(raw).lstrip()[:1]
    return first == b"n" or first in (b"tf" if kind == "true or false" else b'"')
