"""Every refusal of aiohttp's side in the device protocol's one shape."""

from aiohttp import web

from edge.node.delivery.plan import TRANSIENT
from edge.node.service.common_answers import refusal_body
from edge.node.service.limits.overload import RETRY_AFTER_SECONDS


def refuse(error: web.HTTPException) -> web.Response:
    """The answer to `error` in our own words: aiohttp's repeat what the peer sent."""
    headers = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
    return refusal(error.status, headers)


def refusal(status: int, headers: dict[str, str] | None = None) -> web.Response:
    """`{"error": code, "message": …}` with the code and message of `status`."""
    return web.Response(status=status, body=refusal_body(status), content_type="application/json", headers=headers)


def refuse_for_now() -> web.Response:
    """503 for what this node cannot do now and may do soon: nothing about it is to be remembered."""
    return refusal(503, {"Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": TRANSIENT})


def refuse_malformed() -> web.Response:
    """400 for bytes that are not a request. Where the next one would begin is unknown, so the connection ends."""
    response = refusal(400, {"Server": "edge"})  # nothing removes aiohttp's from this answer
    response.force_close()
    return response
