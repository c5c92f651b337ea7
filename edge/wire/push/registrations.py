"""`POST /push/register`, `/push/unregister` and `/push/opened`: bodies to values (PROTOCOL.md §14). Pure.

Strict as `POST /events` is. A token is what a provider's SDK gave the app, for Web Push the browser's subscription. Who
may be sent to is the providers' to judge; here only what can be none is refused.
"""

import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from edge.domain.errors import Invalid
from edge.domain.model import AppId, DeviceId, parse_app_id, parse_device_id
from edge.domain.schedule.zones import ZONE_NAME_LIMIT, zone_names
from edge.wire.app_events import PLATFORMS
from edge.wire.body import WireError, encode_json, require_size
from edge.wire.fields import CUSTOM_ID_LIMIT
from edge.wire.members import FLAG, TEXT, UNREAD, Members, start_of

PUSH_BODY_LIMIT_BYTES = 16 << 10  # the longest token, with everything beside it and escapes
TOKEN_LIMIT = 4_096  # characters: FCM states no limit and sends some 160; APNs 64 to 200 hexadecimal digits
ENDPOINT_LIMIT = 2_048  # characters of the address in a Web Push subscription; browsers' have 150 to 600
LOCALE_LIMIT = 35  # characters: RFC 5646 4.4.1 asks for room for 35
LOCALE_WORDS_LIMIT = 128  # of what a system says, beside the language: en_US@rg=gbzzzz;calendar=gregorian
MESSAGE_ID_LIMIT = 64  # characters

PROVIDERS = ("fcm", "apns", "webpush", "webhook")  # stored by place + 1, so only added to

_FCM = re.compile(r"[A-Za-z0-9_:.-]{20,4096}", re.ASCII)
_APNS = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}", re.ASCII)
_WEBHOOK = re.compile(r"[!-~]{1,512}", re.ASCII)
_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,6}(?![A-Za-z0-9])", re.ASCII)
_MESSAGE = re.compile(rf"[A-Za-z0-9._-]{{1,{MESSAGE_ID_LIMIT}}}", re.ASCII)
_URL = re.compile(r"https?://[!$-;=?-\[\]-~]+", re.ASCII)  # no quotes, blanks, backslashes, fragments
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_P256DH_BYTES, _AUTH_BYTES = 65, 16  # an uncompressed point on P-256, and RFC 8291's secret
_UNCOMPRESSED = 4  # a point's first byte


class PushRequest(NamedTuple):
    """What all three state. `key` is the body's event key, or ""."""

    app: AppId
    device: DeviceId
    key: str


class PushRegister(NamedTuple):
    """`zone` is "" if the device's is none that the node knows. Without `consent` nothing may be sent, so the device
    is taken off."""

    of: PushRequest
    provider: str
    token: str
    consent: bool
    zone: str = ""
    locale: str = ""
    platform: str = ""
    custom_id: str = ""


class PushUnregister(NamedTuple):
    """Empty: of all providers, whatever the token."""

    of: PushRequest
    provider: str = ""
    token: str = ""


class PushOpened(NamedTuple):
    """The person opened this message."""

    of: PushRequest
    message: str


class _Keys(msgspec.Struct):
    p256dh: str
    auth: str


class _Subscription(msgspec.Struct):
    endpoint: str
    keys: _Keys


def parse_push_register(body: bytes) -> PushRegister:
    """Raises WireError (PROTOCOL.md §14.2)."""
    fields = _fields(body, _register_members)
    provider, consent = _provider(fields.get("provider")), fields.get("consent")
    if not isinstance(consent, bool):
        raise WireError(400, "invalid_consent", "consent is true once the person agreed to messages, or false")
    return PushRegister(
        _request(fields),
        provider,
        _token(provider, fields),
        consent,
        _zone(fields.get("timezone")),
        _locale(fields.get("locale")),
        _platform(fields.get("platform")),
        _custom_id(fields.get("custom_id")),
    )


def parse_push_unregister(body: bytes) -> PushUnregister:
    """Raises WireError (PROTOCOL.md §14.2)."""
    fields = _fields(body, _register_members)
    request = _request(fields)
    if fields.get("provider") is None:
        return PushUnregister(request)
    provider = _provider(fields["provider"])
    has_token = fields.get("token") is not None or fields.get("subscription") is not None
    return PushUnregister(request, provider, _token(provider, fields) if has_token else "")


def parse_push_opened(body: bytes) -> PushOpened:
    """Raises WireError (PROTOCOL.md §14.2)."""
    fields = _fields(body, _opened_members)
    message = _matching(
        *(fields.get("message_id"), _MESSAGE, MESSAGE_ID_LIMIT),
        *("invalid_message_id", "message_id is what came with the message as its data `edge_message`"),
    )
    if not message:
        raise WireError(400, "invalid_message_id", "message_id is missing")
    return PushOpened(_request(fields), message)


def encode_push_answer(register: PushRegister | None = None) -> bytes:
    """The body of a 200; of a registration, also the time zone that is used, null if it is not known."""
    if register is None:
        return encode_json({"status": "ok"})
    return encode_json({"status": "ok", "registered": register.consent, "timezone": register.zone or None})


def _fields(body: bytes, members: Members) -> dict[str, Any]:
    require_size(body, PUSH_BODY_LIMIT_BYTES)
    fields = members.read(body)
    if fields is None:
        raise WireError(400, "invalid_json_body", "The body is a JSON object with app_id and device_id")
    return fields


def _request(fields: dict[str, Any]) -> PushRequest:
    app = _parsed(fields.get("app_id"), parse_app_id, "app_id is the id of an app, such as com.example.app")
    device = _parsed(fields.get("device_id"), parse_device_id, "device_id is the UUID that the updater plugin returns")
    key = fields.get("key")
    return PushRequest(AppId(app), DeviceId(device), key if isinstance(key, str) else "")


def _parsed(given: object, parse: Callable[[str], str], told: str) -> str:
    try:
        return parse(given if isinstance(given, str) else "")
    except Invalid as error:
        raise WireError(400, error.code, told) from error


def _provider(given: object) -> str:
    if given not in PROVIDERS:
        raise WireError(400, "invalid_provider", f"provider is one of {', '.join(PROVIDERS)}")
    return str(given)


def _token(provider: str, fields: dict[str, Any]) -> str:
    if provider == "webpush":
        return _subscription(fields.get("subscription"))
    given = fields.get("token")
    form = {"fcm": _FCM, "apns": _APNS, "webhook": _WEBHOOK}[provider]
    if not isinstance(given, str) or len(given) > TOKEN_LIMIT or form.fullmatch(given) is None:
        raise WireError(400, "invalid_token", f"token is the one that {provider} gave the app")
    return given.lower() if provider == "apns" else given


def _subscription(given: msgspec.Raw | None) -> str:
    """In one form for all spellings, so that the same subscription is the same token."""
    refused = WireError(400, "invalid_subscription", "subscription is what PushSubscription.toJSON() returns")
    if given is None or start_of(given) != b"{":
        raise refused
    try:
        found = msgspec.json.decode(given, type=_Subscription)
        point, secret = _decoded(found.keys.p256dh), _decoded(found.keys.auth)
    except (msgspec.DecodeError, UnicodeError, RecursionError, Base64Error, ValueError) as error:
        raise refused from error
    if len(point) != _P256DH_BYTES or point[0] != _UNCOMPRESSED or len(secret) != _AUTH_BYTES:
        raise refused
    if not is_endpoint(found.endpoint):
        raise WireError(400, "invalid_endpoint", "the endpoint is no https address of a push service")
    keys = {"p256dh": found.keys.p256dh.rstrip("="), "auth": found.keys.auth.rstrip("=")}
    return encode_json({"endpoint": found.endpoint, "keys": keys}).decode()


def is_endpoint(url: str) -> bool:
    """Whether it can be a push service's: https, a name and no address, and nothing that is read in two ways. That it
    is a known service's is checked again before each attempt."""
    if (
        len(url) > ENDPOINT_LIMIT
        or not url.isascii()
        or not url.isprintable()
        or any(each in url for each in ' \\#"<>')
    ):
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.password is not None or not host:
        return False
    if host in _LOOPBACK:  # a service for tests; that it may be used is the node's to say
        return parts.scheme in ("http", "https")
    if parts.scheme != "https" or port not in (None, 443):
        return False
    return "." in host and not host.endswith(".") and not _is_address(host)


def _is_address(host: str) -> bool:
    """An IPv6 address, or what some resolver takes for an IPv4 one: its last part is a number."""
    last = host.rstrip(".").rpartition(".")[2]
    return ":" in host or last.isdigit() or last.startswith("0x")


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))


def _zone(given: object) -> str:
    """A zone that the node does not know is as none: what a phone calls its zone keeps no person from messages."""
    if given is None:
        return ""
    if not isinstance(given, str) or len(given) > ZONE_NAME_LIMIT:
        raise WireError(400, "invalid_timezone", "timezone is an IANA name such as Europe/Paris")
    return given if given in zone_names() else ""


def _locale(given: object) -> str:
    """What begins like a language tag. What a system adds, as in `en_US@rg=gbzzzz`, `zh_CN_#Hans` and `en-US@posix`,
    keeps no person from messages, and what is no tag at all is as none."""
    if given is None:
        return ""
    if not isinstance(given, str) or len(given) > LOCALE_WORDS_LIMIT:
        raise WireError(400, "invalid_locale", "locale is like en or pt-BR")
    found = _LOCALE.match(given)
    return found[0] if found is not None and len(found[0]) <= LOCALE_LIMIT else ""


def _matching(given: object, form: re.Pattern[str], limit: int, code: str, told: str) -> str:
    if given is None:
        return ""
    if not isinstance(given, str) or len(given) > limit or form.fullmatch(given) is None:
        raise WireError(400, code, told)
    return given


def _platform(given: object) -> str:
    if given is None:
        return ""
    if given not in PLATFORMS:
        raise WireError(400, "invalid_platform", f"platform is one of {', '.join(PLATFORMS)}")
    return str(given)


def _custom_id(given: object) -> str:
    if given is None:
        return ""
    if not isinstance(given, str) or len(given) > CUSTOM_ID_LIMIT:
        raise WireError(400, "invalid_custom_id", f"custom_id is a text of at most {CUSTOM_ID_LIMIT} characters")
    return given


_TEXTS = ("app_id", "device_id", "key", "provider", "token", "timezone", "locale", "platform", "custom_id")
_register_members = Members(dict.fromkeys(_TEXTS, TEXT) | {"consent": FLAG, "subscription": UNREAD})
_opened_members = Members(dict.fromkeys(("app_id", "device_id", "key", "message_id"), TEXT))
