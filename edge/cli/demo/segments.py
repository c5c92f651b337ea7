"""The demo app's segments: the four that teams need first. Two use what a check says, two how a device is used."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from edge.cli.demo.release import APP, BETA, RELEASES
from edge.cli.terminal.client import ControlClient, RequestRefused, app_path

ENTERPRISE = "enterprise"
TESTER = "beta-anna"  # a custom id in the first segment


class DemoSegment(NamedTuple):
    """A segment; it sends its devices to `channel`, or to none."""

    name: str
    where: str
    channel: str | None
    priority: int = 100
    leave: str | None = None


SEGMENTS = (
    DemoSegment("beta-testers", 'in_set("beta-testers") || custom_id.startsWith("beta-")', BETA.channel, 10),
    DemoSegment("enterprise", 'custom_id.startsWith("corp-")', ENTERPRISE, 20),
    DemoSegment("new-users", "first_seen_days < 7", None),
    DemoSegment("power-users", "sessions_7d > 10", None, leave="sessions_7d < 7"),
)
ID_SETS = {"beta-testers": ("anna", "bert")}
WINDOWS = ("Sat,Sun 01:00-05:00 Europe/Paris",)


def prepare_segments(client: ControlClient) -> None:
    """Create what is missing, and leave what exists as it is. Blocks."""
    settings = {"name": ENTERPRISE, "bundle": RELEASES[-1].version, "windows": WINDOWS, "rollback_passes": True}
    create_if_missing(client, app_path(APP, "channels"), settings)
    known = _names(client, "id-sets")
    for name in ID_SETS.keys() - known:
        _put(client, name)
    known = _names(client, "segments")
    for each in SEGMENTS:
        if each.name not in known:
            wanted = {"where": each.where, "channel": each.channel, "priority": each.priority, "leave": each.leave}
            client.patch(app_path(APP, "segments", each.name), wanted)


def create_if_missing(client: ControlClient, path: str, body: dict[str, Any]) -> None:
    """POST, ignoring a 409: it exists already."""
    try:
        client.post(path, body)
    except RequestRefused as refusal:
        if refusal.answered != 409:
            raise


def segment_lines() -> list[str]:
    """One line per segment, in evaluation order."""
    width = max(len(each.name) for each in SEGMENTS)
    return [
        f"{each.name:<{width}}  {each.where}{f'  until {each.leave}' if each.leave else ''}"
        f"{f'  -> channel {each.channel}' if each.channel else ''}"
        for each in SEGMENTS
    ]


def _names(client: ControlClient, what: str) -> set[str]:
    return {each["name"] for each in client.get(app_path(APP, what))}


def _put(client: ControlClient, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="edge-demo-") as folder:
        file = Path(folder) / "ids"
        file.write_text("\n".join(ID_SETS[name]))
        client.upload(app_path(APP, "id-sets", name), file, lambda _: None, "text/plain; charset=utf-8")
