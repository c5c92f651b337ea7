"""Where Web Push may be sent. An endpoint is an address that a client chose, so this node posts to none but those of
the push services of browsers, and those that its configuration names. Pure.

What a name leads to is judged again when the connection is made: `edge.push.providers.posting`.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

ENDPOINT_LIMIT = 2_048  # characters; those of browsers have under 400
HTTPS_PORT = 443

# Exact hosts, and suffixes that begin with a dot: Chrome and what is built on it, Firefox, Edge, Safari.
PUSH_HOSTS = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    ".push.services.mozilla.com",
    ".notify.windows.com",
    "web.push.apple.com",
    ".push.apple.com",
)
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII)


def endpoint_fault(endpoint: str, further_hosts: Sequence[str] = ()) -> str:
    """Why nothing is posted there; "" if it may be. `further_hosts` are `host`, or `host:port` where the port is not
    443; one that begins with `http://` is reached without TLS."""
    if len(endpoint) > ENDPOINT_LIMIT or not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint:
        return f"has an endpoint that is not an address of up to {ENDPOINT_LIMIT} printable ASCII characters"
    try:
        parts = urlsplit(endpoint)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "has an endpoint that is not an address"
    if parts.scheme not in ("https", "http") or not _HOST.fullmatch(host) or "\\" in endpoint:
        return "has an endpoint that is not an https address"
    if "@" in parts.netloc or "#" in endpoint:
        return "has an endpoint with a user name or a fragment"
    place = host if port in (None, HTTPS_PORT) and parts.scheme == "https" else f"{host}:{port or 80}"
    named = f"http://{place}" if parts.scheme == "http" else place
    if named in further_hosts:
        return ""
    if parts.scheme == "https" and port in (None, HTTPS_PORT) and any(_is_at(host, each) for each in PUSH_HOSTS):
        return ""
    return f"has an endpoint at {named[:80]}, which is not a known push service: push.webpush_hosts allows others"


def origin_of(endpoint: str) -> str:
    """Scheme, host and port, as RFC 6454 writes it: the audience of a VAPID token. Of a checked endpoint."""
    parts = urlsplit(endpoint)
    usual = {"https": HTTPS_PORT, "http": 80}[parts.scheme]
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


def _is_at(host: str, known: str) -> bool:
    return host.endswith(known) if known.startswith(".") else host == known
