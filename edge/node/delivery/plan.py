"""What to answer to a request for a bundle's bytes: RFC 9110 ranges and preconditions, decided without reading a byte.

An address names its bytes by digest, so they never change: the digest is the strong ETag, and caches may keep an
answer as long as they like. Plugin releases disagree on what a range past the end of a zip means, so the address states
which answer to give (PROTOCOL.md §11.6). Pure: no socket, no file, no clock.
"""

import enum
import re
from datetime import UTC, datetime
from email.utils import formatdate
from typing import NamedTuple

from edge.wire.plugins.forms import ZipEnd

IMMUTABLE = "public, max-age=31536000, immutable, no-transform"
# For one client's dictionary alone. Some caches ignore `Vary` but for Accept-Encoding, and would give it to others.
PRIVATE = "private, max-age=31536000, immutable, no-transform"
TRANSIENT = "no-store"  # for an answer to one request that holds for no other
VARY = "Accept-Encoding, Available-Dictionary"
CONTENT_TYPES = {"zip": "application/zip", "file": "application/octet-stream"}

# A number with more digits is past the end of any file (2**63 has 19), and Python refuses int() of thousands of them.
POSITION_DIGITS_LIMIT = 18
_FAR = 10**POSITION_DIGITS_LIMIT

_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(W/)?("[^"]*")')
_TIME = r"(?P<time>\d\d:\d\d:\d\d)"
_DATES = (  # RFC 9110 5.6.7: the preferred form, and the two obsolete ones that a recipient must accept
    re.compile(rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) (?P<month>[A-Z][a-z]{{2}}) (?P<year>\d{{4}}) {_TIME} GMT", re.ASCII),
    re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-(?P<month>[A-Z][a-z]{{2}})-(?P<year>\d\d) {_TIME} GMT", re.ASCII),
    re.compile(rf"[A-Z][a-z]{{2}} (?P<month>[A-Z][a-z]{{2}}) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})", re.ASCII),
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

HeaderField = tuple[str, str]


class Blob(NamedTuple):
    """One stored file, by its digest."""

    kind: str  # a key of CONTENT_TYPES
    digest: str
    bytes: int
    modified: float  # seconds since the epoch
    encoding: str = ""  # of the address's bytes, if these are not themselves
    dictionary: str = ""  # the value of Use-As-Dictionary, on addresses that have one (`dictionaries`)


class DeliveryRequest(NamedTuple):
    """The header values that decide the answer, unparsed; several lines of one header are joined by ", "."""

    method: str = "GET"  # or HEAD
    range: str | None = None
    if_range: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_match: str | None = None
    if_unmodified_since: str | None = None
    end: ZipEnd = ZipEnd.REFUSE  # from the query of the address

    @property
    def wants_whole(self) -> bool:
        """Neither a range nor a condition: those are of the bytes that the address names, and of their ETag."""
        about = (self.range, self.if_none_match, self.if_modified_since, self.if_match, self.if_unmodified_since)
        return all(each is None for each in about)


class Plan(NamedTuple):
    """Everything about an answer but its bytes, which are the file's from `offset`."""

    status: int
    headers: tuple[HeaderField, ...]
    offset: int = 0
    length: int = 0  # bytes of the file to send after the headers; fewer than Content-Length only for HEAD


class Span(NamedTuple):
    """A range of bytes that lies inside the file."""

    first: int
    length: int  # at least 1


class Missed(enum.Enum):
    """Why a well-formed range selects no byte of the file."""

    PAST_END = "past_end"  # starts at or after the end
    NO_BYTES = "no_bytes"  # a suffix of zero bytes


def plan_delivery(blob: Blob, request: DeliveryRequest) -> Plan:
    """Evaluate preconditions, then the range, in the order of RFC 9110 13.2.2."""
    if not _preconditions_hold(blob, request):
        return Plan(412, _bodyless_headers(blob))
    if _is_cached(blob, request):
        return Plan(304, _cacheable_headers(blob))
    if request.method != "GET":  # RFC 9110 14.2: Range is defined for GET alone
        return _plan_whole(blob)._replace(length=0)
    if not _range_applies(blob, request.if_range):
        return _plan_whole(blob)
    match parse_range(request.range, blob.bytes):
        case None:
            return _plan_whole(blob)
        case Span() as span:
            return _plan_part(blob, span)
        case Missed.PAST_END if blob.kind == "zip":
            return _plan_zip_end(blob, request.end)
        case _:
            return _plan_refusal(blob)


def parse_range(value: str | None, size: int) -> Span | Missed | None:
    """The single range in a Range header, clipped to the file's `size` in bytes; None to answer with the whole file."""
    # RFC 9110 14.2: a server may ignore Range. We do for several ranges (cost, CVE-2025-62727) and for other units.
    match = _RANGE.fullmatch(value) if value is not None else None
    if match is None:
        return None
    first, last = (_position(digits) for digits in match.groups())
    if first is None:
        return _suffix(last, size)
    if last is not None and last < first:  # RFC 9110 14.1.1: invalid
        return None
    if first >= size:
        return Missed.PAST_END
    end = size if last is None else min(last + 1, size)
    return Span(first, end - first)


def parse_http_date(value: str) -> int | None:
    """Seconds since the epoch, from any of the three forms of RFC 9110 5.6.7; None if it is none of them."""
    match = next(filter(None, (form.fullmatch(value.strip()) for form in _DATES)), None)
    if match is None or match["month"] not in _MONTHS:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:  # POSIX: 69 to 99 are in the 20th century
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
    unpadded = digits.lstrip("0")
    return int(unpadded or "0") if len(unpadded) <= POSITION_DIGITS_LIMIT else _FAR


def _suffix(length: int | None, size: int) -> Span | Missed | None:
    if length is None:  # "bytes=-"
        return None
    if length == 0:
        return Missed.NO_BYTES
    length = min(length, size)
    return Span(size - length, length) if length else None  # Content-Range cannot express all of an empty file


def _preconditions_hold(blob: Blob, request: DeliveryRequest) -> bool:
    """RFC 9110 13.1.1: If-Match compares strongly, so a `W/` tag never matches; 13.1.4 applies without If-Match."""
    if request.if_match is not None:
        wanted = request.if_match
        return wanted.strip() == "*" or ("", _etag(blob)) in _TAG.findall(wanted)
    moment = parse_http_date(request.if_unmodified_since) if request.if_unmodified_since is not None else None
    return moment is None or int(blob.modified) <= moment


def _is_cached(blob: Blob, request: DeliveryRequest) -> bool:
    known = request.if_none_match
    if known is not None:
        # In a well-formed list a quoted digest is always one whole tag, so a substring search compares weakly.
        return known.strip() == "*" or _etag(blob) in known
    since = parse_http_date(request.if_modified_since) if request.if_modified_since is not None else None
    return since is not None and int(blob.modified) <= since


def _range_applies(blob: Blob, if_range: str | None) -> bool:
    """RFC 9110 13.1.5: If-Range needs a strong match or exactly our date, else the whole file is sent."""
    return if_range is None or if_range.strip() in (_etag(blob), _http_date(blob))


def _plan_whole(blob: Blob) -> Plan:
    length = ("Content-Length", str(blob.bytes))
    use_as = (("Use-As-Dictionary", blob.dictionary),) if blob.dictionary else ()
    return Plan(200, (length, *use_as, *_file_headers(blob)), 0, blob.bytes)


def _plan_part(blob: Blob, span: Span) -> Plan:
    content_range = f"bytes {span.first}-{span.first + span.length - 1}/{blob.bytes}"
    headers = (("Content-Length", str(span.length)), ("Content-Range", content_range), *_file_headers(blob))
    return Plan(206, headers, span.first, span.length)


def _plan_zip_end(blob: Blob, end: ZipEnd) -> Plan:
    match end:
        case ZipEnd.EMPTY:
            return Plan(206, (*_no_range_headers(blob), ("Content-Type", CONTENT_TYPES[blob.kind])))
        case ZipEnd.WHOLE:
            return _plan_whole(blob)
        case ZipEnd.REFUSE:
            return _plan_refusal(blob)


def _plan_refusal(blob: Blob) -> Plan:
    return Plan(416, _no_range_headers(blob))


def _file_headers(blob: Blob) -> tuple[HeaderField, ...]:
    return (
        ("Content-Type", CONTENT_TYPES[blob.kind]),
        ("Content-Disposition", "attachment"),  # a publisher's HTML never runs as a page of this host
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Encoding", blob.encoding) if blob.encoding else ("Accept-Ranges", "bytes"),
        *_cacheable_headers(blob),
    )


def _cacheable_headers(blob: Blob) -> tuple[HeaderField, ...]:
    """The headers that a 304 repeats (RFC 9110 15.4.5)."""
    vary = (("Vary", VARY),) if blob.dictionary else ()
    cached = ("Cache-Control", PRIVATE if blob.encoding else IMMUTABLE)
    return (("ETag", _etag(blob)), ("Last-Modified", _http_date(blob)), cached, *vary)


def _no_range_headers(blob: Blob) -> tuple[HeaderField, ...]:
    return (("Content-Range", f"bytes */{blob.bytes}"), ("Accept-Ranges", "bytes"), *_bodyless_headers(blob))


def _bodyless_headers(blob: Blob) -> tuple[HeaderField, ...]:
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
