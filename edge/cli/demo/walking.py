"""The first half of `edge demo --check`: single devices install what is published, report, and are counted."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp

from edge.assembly.standalone import Standalone
from edge.cli.demo.fleet import Fleet, build_fleet
from edge.cli.demo.power_user import is_power_user, use_without_connection
from edge.cli.demo.preparing import client_of
from edge.cli.demo.release import APP, NATIVE, RELEASES, write_release
from edge.cli.terminal.output import counted, size
from edge.device.identity import Identity
from edge.device.ledger import UpdateOutcome, UpdateResult
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.capacitor import Device
from edge.domain.model import AppId, Platform

PLUGIN = "8.51.14"
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
FEW = 4  # one of each release
FLEET_SEED = 9

TellStep = Callable[[str, str], None]  # is told each step and its result


async def walk_devices(node: Standalone, folder: Path, step: TellStep) -> bool:
    """Check, download, verify, install and report; then check again and look at the counts."""
    outcome = await _update(node, folder)
    for name, said in _summary(outcome):
        step(name, said)
    again = await _update(node, folder)
    step("check again", again.result.value)
    counts = await node.telemetry.counts(AppId(APP))
    installed = sum(each.n for each in counts if (each.bundle, each.action) == (RELEASES[-1].version, "set"))
    step("count", f"{counted(installed, 'device')} installed {RELEASES[-1].version}")
    all_counted = await _walk_fleet(node, folder, [*outcome.ledger.actions, *again.ledger.actions], step)
    became_one = await _walk_power_user(node, folder, step)
    return (
        all_counted
        and became_one
        and outcome.result is UpdateResult.UPDATED
        and outcome.version == RELEASES[-1].version
        and _same_files(outcome.folder, folder / "expected")
        and again.result is UpdateResult.UP_TO_DATE
        and installed == 1
    )


async def _walk_power_user(node: Standalone, folder: Path, step: TellStep) -> bool:
    """A device without a connection for days reports twelve sessions at once: it was no power user, and is one."""
    client = client_of(node)
    try:
        before, _ = await asyncio.to_thread(is_power_user, client)
        await use_without_connection(f"http://127.0.0.1:{node.device_port}", folder / "power-user")
        await node.telemetry.counts(AppId(APP))  # counts what is acknowledged by now, which judges the device
        after, judged = await asyncio.to_thread(is_power_user, client)
    finally:
        client.close()
    step("power user", f"{'in' if after else 'not in'} power-users: judged {judged}")
    return (before, after) == (False, True)


async def _walk_fleet(node: Standalone, folder: Path, reported: list[str], step: TellStep) -> bool:
    """A few devices open the app, on one of which no update starts. Whether everything that the node acknowledged is
    counted; `reported` was before."""
    members = build_fleet(FEW, FLEET_SEED)
    members[-1] = members[-1]._replace(fails=True)
    fleet = Fleet(f"http://127.0.0.1:{node.device_port}", folder / "fleet", members, sleep=_at_once)
    await fleet.visit_once()
    step("fleet", fleet.line())
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
