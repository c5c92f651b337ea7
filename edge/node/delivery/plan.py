"""What to answer to a request for a bundle's bytes, decided without touching them: RFC 9110 ranges and preconditions.

An address names its bytes by digest, so they never change: the digest is the strong ETag and the cache may keep an
answer for ever. How the end of a zip is answered depends on the asking plugin and is part of its address
(plugin-capabilities §6). Knows no socket, no file and no clock.
"""

import enum
import re
from datetime import UTC, datetime
from email.utils import formatdate
from typing import NamedTuple

from edge.wire.plugins import ZipEnd

IMMUTABLE = "public, max-age=31536000, immutable, no-transform"
TRANSIENT = "no-store"  # an answer about one range request says nothing about the next
CONTENT_TYPES = {"zip": "application/zip", "file": "application/octet-stream"}

# More digits than this are past the end of any file (2**63 has 19); int() of thousands of digits is refused by Python.
POSITION_DIGITS_LIMIT = 18
_FAR = 10**POSITION_DIGITS_LIMIT

_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(W/)?("[^"]*")')
_TIME = r"(?P<time>\d\d:\d\d:\d\d)"
_DATES = (  # RFC 9110 5.6.7: the form everybody sends, and the two that a recipient still has to read
    re.compile(rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) (?P<month>[A-Z][a-z]{{2}}) (?P<year>\d{{4}}) {_TIME} GMT", re.ASCII),
    re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-(?P<month>[A-Z][a-z]{{2}})-(?P<year>\d\d) {_TIME} GMT", re.ASCII),
    re.compile(rf"[A-Z][a-z]{{2}} (?P<month>[A-Z][a-z]{{2}}) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})", re.ASCII),
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Header = tuple[str, str]


class Blob(NamedTuple):
    kind: str  # a key of CONTENT_TYPES
    digest: str
    bytes: int
    modified: float  # seconds since the epoch


class Asked(NamedTuple):
    """The request's words, as they came; several header lines of one name joined by a comma."""

    method: str = "GET"  # or HEAD
    range: str | None = None
    if_range: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_match: str | None = None
    if_unmodified_since: str | None = None
    end: ZipEnd = ZipEnd.REFUSE  # from the address


class Plan(NamedTuple):
    status: int
    headers: tuple[Header, ...]
    offset: int = 0
    length: int = 0  # bytes of the file to send after the headers; fewer than Content-Length only for HEAD


class Span(NamedTuple):
    first: int
    length: int  # at least 1


class Missed(enum.Enum):
    """A range that can be read and holds no byte of this file."""

    PAST_END = "past_end"  # starts at the end or behind it
    NO_BYTES = "no_bytes"  # the last zero bytes


def plan_delivery(blob: Blob, asked: Asked) -> Plan:
    """The whole answer. Preconditions come before ranges, in the order of RFC 9110 13.2.2."""
    if not _is_what_was_meant(blob, asked):
        return Plan(412, _transient(blob))
    if _has_it_already(blob, asked):
        return Plan(304, _lasting(blob))
    if asked.method != "GET":  # RFC 9110 14.2: Range is defined for GET alone
        return _plan_whole(blob)._replace(length=0)
    if not _continues(blob, asked.if_range):
        return _plan_whole(blob)
    match parse_range(asked.range, blob.bytes):
        case None:
            return _plan_whole(blob)
        case Span() as span:
            return _plan_part(blob, span)
        case Missed.PAST_END if blob.kind == "zip":
            return _plan_zip_end(blob, asked.end)
        case _:
            return _plan_refusal(blob)


def parse_range(value: str | None, size: int) -> Span | Missed | None:
    """The one range asked for, cut to the file's `size` in bytes. None: answer as if no range was asked for."""
    # RFC 9110 14.2: a server may ignore Range; we do for more than one (cost, CVE-2025-62727) and for unread words.
    match = _RANGE.fullmatch(value) if value is not None else None
    if match is None:
        return None
    first, last = (_position(digits) for digits in match.groups())
    if first is None:
        return _suffix(last, size)
    if last is not None and last < first:  # RFC 9110 14.1.1: not a range
        return None
    if first >= size:
        return Missed.PAST_END
    end = size if last is None else min(last + 1, size)
    return Span(first, end - first)


def parse_http_date(value: str) -> int | None:
    """Seconds since the epoch for any of the three forms of RFC 9110 5.6.7; None for anything else."""
    match = next(filter(None, (form.fullmatch(value.strip()) for form in _DATES)), None)
    if match is None or match["month"] not in _MONTHS:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:  # POSIX: 69 is the first year of the last century
        year += 1900 if year >= 69 else 2000
    hour, minute, second = (int(part) for part in match["time"].split(":"))
    try:
        moment = datetime(year, _MONTHS.index(match["month"]) + 1, int(match["day"]), hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp())


def _position(digits: str) -> int | None:
    if not digits:
        return None
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= POSITION_DIGITS_LIMIT else _FAR


def _suffix(length: int | None, size: int) -> Span | Missed | None:
    if length is None:  # "bytes=-"
        return None
    if length == 0:
        return Missed.NO_BYTES
    length = min(length, size)
    return Span(size - length, length) if length else None  # all of an empty file: no Content-Range can say that


def _is_what_was_meant(blob: Blob, asked: Asked) -> bool:
    """RFC 9110 13.1.1, a strong comparison, so that a `W/` tag never matches; 13.1.4 where there is no If-Match."""
    if asked.if_match is not None:
        wanted = asked.if_match
        return wanted.strip() == "*" or ("", _etag(blob)) in _TAG.findall(wanted)
    moment = parse_http_date(asked.if_unmodified_since) if asked.if_unmodified_since is not None else None
    return moment is None or int(blob.modified) <= moment


def _has_it_already(blob: Blob, asked: Asked) -> bool:
    known = asked.if_none_match
    if known is not None:
        # In a well-formed list a quoted digest is always one whole tag, so looking for it is the weak comparison.
        return known.strip() == "*" or _etag(blob) in known
    since = parse_http_date(asked.if_modified_since) if asked.if_modified_since is not None else None
    return since is not None and int(blob.modified) <= since


def _continues(blob: Blob, if_range: str | None) -> bool:
    """RFC 9110 13.1.5: a strong match or exactly our date, else the whole file. A `W/` tag never matches."""
    return if_range is None or if_range.strip() in (_etag(blob), _http_date(blob))


def _plan_whole(blob: Blob) -> Plan:
    return Plan(200, (("Content-Length", str(blob.bytes)), *_described(blob)), 0, blob.bytes)


def _plan_part(blob: Blob, span: Span) -> Plan:
    content_range = f"bytes {span.first}-{span.first + span.length - 1}/{blob.bytes}"
    headers = (("Content-Length", str(span.length)), ("Content-Range", content_range), *_described(blob))
    return Plan(206, headers, span.first, span.length)


def _plan_zip_end(blob: Blob, end: ZipEnd) -> Plan:
    match end:
        case ZipEnd.EMPTY:
            return Plan(206, (*_nothing(blob), ("Content-Type", CONTENT_TYPES[blob.kind])))
        case ZipEnd.WHOLE:
            return _plan_whole(blob)
        case ZipEnd.REFUSE:
            return _plan_refusal(blob)


def _plan_refusal(blob: Blob) -> Plan:
    return Plan(416, _nothing(blob))


def _described(blob: Blob) -> tuple[Header, ...]:
    return (
        ("Content-Type", CONTENT_TYPES[blob.kind]),
        ("Content-Disposition", "attachment"),  # a publisher's HTML never runs as a page of this host
        ("X-Content-Type-Options", "nosniff"),
        ("Accept-Ranges", "bytes"),
        *_lasting(blob),
    )


def _lasting(blob: Blob) -> tuple[Header, ...]:
    """What a 304 repeats (RFC 9110 15.4.5)."""
    return (("ETag", _etag(blob)), ("Last-Modified", _http_date(blob)), ("Cache-Control", IMMUTABLE))


def _nothing(blob: Blob) -> tuple[Header, ...]:
    return (("Content-Range", f"bytes */{blob.bytes}"), ("Accept-Ranges", "bytes"), *_transient(blob))


def _transient(blob: Blob) -> tuple[Header, ...]:
    """Of an answer without a body, about this one request."""
    return (
        ("Content-Length", "0"),
        ("ETag", _etag(blob)),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", TRANSIENT),
    )


def _etag(blob: Blob) -> str:
    return f'"{blob.digest}"'


def _http_date(blob: Blob) -> str:
    return formatdate(int(blob.modified), usegmt=True)
