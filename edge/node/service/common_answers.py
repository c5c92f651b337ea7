"""What the lane and aiohttp, the two servers of the device port, answer alike: replies, CORS and errors. Pure."""

import msgspec

from edge.node.service.answer_cache import EncodedBody
from edge.wire.body import encode_json

# The device routes carry no cookies and no credentials, so any origin may read what any device may: Electron and
# web clients come from `file://`, `capacitor://localhost` and every origin in between.
CORS_HEADERS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "ETag, Content-Range, Accept-Ranges, Retry-After"),
)

UNKNOWN_ERROR = {"error": "unknown_error", "message": "Unknown error", "moreInfo": {}}  # a bug of ours, status 500

_ERRORS = {
    400: ("bad_request", "This is not a request that can be read"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
    408: ("request_timeout", "The body did not arrive in time"),
    413: ("body_too_large", "The body is larger than this route takes"),
    417: ("expectation_failed", "Expectation failed"),
    500: ("unknown_error", "Unknown error"),
    503: ("unavailable", "The node cannot do this now"),
}
_OTHER = ("request_refused", "Request refused")


class Reply(msgspec.Struct, frozen=True, gc=False):
    """`app` is the request's, or "" if it could not be read. `ready` is where the lane keeps the whole
    bytes of a reply that is given again and again: with `Connection: close` or without, to who takes gzip or not."""

    status: int
    body: EncodedBody
    app: str = ""
    ready: dict[tuple[bool, bool], bytes] | None = None


def refusal_document(status: int) -> dict[str, str]:
    """The error's stable code and its message, for a request that reaches no route or that a route refuses."""
    code, message = _ERRORS.get(status, _OTHER)
    return {"error": code, "message": message}


def refusal_body(status: int) -> bytes:
    return encode_json(refusal_document(status))
