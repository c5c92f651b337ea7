"""How a release reads the answer to an update check: from bytes to what the device does. Pure.

Written from the device's side (PROTOCOL.md §1.6-1.8, §11.7), so it can disagree with a server.
`report` is the statistic that the answer makes the device send; `events` go to the app's own code.
"""

import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from edge.device.behaviours import BreakingEvent, NoUpdateAnswer, RateLimit
from edge.device.profile import Profile
from edge.device.updating.decode import Fields, Undecodable, decode_android, decode_ios

DOWNLOAD_FAIL = "download_fail"
BACKEND_REFUSAL = "backend_refusal"
_JAVA_URL_SCHEMES = frozenset({"http", "https", "ftp", "file", "jar"})  # which `new URL()` accepts on Android
_MAGIC_ERROR = "disable_auto_update_to_major"
_MAGIC_MESSAGE = "store_update_required"


class ManifestFile(NamedTuple):
    """One entry of a manifest, as received."""

    file_name: str
    file_hash: str
    download_url: str


class UpdateFound(NamedTuple):
    """An update; `manifest` None: fetch the zip at `url`."""

    version: str
    url: str
    session_key: str = ""
    checksum: str = ""
    manifest: tuple[ManifestFile, ...] | None = None
    link: str = ""
    comment: str = ""
    events: tuple[str, ...] = ("updateAvailable",)


class NoUpdate(NamedTuple):
    """The device is up to date."""

    reason: str = "up_to_date"
    events: tuple[str, ...] = ("noNeedUpdate",)


class BlockedAnswer(NamedTuple):
    """A rule of the server keeps the device on its bundle; known from `kind`, or reported as a refusal."""

    reason: str
    report: str | None
    events: tuple[str, ...]


class Revert(NamedTuple):
    """The device returns to the web code inside the native app."""

    events: tuple[str, ...] = ()


class FailedAnswer(NamedTuple):
    """No usable answer."""

    reason: str
    report: str | None = DOWNLOAD_FAIL
    events: tuple[str, ...] = ("downloadFailed", "noNeedUpdate")


class RateLimited(NamedTuple):
    """A 429 to a release that reacts to it; `rate_limit` decides for how long."""

    events: tuple[str, ...]
    reason: str = "rate_limit_exceeded"


ReadAnswer = UpdateFound | NoUpdate | BlockedAnswer | Revert | FailedAnswer | RateLimited


def read_answer(profile: Profile, status: int, body: bytes, current: str) -> ReadAnswer:
    """How a device that runs the bundle `current` reads `status` and `body`, which the HTTP stack has decompressed.

    For a network failure, see `no_answer`.
    """
    if status == 429 and profile.rate_limit is not RateLimit.PLAIN_FAILURE:
        refusal = profile.no_update_answer is NoUpdateAnswer.MESSAGE_OR_ERROR_IS_REFUSAL
        return RateLimited(("backendRefused" if refusal else "downloadFailed", "noNeedUpdate"))
    ok = 200 <= status < 300
    if not ok and not profile.reads_body_of_errors:
        return _unread(profile, "response_error")
    try:
        fields = decode_android(body, profile) if profile.android else decode_ios(body, profile)
    except Undecodable as error:
        return _unread(profile, error.code if ok else "response_error")
    spoken = _read_words(profile, fields, ok)
    if spoken is not None:
        return spoken._replace(events=(*spoken.events, *_breaking(profile, fields)))
    if not ok:
        return _unread(profile, "response_error")
    return _read_update(profile, fields, current)


def no_answer(profile: Profile) -> FailedAnswer:
    """What a request without an answer means to the device."""
    return _unread(profile, "network_error")


def _unread(profile: Profile, reason: str) -> FailedAnswer:
    # Volley passes every failure on as {error, message}, and the oldest releases read `message` as "nothing new".
    if profile.no_update_answer is NoUpdateAnswer.MESSAGE_IS_NO_UPDATE:
        return FailedAnswer(reason, None, ("noNeedUpdate",))
    return FailedAnswer(reason)


def _read_words(profile: Profile, fields: Fields, ok: bool) -> NoUpdate | BlockedAnswer | FailedAnswer | None:
    """The answer if `error`, `message` or `kind` decides it; None if the rest of the body does."""
    message, error = fields.has("message"), fields.has("error")
    reason = fields.text("error") or fields.text("message")
    match profile.no_update_answer:
        case NoUpdateAnswer.KIND:
            return _read_kind(fields) if fields.speaks("error") or fields.speaks("kind") else None
        case NoUpdateAnswer.MESSAGE_IS_NO_UPDATE:
            return NoUpdate(reason) if message else None
        case NoUpdateAnswer.MESSAGE_IS_FAILURE:
            return FailedAnswer(reason) if message else None
        case NoUpdateAnswer.MESSAGE_OR_ERROR_IS_FAILURE:
            return FailedAnswer(reason) if message or error else None
        case NoUpdateAnswer.MESSAGE_OR_ERROR_IS_REFUSAL:
            refused = BlockedAnswer(reason, BACKEND_REFUSAL, ("backendRefused", "noNeedUpdate"))
            return refused if message or error else None
        case NoUpdateAnswer.ERROR_IS_FAILURE:
            return FailedAnswer(reason) if error else None
        case NoUpdateAnswer.ERROR_IS_FAILURE_EVENT_ONLY:
            return FailedAnswer(reason, None if ok else DOWNLOAD_FAIL) if error else None


def _read_kind(fields: Fields) -> NoUpdate | BlockedAnswer | FailedAnswer:
    told = ("updateCheckResult", "noNeedUpdate")
    reason = fields.text("error") or "server"
    match fields.text("kind"):
        case "up_to_date":
            return NoUpdate(reason, told)
        case "blocked":
            return BlockedAnswer(reason, None, told)
        case _:  # "failed", missing, empty, null or an unknown word
            return FailedAnswer(reason, events=("updateCheckResult", "downloadFailed", "noNeedUpdate"))


def _breaking(profile: Profile, fields: Fields) -> tuple[str, ...]:
    """`breakingAvailable` and its older name, if this release raises them for this body."""
    version, told = fields.text("version"), ("breakingAvailable", "majorAvailable")
    major, breaking = fields.flag("major"), fields.flag("breaking")
    plainly = fields.has("message") and not fields.has("error")
    match profile.breaking_event:
        case BreakingEvent.NEVER:
            return ()
        case BreakingEvent.MAJOR:
            return ("majorAvailable",) if fields.has("message") and major and version else ()
        case BreakingEvent.MAJOR_WITHOUT_ERROR:
            return ("majorAvailable",) if plainly and major and version else ()
        case BreakingEvent.BREAKING_OR_MAJOR_WITHOUT_ERROR:
            return told if plainly and (major or breaking) and version else ()
        case BreakingEvent.BREAKING_OR_MAGIC:
            # Android passes an error on without its other members, which loses `breaking` beside `error` (§1.7).
            breaks = breaking and not (profile.android and fields.has("error"))
            magic = fields.text("error") == _MAGIC_ERROR or fields.text("message") == _MAGIC_MESSAGE
            return told if version and (breaks or magic) else ()


def _read_update(profile: Profile, fields: Fields, current: str) -> ReadAnswer:
    if fields.text("version") == "builtin" and profile.reverts_to_builtin:
        return Revert()
    url = fields.text("url")
    if not _parses(profile, url):
        return _unread(profile, "no url or wrong format")
    if profile.android and not fields.has("version"):
        return FailedAnswer("no version")  # JSONObject.getString throws; iOS reads an absent version as ""
    version = fields.text("version")
    if version in ("", current):
        return NoUpdate()
    try:
        manifest = _read_manifest(profile, fields)
    except Undecodable as error:
        return FailedAnswer(error.code)
    return UpdateFound(
        version,
        url,
        fields.text("session_key"),
        fields.text("checksum"),
        manifest,
        fields.text("link") if profile.reads_link_and_comment else "",
        fields.text("comment") if profile.reads_link_and_comment else "",
        ("updateAvailable", *_breaking(profile, fields)),
    )


def _parses(profile: Profile, url: str) -> bool:
    """Android: `new URL()`, which needs a known scheme. iOS: `URL(string:)`, which takes anything without spaces."""
    if not profile.android:
        return url != "" and not any(c.isspace() or c in '<>"{}|\\^`' for c in url)
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises unless the port is a number below 65536
    except ValueError:
        return False
    return parts.scheme in _JAVA_URL_SCHEMES


def _read_manifest(profile: Profile, fields: Fields) -> tuple[ManifestFile, ...] | None:
    if profile.manifest is None or not fields.has("manifest"):
        return None
    entries = fields.value("manifest")
    if not isinstance(entries, list):  # Android only tests for the key: `"manifest": null` throws (PROTOCOL.md §1.8)
        raise Undecodable("manifest is not an array")
    return tuple(_read_file(entry) for entry in entries)


def _read_file(entry: Any) -> ManifestFile:
    if not isinstance(entry, dict):
        raise Undecodable("manifest entry is not an object")
    name, file_hash, url = (entry.get(key) for key in ("file_name", "file_hash", "download_url"))
    if not (isinstance(name, str) and isinstance(file_hash, str | None) and isinstance(url, str)):
        raise Undecodable(f"manifest entry {json.dumps(entry)[:100]} lacks a member")
    return ManifestFile(name, file_hash or "", url)
