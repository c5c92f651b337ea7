"""Does the node that an app names answer? One request for its `/livez`, which does not count as a device."""

import http.client
from urllib.parse import urlsplit

from edge.cli.app_folder.findings import AppFinding, Level
from edge.cli.app_folder.folder import AppFolder

ANSWER_SECONDS = 10.0
_UPDATES = "/updates"


def ask_node(folder: AppFolder) -> list[AppFinding]:
    """Nothing if the address is missing or malformed, which another finding reports."""
    address = folder.config.plugin.get("updateUrl") if folder.config else None
    if not isinstance(address, str) or not address.startswith(("http://", "https://")):
        return []
    try:
        status = _status(address)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return [
            AppFinding(
                Level.ERROR,
                "online",
                f"no answer from {address}: {error}",
                "check that the node, or its proxy, is running",
            )
        ]
    if status == http.client.OK:
        return [AppFinding(Level.OK, "online", f"the node at {address} answers")]
    says = f"HTTP status {status} for /livez next to {address}"
    return [AppFinding(Level.ERROR, "online", says, "check that the address leads to the node's device port")]


def _status(address: str) -> int:
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", parts.path.removesuffix("/").removesuffix(_UPDATES) + "/livez")
        return connection.getresponse().status
    finally:
        connection.close()
