"""`edge device update`: one simulated device through check, download, verify, install and report.

Exit code 0 when the device ended where the server wanted it, 1 when the update failed.
"""

import asyncio
import shlex
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.devices.facts import erase, lift, show
from edge.cli.terminal.client import parse_address
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Advance, Output, counted, fields, line, progress, size, table
from edge.domain.model import parse_device_id

if TYPE_CHECKING:  # aiohttp and cryptography, which `edge device --help` does not need
    from edge.device.ledger import DownloadProgress, UpdateOutcome

DEFAULT_URL = "http://127.0.0.1:8080"
DEVICE_ID_FILE = "device-id"
STATS_PATH = "/stats"
UPDATES_PATH = "/updates"
DONE = frozenset({"updated", "reverted", "up_to_date", "blocked"})  # it has what the server wanted it to have


@click.group()
def device() -> None:
    """Behave as a device does, and see what the node knows of one."""


for command in (show, lift, erase):
    device.add_command(command)


@device.command(short_help="Be a device: check, install what is offered, report.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Device port of the node.")
@click.option("--app", required=True, help="The app's id.")
@click.option("--state", required=True, type=click.Path(path_type=Path, file_okay=False), help="The device's storage.")
@click.option("--plugin", required=True, metavar="VERSION", help="Release of the updater plugin to behave as.")
@click.option("--platform", required=True, type=click.Choice(["android", "ios", "electron"]))
@click.option("--device-id", help="A UUID; by default one is made and kept in the state folder.")
@click.option("--native", default="1.0.0", show_default=True, help="Version of the native app.")
@click.option("--channel", default="", help="Default channel, as in the app's own configuration.")
@click.option("--custom-id", default="", help="What the app calls this device.")
@click.option("--builtin", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Files inside the app.")
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The app's public key: encrypted bundles are decrypted and verified with it.",
)
@click.option("--fail-boot", is_flag=True, help="The new bundle never says that it started: it is rolled back.")
@with_output
def update(
    out: Output,
    url: str,
    state: Path,
    device_id: str | None,
    public_key: Path | None,
    fail_boot: bool,
    **given: Any,
) -> None:
    """Check once, install what is offered, and report it; then tell every request, byte and second it took."""
    parse_address(url)
    given["public_key"] = _read_public_key(public_key) if public_key else None
    state.mkdir(parents=True, exist_ok=True)
    device_id = parse_device_id(device_id) if device_id else _kept_device_id(state)
    with progress("downloading", None) as advance:
        outcome = asyncio.run(_run(url.rstrip("/"), state, device_id, fail_boot, _steps_to(advance), **given))
    why = _explain_command(given, device_id, outcome.version)
    out.result({**_summary(outcome, device_id), "explain": why}, lambda: _tell(outcome, device_id, why))
    if outcome.result.value not in DONE:
        raise click.exceptions.Exit(1)


async def _run(
    url: str,
    state: Path,
    device_id: str,
    fail_boot: bool,
    on_progress: "Callable[[DownloadProgress], None]",
    **given: Any,
) -> "UpdateOutcome":
    import aiohttp

    from edge.device.identity import Identity
    from edge.device.profile import build_profile
    from edge.device.simulators.capacitor import Device
    from edge.device.simulators.electron import ElectronDevice
    from edge.domain.model import Platform

    profile = build_profile(Platform(given["platform"]), given["plugin"])
    identity = Identity(
        app=given["app"],
        device_id=device_id,
        version_build=given["native"],
        custom_id=given["custom_id"],
        default_channel=given["channel"],
    )
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        kind = ElectronDevice if profile.platform is Platform.ELECTRON else Device
        launch = kind(
            profile,
            identity,
            state,
            session,
            update_url=url + UPDATES_PATH,
            stats_url=url + STATS_PATH,
            public_key=given["public_key"],
            builtin=given["builtin"],
            on_progress=on_progress,
        )
        return await launch.check_and_update(boot_ok=not fail_boot)


def _read_public_key(file: Path) -> str:
    """The PEM in `file`. Raises Invalid `invalid_public_key`: the app would stop when it starts."""
    from edge.bundles.encryption.rsa_keys import parse_public_key

    pem = file.read_text("utf-8", "replace").strip()
    parse_public_key(pem)
    return pem


def _kept_device_id(state: Path) -> str:
    """The id that this storage was given when it was first used, as an app's installation has one."""
    file = state / DEVICE_ID_FILE
    if not file.exists():
        file.write_text(str(uuid.uuid4()))
    return parse_device_id(file.read_text().strip())


def _steps_to(advance: Advance) -> "Callable[[DownloadProgress], None]":
    """Files download side by side, each telling how far it is; the bar wants what is new."""
    reached: dict[str, int] = {}

    def hear(step: "DownloadProgress") -> None:
        advance(step.done_bytes - reached.get(step.name, 0))
        reached[step.name] = step.done_bytes

    return hear


def _summary(outcome: "UpdateOutcome", device_id: str) -> dict[str, Any]:
    ledger = outcome.ledger
    return {
        "result": outcome.result.value,
        "reason": outcome.reason,
        "device_id": device_id,
        "version": outcome.version,
        "folder": str(outcome.folder) if outcome.folder else None,
        "seconds": round(outcome.seconds, 6),
        "received_bytes": ledger.received_bytes,
        "sent_bytes": ledger.sent_bytes,
        "requests": [request._asdict() for request in ledger.requests],
        "reused": ledger.reused,
        "reports": ledger.reports,
        "events": ledger.events,
        "waits": ledger.waits,
    }


def _explain_command(given: Mapping[str, Any], device_id: str, runs: str) -> str:
    """What shows why the node answered this device as it did, to be copied to where the control port is."""
    words = ["edge", "explain", given["app"], "--device", device_id, "--platform", given["platform"]]
    words += ["--plugin", given["plugin"], "--native", given["native"], "--version-name", runs]
    for option, name in (("--default-channel", "channel"), ("--custom-id", "custom_id")):
        words += [option, given[name]] if given[name] else []
    return shlex.join(words)


def _tell(outcome: "UpdateOutcome", device_id: str, why: str) -> None:
    ledger = outcome.ledger
    rows = [
        [each.method, each.url, each.status or "none", each.range, each.received_bytes, f"{each.seconds * 1_000:.1f}"]
        for each in ledger.requests
    ]
    table(("method", "request", "status", "range", "bytes", "ms"), rows, "nothing was asked")
    line("")
    pairs = (
        ("outcome", f"{outcome.result.value}: {outcome.reason}"),
        ("device", device_id),
        ("runs", outcome.version),
        ("folder", outcome.folder),
        ("took", f"{outcome.seconds:.2f} s, {counted(len(rows), 'request')}, {size(ledger.received_bytes)} received"),
        ("reused files", len(ledger.reused)),
        ("reported", ledger.actions),
        ("why", why),
    )
    fields(pairs)
