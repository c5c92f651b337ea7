"""Answers to requests for features, and the headers of each, alike on both ways in. Pure."""

import gzip

import msgspec

from edge.node.service.answer_cache import GZIP_LEVEL, GZIP_MIN_BYTES
from edge.node.service.limits.overload import RETRY_AFTER_SECONDS
from edge.wire.ofrep.refusals import OfrepCode, OfrepRefused

# Values are one client's, and change: no cache in between may keep them.
CACHE_CONTROL = "private, no-store"
CHALLENGE = 'Bearer realm="features"'
LIMITED_SECONDS = 30  # for whoever asks too often

PREFLIGHT_HEADERS = (
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "Content-Type, If-None-Match, Authorization, X-API-Key, Last-Event-ID"),
    ("Access-Control-Max-Age", "86400"),  # browsers ask again all the same before each conditional request
)


class FeatureReply(msgspec.Struct, frozen=True):
    """`body` is empty for 304 alone; `gzipped` None: compression does not pay. `ready` is where the lane keeps the
    head of a reply that is given again and again, with the date that is in it."""

    status: int
    body: bytes = b""
    app: str = ""
    etag: str = ""
    gzipped: bytes | None = None
    retry_after: int = 0  # seconds; 0: not stated
    ready: dict[tuple[bool, bool], tuple[bytes, bytes]] | None = None

    def headers(self) -> list[tuple[str, str]]:
        """Those of this answer, besides what every answer on the port has."""
        found = [("Cache-Control", CACHE_CONTROL)]
        if self.etag:
            found.append(("ETag", self.etag))
        if self.retry_after:
            found.append(("Retry-After", str(self.retry_after)))
        if self.status == 401:
            found.append(("WWW-Authenticate", CHALLENGE))
        return found


def refused(refusal: OfrepRefused, app: str = "", retry_after: int = 0) -> FeatureReply:
    """The answer that a refusal is."""
    return FeatureReply(refusal.status, refusal.body, app, retry_after=retry_after)


def squeezed(body: bytes) -> bytes | None:
    """The body compressed; None if that does not pay."""
    return gzip.compress(body, GZIP_LEVEL, mtime=0) if len(body) >= GZIP_MIN_BYTES else None


_WRONG_KEY = OfrepRefused(401, OfrepCode.GENERAL, "this app gives its features with one of its feature keys alone")
_BUSY = OfrepRefused(429, OfrepCode.GENERAL, "the node has too much to do: ask again later")
_TOO_MANY = OfrepRefused(429, OfrepCode.GENERAL, "too many requests of this address: ask again later")
_UNAVAILABLE = OfrepRefused(503, OfrepCode.GENERAL, "the node cannot answer for this app now: ask again later")
_UNKNOWN_APP = OfrepRefused(404, OfrepCode.GENERAL, "this node has no such app")


def _again_and_again(refusal: OfrepRefused, retry_after: int = 0) -> FeatureReply:
    return FeatureReply(refusal.status, refusal.body, retry_after=retry_after, ready={})


# A client polls with a revoked key for ever, so this is no more than a look-up: made once.
WRONG_KEY = _again_and_again(_WRONG_KEY)
UNKNOWN_APP = _again_and_again(_UNKNOWN_APP)
# Published clients keep their values at any error; at 429 alone they wait as they are told before they ask again.
BUSY = _again_and_again(_BUSY, RETRY_AFTER_SECONDS)
TOO_MANY = _again_and_again(_TOO_MANY, LIMITED_SECONDS)
# Behind what the client has heard of, or damaged: older values must not replace newer ones, so none are sent.
UNAVAILABLE = _again_and_again(_UNAVAILABLE, RETRY_AFTER_SECONDS)
