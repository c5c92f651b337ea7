"""`edge demo`: a standalone node with a demo app in it, to look at or, with `--check`, to prove in one run.

The app is prepared through the control API, as anybody would, and only where it is not there yet: a second run finds
its state. `--check` leaves nothing behind: free ports, a temporary data directory.
"""

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

import aiohttp
import click
import msgspec
import uvloop

from edge.assembly.standalone import Standalone
from edge.bundles.sources.selection import build_selection
from edge.cli.demo.release import APP, BETA, CHANNEL, NATIVE, RELEASES, DemoRelease, write_release
from edge.cli.demo.segments import SEGMENTS, TESTER, make_unless_there, prepare_segments, segment_lines
from edge.cli.node.serve import stop_on_signals
from edge.cli.publishing.publish import PublishOptions, Release, publish
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.output import size
from edge.config import Config, load_config
from edge.device.identity import Identity
from edge.device.ledger import UpdateOutcome, UpdateResult
from edge.device.profile import build_profile
from edge.device.simulators.capacitor import Device
from edge.domain.model import AppId, Platform
from edge.node.observing.log import set_up_logging

PLUGIN = "8.51.14"
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
CHECK_WORKERS = 2  # enough to show that each of several serves what was published


@click.command()
@click.option("--check", is_flag=True, help="Walk one simulated device through an update on free ports; exit 0 or 1.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def demo(check: bool, as_json: bool) -> None:
    """Serve a demo app with three releases and four segments: devices on port 8080, control on loopback 8081."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        passed = runner.run(_check(as_json) if check else _serve(as_json))
    if not passed:
        raise click.exceptions.Exit(1)


async def _serve(as_json: bool) -> bool:
    config = load_config(None, os.environ)
    set_up_logging(config.log)
    stopping = stop_on_signals()
    node = Standalone(config)
    async with node.running():
        prepared = await asyncio.to_thread(prepare, node)
        ports = {"device_port": node.device_port, "control_port": node.control_port}
        segments = [each.name for each in SEGMENTS]
        facts = {"app": APP, "channel": CHANNEL, "releases": prepared, "segments": segments, **ports}
        click.echo(json.dumps(facts) if as_json else _greeting(node, prepared))
        await node.serve_until(stopping)
    if not as_json:
        click.echo("\nstopped; the next run goes on from here")
    return True


def prepare(node: Standalone) -> dict[str, str]:
    """Make the app with all that belongs to it where it is missing; what was done for each version. Blocks."""
    client = ControlClient(f"http://127.0.0.1:{node.control_port}", node.admin_token_file.read_text().strip())
    try:
        make_unless_there(client, "/v1/apps", {"app": APP})
        make_unless_there(client, app_path(APP, "channels"), {"name": CHANNEL, "public": True})
        make_unless_there(client, app_path(APP, "channels"), {"name": BETA.channel})
        prepared = {release.version: _publish(client, release) for release in (*RELEASES, BETA)}
        prepare_segments(client)
        return prepared
    finally:
        client.close()


def _publish(client: ControlClient, release: DemoRelease) -> str:
    known = {bundle["version"] for bundle in client.get(app_path(APP, "bundles"))}
    if release.version in known:
        return "found"
    with tempfile.TemporaryDirectory(prefix="edge-demo-") as folder:
        web = Path(folder) / "www"
        write_release(release, web)
        publish(
            client, Release(APP, release.version, release.channel), web, PublishOptions(build_selection(), warn=_nobody)
        )
    return "published"


def _nobody(_warning: str) -> None:
    """The demo's app is older than its pre-release."""


def _greeting(node: Standalone, prepared: dict[str, str]) -> str:
    made = ", ".join(f"{version} ({what})" for version, what in prepared.items())
    address = f"http://localhost:{node.device_port}"
    question = {
        "platform": "android",
        "device_id": DEVICE,
        "app_id": APP,
        "version_build": NATIVE,
        "version_name": NATIVE,
        "plugin_version": PLUGIN,
    }
    settings = {"updateUrl": f"{address}/updates", "statsUrl": f"{address}/stats"}
    settings["channelUrl"] = f"{address}/channel_self"
    return f"""
app {APP}, public channel {CHANNEL}, releases {made}
devices: {address} (IPv4 and IPv6)    control: http://127.0.0.1:{node.control_port}    data: {node.config.data_dir}

An update being offered:

  curl -s {address}/updates -H 'Content-Type: application/json' -d '{json.dumps(question)}'

Its segments. With "custom_id": "{TESTER}" in the question above, the answer is {BETA.version}:

{_indented(segment_lines())}

A device's configuration, in capacitor.config.json (a real device needs an address of this machine that it can reach):

{_indented(json.dumps({"plugins": {"CapacitorUpdater": settings}}, indent=2).splitlines())}

A simulated device:

  {_command()} device update --url {address} --app {APP} --state /tmp/edge-device --plugin {PLUGIN} --platform android

Ctrl-C stops the node; the next run finds its state again."""


def _command() -> str:
    """As it was typed, so that a line can be copied: `.venv/bin/edge` is on nobody's path."""
    return sys.argv[0] if Path(sys.argv[0]).name == "edge" else "edge"


def _indented(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


async def _check(as_json: bool) -> bool:
    with tempfile.TemporaryDirectory(prefix="edge-demo-") as temporary:
        config = _private(load_config(None, {}), Path(temporary))
        set_up_logging(config.log)
        node = Standalone(config)
        steps: list[dict[str, str]] = []
        async with node.running():
            prepared = await asyncio.to_thread(prepare, node)
            _step(steps, as_json, "publish", f"{APP} {', '.join(prepared)}, with {len(SEGMENTS)} segments")
            passed = await _walk(node, Path(temporary), steps, as_json)
    if as_json:
        click.echo(json.dumps({"passed": passed, "steps": steps}))
    else:
        click.echo("the demo works" if passed else "the demo does not work")
    return passed


def _private(config: Config, folder: Path) -> Config:
    return msgspec.structs.replace(
        config,
        data_dir=str(folder / "data"),
        devices=msgspec.structs.replace(config.devices, host="127.0.0.1", port=0, workers=CHECK_WORKERS),
        control=msgspec.structs.replace(config.control, port=0),
        log=msgspec.structs.replace(config.log, level="warning"),
    )


async def _walk(node: Standalone, folder: Path, steps: list[dict[str, str]], as_json: bool) -> bool:
    """Check, download, verify, install, report; then ask again and look at what was counted."""
    outcome = await _update(node, folder)
    for name, said in _told(outcome):
        _step(steps, as_json, name, said)
    again = await _update(node, folder)
    _step(steps, as_json, "check again", again.result.value)
    counts = await node.insight.counts(AppId(APP))
    installed = sum(each.n for each in counts if (each.bundle, each.action) == (RELEASES[-1].version, "set"))
    _step(steps, as_json, "count", f"{installed} device installed {RELEASES[-1].version}")
    return (
        outcome.result is UpdateResult.UPDATED
        and outcome.version == RELEASES[-1].version
        and _same_files(outcome.folder, folder / "expected")
        and again.result is UpdateResult.UP_TO_DATE
        and installed == 1
    )


def _told(outcome: UpdateOutcome) -> list[tuple[str, str]]:
    ledger = outcome.ledger
    fetched = [request for request in ledger.requests if request.method == "GET"]
    received = sum(request.received_bytes for request in fetched)
    return [
        ("check", f"HTTP {ledger.requests[0].status}, {ledger.requests[0].received_bytes} bytes"),
        ("download", f"{len(fetched)} files, {size(received)}"),
        ("verify and install", f"{outcome.result.value} {outcome.reason}: runs {outcome.version}"),
        ("report", ", ".join(ledger.actions)),
    ]


async def _update(node: Standalone, folder: Path) -> UpdateOutcome:
    address = f"http://127.0.0.1:{node.device_port}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        device = Device(
            build_profile(Platform.ANDROID, PLUGIN),
            Identity(app=APP, device_id=DEVICE, version_build=NATIVE),
            folder / "device",
            session,
            update_url=f"{address}/updates",
            stats_url=f"{address}/stats",
        )
        return await device.check_and_update()


def _same_files(installed: Path | None, expected: Path) -> bool:
    write_release(RELEASES[-1], expected)
    return installed is not None and _tree(installed) == _tree(expected)


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _step(steps: list[dict[str, str]], quiet: bool, name: str, said: str) -> None:
    steps.append({"step": name, "result": said})
    if not quiet:
        click.echo(f"{name:<20} {said}")
