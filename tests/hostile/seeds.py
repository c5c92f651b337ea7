"""Valid requests of every device route: what the mutations start from, and what an answer to each may be.

Every request carries its own marker wherever a device's words may be repeated. `Seed.statuses` are those of a request
whose address and method are as here; a request that is changed there gets one of ELSEWHERE.
"""

import json
from dataclasses import dataclass, field
from urllib.parse import urlencode

APP = "com.example.hostile"
FEATURES = f"/features/{APP}/ofrep/v1"
DEVICE_PREFIX = "00009a6b-eefe-490a-9c60-0000"  # a device of its own for each request: some routes count by it
PLUGINS = ("4.0.0", "5.0.0", "6.0.1", "6.14.26", "7.8.1", "7.34.0", "8.45.10", "8.51.14", "8.51.23", "10.0.0")

# 503 only from a worker that says it is overloaded or out of room; the report shows how many.
ELSEWHERE = frozenset({200, 204, 206, 304, 400, 401, 404, 405, 408, 412, 413, 416, 417, 429, 503})
HEAD_ONLY = frozenset({200, 204, 400, 404, 405})

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Seed:
    """One valid request, as parts that a mutation may replace."""

    route: str
    method: bytes
    path: bytes
    headers: Headers
    body: bytes = b""
    fields: dict[str, object] = field(default_factory=dict)  # of a JSON body, or of a query
    batch: bool = False  # the body is a list of such objects
    within: str = ""  # the member of the body that the object is
    statuses: frozenset[int] = ELSEWHERE

    def encode(self) -> bytes:
        lines = [self.method + b" " + self.path + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


def frame(body: bytes) -> tuple[bytes, bytes]:
    return b"Content-Length", str(len(body)).encode()


def check_fields(marker: str, plugin: str = "8.51.14") -> dict[str, object]:
    return {
        "platform": "android",
        "device_id": DEVICE_PREFIX + marker.removeprefix("mk"),
        "app_id": APP,
        "custom_id": marker,
        "version_build": "1.0.0",
        "version_code": "42",
        "version_os": "14",
        "version_name": f"1.0.0-{marker}",
        "plugin_version": plugin,
        "is_emulator": False,
        "is_prod": True,
        "install_source": "google_play",
        "defaultChannel": "production",
    }


def event_fields(marker: str, plugin: str = "8.51.14") -> dict[str, object]:
    extra = {"action": "set", "old_version_name": "1.0.0", "timestamp": 1_700_000_000_000}
    return check_fields(marker, plugin) | extra | {"metadata": {"note": marker, "duration_ms": "3"}}


def app_event_fields(marker: str) -> dict[str, object]:
    event = {"name": marker, "kind": "feature", "time": 1_700_000_000_000, "value": 1.5, "labels": {"note": marker}}
    device = {"app_id": APP, "device_id": DEVICE_PREFIX + marker.removeprefix("mk"), "custom_id": marker}
    return device | {"platform": "web", "key": marker, "events": [event, event | {"kind": "click"}]}


def push_fields(marker: str) -> dict[str, object]:
    device = {"app_id": APP, "device_id": DEVICE_PREFIX + marker.removeprefix("mk"), "custom_id": marker}
    keys = {"p256dh": "BA" + "A" * 85, "auth": "A" * 22}
    subscription = {"endpoint": f"https://push.example/{marker}", "keys": keys, "expirationTime": None}
    said = {"timezone": "Europe/Paris", "locale": "en", "platform": "web", "consent": True, "key": marker}
    return device | said | {"provider": "webpush", "subscription": subscription, "token": marker}


def context_fields(marker: str, plugin: str = "8.51.14") -> dict[str, object]:
    return check_fields(marker, plugin) | {"targetingKey": marker, "plan": marker, "nested": {"of": [marker]}}


def posted(
    route: str, fields: dict[str, object], statuses: frozenset[int], *, batch: bool = False, within: str = ""
) -> Seed:
    body = json.dumps([fields] * 3 if batch else {within: fields} if within else fields).encode()
    headers = [(b"Host", b"hostile"), (b"Content-Type", b"application/json; charset=utf-8"), frame(body)]
    return Seed(route, b"POST", route.encode(), headers, body, fields, batch, within, statuses)


def plain(method: bytes, path: bytes, route: str, statuses: frozenset[int], *headers: tuple[bytes, bytes]) -> Seed:
    return Seed(route, method, path, [(b"Host", b"hostile"), *headers], statuses=statuses)


JSON_STATUSES = frozenset({200, 400, 413})
FEATURE_STATUSES = frozenset({200, 304, 400, 401, 413, 429})
FILE_STATUSES = frozenset({200, 206, 304, 412, 416, 503})
CHOICE_STATUSES = frozenset({200, 400, 404, 413})


def build_seed(kind: int, marker: str, plugin: str, digest: str) -> Seed:
    """One of KINDS seeds. `digest` is the published zip's."""
    check, event = check_fields(marker, plugin), event_fields(marker, plugin)
    zip_path = f"/bundles/{APP}/zip/{digest}".encode()
    query = urlencode({name: str(value).lower() for name, value in check.items()}).encode()
    match kind:
        case 0 | 1 | 2:
            return posted("/updates", check, JSON_STATUSES)
        case 3 | 4:
            return posted("/stats", event, JSON_STATUSES | {503})
        case 5:
            return posted("/stats", event, JSON_STATUSES | {503}, batch=True)
        case 6:
            return plain(b"GET", zip_path, "/bundles", FILE_STATUSES)
        case 7:
            return plain(b"GET", zip_path + b"?end=restart", "/bundles", FILE_STATUSES, (b"Range", b"bytes=100-199"))
        case 8:
            return plain(b"HEAD", zip_path, "/bundles", FILE_STATUSES)
        case 9:
            manifest = [
                {"file_name": "index.html", "file_hash": digest, "download_url": f"http://h{zip_path.decode()}"}
            ]
            return posted("/updates/manifest_size", check | {"version": "1.0.1", "manifest": manifest}, CHOICE_STATUSES)
        case 10:
            return posted("/channel_self", check | {"channel": "production"}, CHOICE_STATUSES)
        case 11:
            seed = posted("/channel_self", check, CHOICE_STATUSES)
            seed.method = b"PUT"
            return seed
        case 12:
            seed = posted("/channel_self", check, CHOICE_STATUSES)
            seed.method = b"DELETE"
            return seed
        case 13:
            seed = plain(b"GET", b"/channel_self?" + query, "/channel_self", CHOICE_STATUSES)
            seed.fields = check
            return seed
        case 14:
            return plain(b"OPTIONS", b"/updates", "OPTIONS", HEAD_ONLY, (b"Origin", b"capacitor://localhost"))
        case 15:
            return plain(b"GET", b"/livez?" + marker.encode(), "/livez", HEAD_ONLY)
        case 16:
            return plain(b"GET", b"/stats", "/stats", HEAD_ONLY)
        case 17:
            return posted("/events", app_event_fields(marker), CHOICE_STATUSES | {503})
        case 18:
            return posted("/push/register", push_fields(marker), CHOICE_STATUSES | {503})
        case 19 | 20:
            seed = posted("/features", context_fields(marker, plugin), FEATURE_STATUSES, within="context")
            seed.path = f"{FEATURES}/evaluate/flags{'?flagConfigEtag=1-abc' if kind == 20 else ''}".encode()
            seed.headers.insert(1, (b"If-None-Match", b'W/"%s", "%s"' % (marker.encode(), marker.encode())))
            return seed
        case 21:
            seed = posted("/features", context_fields(marker, plugin), FEATURE_STATUSES | {404}, within="context")
            seed.path = b"%b/evaluate/flags/colour" % FEATURES.encode()
            return seed
        case 22:
            path = f"{FEATURES}/evaluate/flags".encode()
            return plain(b"OPTIONS", path, "/features", HEAD_ONLY, (b"Origin", b"capacitor://localhost"))
        case _:
            return plain(b"GET", b"/nowhere/" + marker.encode(), "unknown", frozenset({404}))


KINDS = 24
# Seeds of routes that a node may not have: left out when it answers their valid request with 404 or 405.
OPTIONAL_KINDS = {9: "/updates/manifest_size", 10: "/channel_self", 11: "/channel_self", 12: "/channel_self"}
OPTIONAL_KINDS[13] = "/channel_self"
