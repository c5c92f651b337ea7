"""Events of an app's own code: `POST /events` to `AppReport`, and the answer (PROTOCOL.md §13).

Strict, unlike reports: who sends these can read the answer and change the code. Events are refused one by one, a batch
for who sends it.
"""

import math
import re
from typing import Annotated, Any, NamedTuple

import msgspec

from edge.domain.errors import Invalid
from edge.domain.model import AppId, DeviceId, parse_app_id, parse_device_id
from edge.wire.body import WireError, encode_json, require_size
from edge.wire.fields import CUSTOM_ID_LIMIT
from edge.wire.members import NUMBER, TEXT, UNREAD, Members, read_items, read_object, read_scalar, start_of
from edge.wire.stats import DeviceTime, read_device_time

EVENTS_BODY_LIMIT_BYTES = 64 << 10  # what browsers send of a page that is being hidden (fetch keepalive, sendBeacon)
EVENTS_BATCH_LIMIT = 100  # so many with a few labels fill that body
EVENT_NAME_LIMIT = 64  # characters: a word or a path, not a sentence
LABELS_LIMIT = 8  # of an event
LABEL_KEY_LIMIT = 32  # characters
LABEL_TEXT_LIMIT = 128  # characters: the message of an error, cut by who sends it
VALUE_LIMIT = 1e15  # beyond it, sums of numbers lose cents

KINDS = ("feature", "screen", "error", "duration", "purchase")
PLATFORMS = ("android", "ios", "electron", "web")

_NAME = re.compile(rf"[A-Za-z0-9_./-][A-Za-z0-9_./ -]{{0,{EVENT_NAME_LIMIT - 1}}}", re.ASCII)
_LABEL_KEY = re.compile(rf"[A-Za-z0-9_.-]{{1,{LABEL_KEY_LIMIT}}}", re.ASCII)

EventValue = Annotated[float, msgspec.Meta(ge=-VALUE_LIMIT, le=VALUE_LIMIT)]


class AppEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the app's code says that happened. With the device, `name`, `kind` and `at_ms`, by the device's clock, are
    its identity: a resend is known by them."""

    name: str
    kind: str  # one of KINDS
    at_ms: DeviceTime  # since the epoch
    value: EventValue | None = None  # seconds, if the kind is "duration"; else what the app means by it
    labels: dict[str, str] = {}


class RefusedAppEvent(NamedTuple):
    """`place` is its index in the batch; `code` is one of PROTOCOL.md §13.2."""

    place: int
    code: str
    message: str


class AppReport(NamedTuple):
    """The events of a request that are in order, and the others. An empty text was not sent; `key` is the body's."""

    app: AppId
    device: DeviceId
    custom_id: str
    platform: str
    key: str
    events: list[AppEvent]
    refused: list[RefusedAppEvent]


class _Wrong(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def parse_app_report(body: bytes) -> AppReport:
    """Raises WireError (PROTOCOL.md §13.2): 413 `body_too_large`, `too_many_events`; 400 `invalid_json_parse_body`,
    `invalid_json_body`, `invalid_app_id`, `invalid_device_id`, `invalid_custom_id`, `invalid_platform`,
    `invalid_events`, `no_events`, and the first event's code if all are refused."""
    require_size(body, EVENTS_BODY_LIMIT_BYTES)
    fields = _request_members.read(body)
    if fields is None:
        raise WireError(400, "invalid_json_body", "The body is a JSON object with app_id, device_id and events")
    app, device = _app(fields.get("app_id")), _device(fields.get("device_id"))
    custom_id, platform = _custom_id(fields.get("custom_id")), _platform(fields.get("platform"))
    events, refused = _events(fields.get("events"))
    if not events:
        raise WireError(400, refused[0].code, f"event 0: {refused[0].message}")
    key = fields.get("key")
    return AppReport(app, device, custom_id, platform, key if isinstance(key, str) else "", events, refused)


def encode_app_answer(report: AppReport) -> bytes:
    """The body of a 200."""
    refused = [{"index": each.place, "error": each.code, "message": each.message} for each in report.refused]
    return encode_json({"status": "ok", "accepted": len(report.events), "refused": refused})


def parse_event_name(given: object) -> str:
    """Of an event or an outcome. Raises Invalid `invalid_name`."""
    if not isinstance(given, str) or _NAME.fullmatch(given) is None:
        raise Invalid(
            "invalid_name",
            f"a name has 1 to {EVENT_NAME_LIMIT} letters, digits, '_', '.', '/', '-' and spaces, and begins with no "
            "space",
        )
    return given


def is_number(given: object) -> bool:
    """Whether sums can take it: finite, and below VALUE_LIMIT."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return False
    return math.isfinite(given) and abs(given) <= VALUE_LIMIT


def _app(given: object) -> AppId:
    try:
        return parse_app_id(given if isinstance(given, str) else "")
    except Invalid as error:
        raise WireError(400, "invalid_app_id", "app_id is the id of an app, such as com.example.app") from error


def _device(given: object) -> DeviceId:
    try:
        return parse_device_id(given if isinstance(given, str) else "")
    except Invalid as error:
        raise WireError(
            400, "invalid_device_id", "device_id is a UUID, the updater plugin's where there is one"
        ) from error


def _custom_id(given: object) -> str:
    if given is None:
        return ""
    if not isinstance(given, str) or len(given) > CUSTOM_ID_LIMIT:
        raise WireError(400, "invalid_custom_id", f"custom_id is a text of at most {CUSTOM_ID_LIMIT} characters")
    return given


def _platform(given: object) -> str:
    if given is None:
        return ""
    if given not in PLATFORMS:
        raise WireError(400, "invalid_platform", f"platform is one of {', '.join(PLATFORMS)}")
    return str(given)


def _events(given: msgspec.Raw | None) -> tuple[list[AppEvent], list[RefusedAppEvent]]:
    if given is None or start_of(given) != b"[":
        raise WireError(400, "invalid_events", "events is an array of objects")
    items = read_items(given, EVENTS_BATCH_LIMIT)
    if not items:
        raise WireError(400, "no_events", "events is empty")
    if len(items) > EVENTS_BATCH_LIMIT:
        raise WireError(413, "too_many_events", f"A batch has at most {EVENTS_BATCH_LIMIT} events")
    events: list[AppEvent] = []
    refused: list[RefusedAppEvent] = []
    for index, item in enumerate(items):
        try:
            events.append(_event(_event_members.read(item) or {}))
        except _Wrong as wrong:
            refused.append(RefusedAppEvent(index, wrong.code, wrong.message))
    return events, refused


def _event(fields: dict[str, Any]) -> AppEvent:
    try:
        name = parse_event_name(fields.get("name"))
    except Invalid as error:
        raise _Wrong(error.code, error.message) from error
    kind = fields.get("kind")
    if kind not in KINDS:
        raise _Wrong("invalid_kind", f"kind is one of {', '.join(KINDS)}")
    at_ms = read_device_time(fields.get("time"))
    if at_ms is None:
        raise _Wrong("invalid_time", "time is when it happened, in milliseconds since the epoch")
    return AppEvent(name, kind, at_ms, _value(fields.get("value"), kind), _labels(fields.get("labels")))


def _value(given: Any, kind: str) -> float | None:
    if given is None:
        return None
    if not is_number(given) or (kind == "duration" and given < 0):
        raise _Wrong("invalid_value", f"value is a number up to {VALUE_LIMIT:.0e}; a duration is in seconds, from 0 on")
    return float(given)


def _labels(given: msgspec.Raw | None) -> dict[str, str]:
    if given is None or bytes(given) == b"null":
        return {}
    if start_of(given) != b"{":
        raise _Wrong("invalid_labels", "labels is an object of texts")
    labels = {key: _label_text(read_scalar(raw)) for key, raw in read_object(given).items()}
    if len(labels) > LABELS_LIMIT or not all(map(_LABEL_KEY.fullmatch, labels)):
        raise _Wrong(
            "invalid_labels",
            f"an event has at most {LABELS_LIMIT} labels, each with a name of at most {LABEL_KEY_LIMIT} letters, "
            "digits, '_', '.' and '-'",
        )
    return labels


def _label_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str) or len(value) > LABEL_TEXT_LIMIT:
        raise _Wrong("invalid_labels", f"a label is a text of at most {LABEL_TEXT_LIMIT} characters")
    return value


_request_members = Members(
    dict.fromkeys(("app_id", "device_id", "custom_id", "platform", "key"), TEXT) | {"events": UNREAD}
)
_event_members = Members({"name": TEXT, "kind": TEXT, "time": NUMBER, "value": NUMBER, "labels": UNREAD})
