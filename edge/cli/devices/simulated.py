"""`edge device update`: one simulated device through check, download, verify, install and report.

Exits 0 if the device ends where the node wants it, 1 if the update failed.
"""

import asyncio
import shlex
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.devices.facts import erase, lift, list_devices, show, story
from edge.cli.terminal.access import device_address
from edge.cli.terminal.client import parse_address
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Advance, Output, counted, fields, line, progress, size, table
from edge.domain.model import parse_device_id

if TYPE_CHECKING:  # these import aiohttp and cryptography, which `edge device --help` does not need
    from edge.device.ledger import DownloadProgress, UpdateOutcome

DEVICE_ID_FILE = "device-id"
STATS_PATH = "/stats"
UPDATES_PATH = "/updates"
DONE = frozenset({"updated", "reverted", "up_to_date", "blocked"})  # it runs what the node wants it to run


@click.group()
def device() -> None:
    """Simulate a device; list and show known devices."""


for command in (list_devices, show, story, lift, erase):
    device.add_command(command)


@device.command(short_help="Simulate a device: check, install what is offered, report.")
@click.option("--url", metavar="URL", help="Address of the device port; default: this machine's node.")
@click.option("--app", required=True, metavar="APP", help="App id.")
@click.option(
    "--state", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the device's storage."
)
@click.option("--plugin", required=True, metavar="VERSION", help="Release of the updater plugin to simulate.")
@click.option(
    "--platform", required=True, type=click.Choice(["android", "ios", "electron"]), help="Platform to simulate."
)
@click.option("--device-id", metavar="ID", help="Device id, a UUID; default: generated once and kept in --state.")
@click.option("--native", metavar="VERSION", default="1.0.0", show_default=True, help="Version of the native app.")
@click.option("--channel", metavar="NAME", default="", help="Default channel in the app's own configuration.")
@click.option("--custom-id", metavar="ID", default="", help="Custom id that the app gave the device.")
@click.option(
    "--builtin",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with the files inside the native app.",
)
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Public key of the app, to decrypt and verify encrypted bundles.",
)
@click.option("--fail-boot", is_flag=True, help="Never report that the new bundle started, so that it is rolled back.")
@with_output
def update(
    out: Output,
    url: str | None,
    state: Path,
    device_id: str | None,
    public_key: Path | None,
    fail_boot: bool,
    **given: Any,
) -> None:
    """Simulate a device: check once, install what is offered and report it. Prints each request with bytes and time."""
    url = url or device_address()
    parse_address(url)
    given["public_key"] = _read_public_key(public_key) if public_key else None
    state.mkdir(parents=True, exist_ok=True)
    device_id = parse_device_id(device_id) if device_id else _kept_device_id(state)
    with progress("downloading", None) as advance:
        outcome = asyncio.run(_run(url.rstrip("/"), state, device_id, fail_boot, _steps_to(advance), **given))
    why = _explain_command(given, device_id, outcome.version)
    out.result({**_summary(outcome, device_id), "explain": why}, lambda: _print_text(outcome, device_id, why))
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
    from edge.device.setup import DeviceSetup
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
        setup = DeviceSetup(
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
        return await kind(setup).check_and_update(boot_ok=not fail_boot)


def _read_public_key(file: Path) -> str:
    """The PEM in `file`. Raises Invalid `invalid_public_key`, since an app with such a key would not start."""
    from edge.bundles.encryption.rsa_keys import parse_public_key

    pem = file.read_text("utf-8", "replace").strip()
    parse_public_key(pem)
    return pem


def _kept_device_id(state: Path) -> str:
    """The id kept in this storage, generated at its first use as an app does when installed."""
    file = state / DEVICE_ID_FILE
    if not file.exists():
        file.write_text(str(uuid.uuid4()))
    return parse_device_id(file.read_text().strip())


def _steps_to(advance: Advance) -> "Callable[[DownloadProgress], None]":
    """Turns the progress of single files, which download side by side, into the bytes that are new."""
    reached: dict[str, int] = {}

    def add(step: "DownloadProgress") -> None:
        advance(step.done_bytes - reached.get(step.name, 0))
        reached[step.name] = step.done_bytes

    return add


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
    """The command that explains the node's answer, to be run where the control API can be reached."""
    words = ["edge", "explain", given["app"], "--device", device_id, "--platform", given["platform"]]
    words += ["--plugin", given["plugin"], "--native", given["native"], "--version-name", runs]
    for option, name in (("--default-channel", "channel"), ("--custom-id", "custom_id")):
        words += [option, given[name]] if given[name] else []
    return shlex.join(words)


def _print_text(outcome: "UpdateOutcome", device_id: str, why: str) -> None:
    ledger = outcome.ledger
    rows = [
        [
            each.status or "none",
            each.received_bytes,
            f"{each.seconds * 1_000:.1f}",
            each.range,
            each.method,
            each.url,
        ]
        for each in ledger.requests
    ]
    table(("status", "bytes", "ms", "range", "method", "request"), rows, "no request was sent")
    for cause in dict.fromkeys(each.cause for each in ledger.requests if each.cause):
        line(f"no answer, or not all of it: {cause}")
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
