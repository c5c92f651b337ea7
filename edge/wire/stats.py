"""Reports of devices: `POST /stats` to `Event`s, and the answer (PROTOCOL.md §4).

An event with a device, an action and an app is kept: a descriptive field that is too long or has the wrong type is
left out, and neither an unknown bundle, a missing version nor a native version without a number loses it. Events are
refused one by one, a batch only for its app id.
"""

from typing import Annotated, Any, NamedTuple

import msgspec

from edge.domain.errors import Invalid
from edge.domain.manifest import NAME_LIMIT_BYTES
from edge.domain.model import CHANNEL_NAME_LIMIT, AppId, DeviceId, parse_app_id, parse_device_id
from edge.domain.versions import VERSION_LIMIT
from edge.wire.actions import ACTIONS, known_action
from edge.wire.body import WireError, encode_json, require_size
from edge.wire.fields import CUSTOM_ID_LIMIT, INSTALL_SOURCE_LIMIT, KEY_ID_LIMIT
from edge.wire.members import FLAG, NUMBER, TEXT, UNREAD, Members, read_items, read_object, read_scalar, start_of
from edge.wire.plugins.capabilities import family_of

__all__ = ["ACTIONS", "Event", "Report", "bundle_of", "encode_stats_answer", "parse_stats"]

STATS_BODY_LIMIT_BYTES = 1 << 20  # 200 queued events of 1 kB, some with a stack trace
BATCH_LIMIT = 1000  # a device queues 200 at most; a proxy may join a few
ACTION_SHOWN_LIMIT = 64  # characters of an unknown action repeated in the answer
PLATFORM_LIMIT = 16  # characters; "android" is the longest known
OS_LIMIT = 64  # characters; "14", "17.4.1"
SUBJECT_LIMIT = VERSION_LIMIT + 1 + NAME_LIMIT_BYTES  # characters of "<version>:<file name>"
METADATA_LIMIT = 30  # entries; PROTOCOL.md §4.2, like the next two
METADATA_KEY_LIMIT = 64  # characters
METADATA_VALUE_LIMIT = 2048  # characters; longer ones are cut: the head of a stack trace matters most
DEVICE_TIME_LIMIT_MS = 253_402_300_799_999  # the end of the year 9999, the last that calendars can show

DeviceTime = Annotated[int, msgspec.Meta(ge=0, le=DEVICE_TIME_LIMIT_MS)]  # as it is stored

_FILE_SEPARATOR = ":"

NO_APP = AppId("")  # Electron sends it until it is configured; no node serves it, and an error would be noise


class Event(msgspec.Struct, frozen=True):
    """One normalised report; an empty text means that the device did not send it. UTF-8 can express every text."""

    app: AppId
    device: DeviceId
    action: str  # one of ACTIONS
    version: str  # of the bundle that it is about, or "<version>:<file name>": see `bundle_of`
    platform: str  # as the device sent it
    old_version: str = ""
    plugin: str = ""
    native: str = ""
    is_prod: bool = True
    is_emulator: bool = False
    custom_id: str = ""
    default_channel: str = ""
    install_source: str = ""
    os: str = ""
    key_id: str = ""
    device_time_ms: DeviceTime | None = None  # milliseconds since the epoch, by the device's clock
    metadata: dict[str, str] = {}  # msgspec copies an empty default


class RefusedEvent(NamedTuple):
    """Why an event is refused, with a code of PROTOCOL.md §1.3; `issue` is what is wrong with `field`."""

    code: str
    message: str
    field: str = ""
    issue: str = ""


class Report(NamedTuple):
    """The events of a request. `results` has one entry for each event sent, in order: None if it is in `events`."""

    events: tuple[Event, ...]
    results: tuple[RefusedEvent | None, ...]
    batch: bool


class _Refused(Exception):
    def __init__(self, refusal: RefusedEvent) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def parse_stats(body: bytes) -> Report:
    """Raises WireError if the request as a whole is refused (PROTOCOL.md §4.2).

    400 `invalid_json_parse_body`, `invalid_json_body`, `invalid_app_id` (the first event's), the codes of one refused
    single event; 413 `body_too_large`, `too_many_events`; 200 `invalid_app_id` (a later event's), `mixed_app_ids`.
    """
    require_size(body, STATS_BODY_LIMIT_BYTES)
    batch = start_of(body) == b"["
    given = read_items(body, BATCH_LIMIT) if batch else [body]
    if len(given) > BATCH_LIMIT:
        raise WireError(413, "too_many_events", f"A batch has at most {BATCH_LIMIT} events")
    items = [_members.read(item) for item in given]
    if not batch and items[0] is None and start_of(body) != b"{":
        raise WireError(400, "invalid_json_body", "Cannot parse body")
    app = _common_app(items)
    if app is None:
        return Report((), (), batch)
    parsed = [_parse_item(item, app) for item in items]
    if not batch and isinstance(parsed[0], RefusedEvent):
        raise WireError(400, parsed[0].code, parsed[0].message, _more(parsed[0]))
    return Report(
        tuple(event for event in parsed if isinstance(event, Event)),
        tuple(result if isinstance(result, RefusedEvent) else None for result in parsed),
        batch,
    )


def encode_stats_answer(report: Report) -> bytes:
    """The body of a 200."""
    if not report.batch:
        return encode_json({"status": "ok"})
    return encode_json({"status": "ok", "results": [_result(i, result) for i, result in enumerate(report.results)]})


def bundle_of(version: str) -> str:
    """The bundle in an event's version: what precedes the name of a file (PROTOCOL.md §4.4)."""
    position = version.find(_FILE_SEPARATOR)
    return version[:position] if position > 0 else version


def bounded_text(given: object, limit: int) -> str:
    """A descriptive text; "" for what is none, or a longer one than `limit` characters."""
    stripped = given.strip() if isinstance(given, str) else ""
    return stripped if len(stripped) <= limit else ""


def read_device_time(given: object) -> int | None:
    """Milliseconds since the epoch; None for what can be no time."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return int(given) if 0 < given <= DEVICE_TIME_LIMIT_MS else None


def read_metadata(given: msgspec.Raw | None) -> dict[str, str]:
    """The entries of an object that are texts, numbers or booleans, within the limits."""
    kept: dict[str, str] = {}
    if given is None:
        return kept
    for key, raw in read_object(given).items():
        if len(kept) == METADATA_LIMIT:
            break
        text = _metadata_text(read_scalar(raw))
        if text is not None and len(key) <= METADATA_KEY_LIMIT:
            kept[key] = text[:METADATA_VALUE_LIMIT]
    return kept


def _common_app(items: list[dict[str, Any] | None]) -> AppId | None:
    """The app of all events; None if there are none. A bad first one is a 400, a bad later one a 200."""
    app: AppId | None = None
    for item in items:
        found = _app_of(item)
        if found is None:
            raise WireError(400 if app is None else 200, "invalid_app_id", "App ID must be a reverse domain string")
        if app not in (None, found):
            raise WireError(200, "mixed_app_ids", "All events in a batch must have the same app_id")
        app = found
    return app


def _app_of(item: dict[str, Any] | None) -> AppId | None:
    given = item.get("app_id") if item else None
    if given == "":
        return NO_APP
    try:
        return parse_app_id(given) if isinstance(given, str) else None
    except Invalid:
        return None


def _parse_item(item: dict[str, Any] | None, app: AppId) -> Event | RefusedEvent:
    try:
        return _event_of(item or {}, app)
    except _Refused as refused:
        return refused.refusal


def _event_of(item: dict[str, Any], app: AppId) -> Event:
    return Event(
        app=app,
        device=_device(item.get("device_id")),
        action=_action(item.get("action")),
        version=_subject(item.get("version_name")),
        platform=_platform(item),
        old_version=bounded_text(item.get("old_version_name"), VERSION_LIMIT),
        plugin=bounded_text(item.get("plugin_version"), VERSION_LIMIT),
        native=bounded_text(item.get("version_build"), VERSION_LIMIT),
        is_prod=_flag(item, "is_prod", default=True),
        is_emulator=_flag(item, "is_emulator", default=False),
        custom_id=bounded_text(item.get("custom_id"), CUSTOM_ID_LIMIT),
        default_channel=bounded_text(item.get("defaultChannel"), CHANNEL_NAME_LIMIT),
        install_source=bounded_text(item.get("install_source"), INSTALL_SOURCE_LIMIT).lower(),
        os=bounded_text(item.get("version_os"), OS_LIMIT),
        key_id=bounded_text(item.get("key_id"), KEY_ID_LIMIT),
        device_time_ms=read_device_time(item.get("timestamp")),
        metadata=read_metadata(item.get("metadata")),
    )


def _wrong(field: str, issue: str) -> _Refused:
    return _Refused(RefusedEvent("invalid_json_body", "Cannot parse body", field, issue))


def _device(given: object) -> DeviceId:
    if not given:
        raise _Refused(RefusedEvent("missing_device_id", "Cannot find device_id"))
    try:
        return parse_device_id(given if isinstance(given, str) else "")
    except Invalid as error:
        raise _wrong("device_id", "Device ID must be a valid UUID string") from error


def _action(given: object) -> str:
    action = known_action(given) if isinstance(given, str) else None
    if action is not None:
        return action
    shown = given[:ACTION_SHOWN_LIMIT] if isinstance(given, str) else ""
    raise _wrong("action", f"Action {shown!r} is not known")


def _platform(item: dict[str, Any]) -> str:
    given, plugin = item.get("platform"), item.get("plugin_version")
    if isinstance(plugin, str) and (family := family_of(plugin)):
        return family.value  # whatever its first releases report
    if isinstance(given, str) and 0 < len(given) <= PLATFORM_LIMIT:
        return given
    raise _wrong("platform", "Platform is required")


def _subject(given: object) -> str:
    """A version may be missing (Android's `download_fail` of a failed job), or a file's name may follow it."""
    if given is None:
        return ""
    if not isinstance(given, str):
        raise _wrong("version_name", "Version name must be a string")
    if len(bundle_of(given)) > VERSION_LIMIT:
        raise _wrong("version_name", f"String must contain at most {VERSION_LIMIT} character(s)")
    return given[:SUBJECT_LIMIT]


def _flag(item: dict[str, Any], name: str, *, default: bool) -> bool:
    given = item.get(name)
    if given is None:
        return default
    if not isinstance(given, bool):
        raise _wrong(name, "must be a boolean")
    return given


def _metadata_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):  # `duration_ms`, as some other clients send it
        return str(value)
    return value if isinstance(value, str) else None


def _result(index: int, refusal: RefusedEvent | None) -> dict[str, object]:
    if refusal is None:
        return {"status": "ok", "index": index}
    result: dict[str, object] = {"status": "error", "error": refusal.code, "message": refusal.message, "index": index}
    more = _more(refusal)
    return result | {"moreInfo": more} if more else result


def _more(refusal: RefusedEvent) -> dict[str, object]:
    return {"parseResult": [{"field": refusal.field, "message": refusal.issue}]} if refusal.field else {}


_members = Members(
    dict.fromkeys(("app_id", "device_id", "action", "version_name", "platform", "old_version_name"), TEXT)
    | dict.fromkeys(("plugin_version", "version_build", "custom_id", "defaultChannel", "install_source"), TEXT)
    | dict.fromkeys(("version_os", "key_id"), TEXT)
    | {"is_prod": FLAG, "is_emulator": FLAG, "timestamp": NUMBER, "metadata": UNREAD}
)
