"""`edge demo`: a standalone node with a demo app, to explore or, with `--check`, to prove that the node works.

The app is set up through the control API like any other, and only what is missing: a second run reuses the state.
`--check` leaves nothing behind: it takes free ports and a temporary data directory.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import click
import msgspec
import uvloop

from edge.assembly.standalone import Standalone
from edge.bundles.sources.selection import build_selection
from edge.cli.demo.fleet import FLEET_LIMIT, Fleet, build_fleet
from edge.cli.demo.power_user import POWER_USER, SESSIONS, is_power_user, use_without_connection
from edge.cli.demo.release import APP, BETA, CHANNEL, NATIVE, RELEASES, DemoRelease, write_release
from edge.cli.demo.segments import SEGMENTS, TESTER, create_if_missing, prepare_segments, segment_lines
from edge.cli.node.serve import stop_on_signals
from edge.cli.publishing.publish import PublishOptions, Release, publish
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.output import counted, size
from edge.config import Config, load_config
from edge.device.identity import Identity
from edge.device.ledger import UpdateOutcome, UpdateResult
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.capacitor import Device
from edge.domain.model import AppId, Platform
from edge.node.observing.log import set_up_logging

PLUGIN = "8.51.14"
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
CHECK_FLEET = 4  # one of each release
FLEET_SEED = 12
CHECK_WORKERS = 2  # enough to show that every worker serves what was published


@click.command()
@click.option(
    "--check", is_flag=True, help="Update one simulated device on free ports, then exit: 0 if it worked, else 1."
)
@click.option(
    "--fleet",
    type=click.IntRange(0, FLEET_LIMIT),
    default=0,
    metavar="N",
    help=f"Let N simulated devices (at most {FLEET_LIMIT}) live against the demo, a day of theirs in four minutes, "
    f"until Ctrl-C: watch `edge stats {APP}`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def demo(check: bool, fleet: int, as_json: bool) -> None:
    """Serve a demo app with three releases and four segments: devices on port 8080, control API on 127.0.0.1:8081."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        passed = runner.run(_check(as_json) if check else _serve(as_json, fleet))
    if not passed:
        raise click.exceptions.Exit(1)


async def _serve(as_json: bool, fleet: int) -> bool:
    config = load_config(None, os.environ)
    set_up_logging(config.log)
    stopping = stop_on_signals()
    node = Standalone(config)
    async with node.running():
        prepared = await asyncio.to_thread(prepare, node)
        await _show_power_user(node)
        ports = {"device_port": node.device_port, "control_port": node.control_port}
        segments = [each.name for each in SEGMENTS]
        facts = {"app": APP, "channel": CHANNEL, "releases": prepared, "segments": segments, **ports}
        click.echo(json.dumps(facts) if as_json else _greeting(node, prepared))
        async with _fleet_of(node, fleet, as_json):
            await node.serve_until(stopping)
    if not as_json:
        click.echo("\nstopped; the next run continues from here")
    return True


async def _show_power_user(node: Standalone) -> None:
    """Unless an earlier run did."""
    client = _client_of(node)
    try:
        known = await asyncio.to_thread(client.get, app_path(APP, "devices", POWER_USER))
    finally:
        client.close()
    if known["behaviour"] is None:
        with tempfile.TemporaryDirectory(prefix="edge-demo-") as folder:
            await use_without_connection(f"http://127.0.0.1:{node.device_port}", Path(folder))


@asynccontextmanager
async def _fleet_of(node: Standalone, count: int, quiet: bool) -> AsyncIterator[None]:
    """Simulated devices live while the block runs."""
    if not count:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="edge-fleet-") as folder:
        fleet = Fleet(f"http://127.0.0.1:{node.device_port}", Path(folder), build_fleet(count, FLEET_SEED))
        if not quiet:
            click.echo(f"\n{count} simulated devices live here, a day of theirs in four minutes. Watch what they do:\n")
            click.echo(f"  {_command()} stats {APP} --watch\n")
        living = asyncio.create_task(fleet.live(_ignore if quiet else click.echo))
        try:
            yield
        finally:
            living.cancel()
            await asyncio.wait([living])
            if not living.cancelled():
                living.result()  # a bug of the fleet's


def prepare(node: Standalone) -> dict[str, str]:
    """Create what is missing of the app. Returns, for each version, whether it was published or found. Blocks."""
    client = _client_of(node)
    try:
        create_if_missing(client, "/v1/apps", {"app": APP})
        create_if_missing(client, app_path(APP, "channels"), {"name": CHANNEL, "public": True})
        create_if_missing(client, app_path(APP, "channels"), {"name": BETA.channel})
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
            client, Release(APP, release.version, release.channel), web, PublishOptions(build_selection(), warn=_ignore)
        )
    return "published"


def _ignore(_said: str) -> None:
    """What a fleet says where JSON is printed; and a warning that does not apply: the demo's native app is older than
    its pre-release."""


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
devices: {address} (IPv4 and IPv6)
control API: http://127.0.0.1:{node.control_port}
data: {node.config.data_dir}

Ask for an update as a device does:

  curl -s {address}/updates -H 'Content-Type: application/json' -d '{json.dumps(question)}'

Segments. With "custom_id": "{TESTER}" in the request above, the answer is {BETA.version}:

{_indented(segment_lines())}

A device was used {SESSIONS} times without a connection, and has reported it. In some seconds it is a power user:

  {_command()} segment test {APP} power-users --device {POWER_USER}

Configure an app in capacitor.config.json (a real device needs an address of this machine that it can reach):

{_indented(json.dumps({"plugins": {"CapacitorUpdater": settings}}, indent=2).splitlines())}

Simulate a device:

  {_command()} device update --url {address} --app {APP} --state /tmp/edge-device --plugin {PLUGIN} --platform android

Ctrl-C stops the node; the next run continues from its state."""


def _command() -> str:
    """As the user typed it, so that the line can be copied even if `.venv/bin` is not on the PATH."""
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
        click.echo("the demo works" if passed else "the demo failed")
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
    """Check, download, verify, install and report; then check again and look at the counts."""
    outcome = await _update(node, folder)
    for name, said in _summary(outcome):
        _step(steps, as_json, name, said)
    again = await _update(node, folder)
    _step(steps, as_json, "check again", again.result.value)
    counts = await node.telemetry.counts(AppId(APP))
    installed = sum(each.n for each in counts if (each.bundle, each.action) == (RELEASES[-1].version, "set"))
    _step(steps, as_json, "count", f"{counted(installed, 'device')} installed {RELEASES[-1].version}")
    all_counted = await _walk_fleet(node, folder, [*outcome.ledger.actions, *again.ledger.actions], steps, as_json)
    became_one = await _walk_power_user(node, folder, steps, as_json)
    return (
        all_counted
        and became_one
        and outcome.result is UpdateResult.UPDATED
        and outcome.version == RELEASES[-1].version
        and _same_files(outcome.folder, folder / "expected")
        and again.result is UpdateResult.UP_TO_DATE
        and installed == 1
    )


async def _walk_power_user(node: Standalone, folder: Path, steps: list[dict[str, str]], as_json: bool) -> bool:
    """A device without a connection for days reports twelve sessions at once: it was no power user, and is one."""
    client = _client_of(node)
    try:
        before, _ = await asyncio.to_thread(is_power_user, client)
        await use_without_connection(f"http://127.0.0.1:{node.device_port}", folder / "power-user")
        await node.telemetry.counts(AppId(APP))  # counts what is acknowledged by now, which judges the device
        after, judged = await asyncio.to_thread(is_power_user, client)
    finally:
        client.close()
    _step(steps, as_json, "power user", f"{'in' if after else 'not in'} power-users: judged {judged}")
    return (before, after) == (False, True)


def _client_of(node: Standalone) -> ControlClient:
    return ControlClient(f"http://127.0.0.1:{node.control_port}", node.admin_token_file.read_text().strip())


async def _walk_fleet(
    node: Standalone, folder: Path, reported: list[str], steps: list[dict[str, str]], as_json: bool
) -> bool:
    """A few devices open the app, on one of which no update starts. Whether everything that the node acknowledged is
    counted; `reported` was before."""
    members = build_fleet(CHECK_FLEET, FLEET_SEED)
    members[-1] = members[-1]._replace(fails=True)
    fleet = Fleet(f"http://127.0.0.1:{node.device_port}", folder / "fleet", members, sleep=_at_once)
    await fleet.visit_once()
    _step(steps, as_json, "fleet", fleet.line())
    known: Counter[str] = Counter()
    for each in await node.telemetry.counts(AppId(APP)):
        known[each.action] += each.n
    told = Counter(reported) + fleet.actions
    rolled_back = fleet.told[UpdateResult.ROLLED_BACK.value]
    return {action: known[action] for action in told} == told and rolled_back == 1


async def _at_once(_seconds: float) -> None:
    """Nobody watches this fleet."""


def _summary(outcome: UpdateOutcome) -> list[tuple[str, str]]:
    ledger = outcome.ledger
    fetched = [request for request in ledger.requests if request.method == "GET"]
    received = sum(request.received_bytes for request in fetched)
    return [
        ("check", f"HTTP {ledger.requests[0].status}, {ledger.requests[0].received_bytes} bytes"),
        ("download", f"{counted(len(fetched), 'file')}, {size(received)}"),
        ("verify and install", f"{outcome.result.value} {outcome.reason}: runs {outcome.version}"),
        ("report", ", ".join(ledger.actions)),
    ]


async def _update(node: Standalone, folder: Path) -> UpdateOutcome:
    address = f"http://127.0.0.1:{node.device_port}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        device = Device(
            DeviceSetup(
                build_profile(Platform.ANDROID, PLUGIN),
                Identity(app=APP, device_id=DEVICE, version_build=NATIVE),
                folder / "device",
                session,
                update_url=f"{address}/updates",
                stats_url=f"{address}/stats",
            )
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
