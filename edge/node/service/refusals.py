"""What a device gets that asked for something this port does not do: one shape, whoever refuses."""

from aiohttp import web

from edge.wire.body import encode_json

_ERRORS = {
    400: ("bad_request", "This is not a request that can be read"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
    408: ("request_timeout", "The body did not arrive in time"),
    413: ("body_too_large", "The body is larger than this route takes"),
    417: ("expectation_failed", "Expectation failed"),
    503: ("unavailable", "The node cannot do this now"),
}
_OTHER = ("request_refused", "Request refused")


def refuse(error: web.HTTPException) -> web.Response:
    """In the words of the table, never in aiohttp's: those repeat what the peer sent."""
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return refusal(error.status, headers)


def refusal(status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=refusal_body(status), content_type="application/json", headers=headers)


def refusal_body(status: int) -> bytes:
    code, message = _ERRORS.get(status, _OTHER)
    return encode_json({"error": code, "message": message})


def refuse_malformed() -> web.Response:
    """Bytes that are no request; where the next one would begin is unknown, so the connection ends."""
    response = refusal(400)
    response.force_close()
    return response
