"""What forged devices take from honest ones: `python -m tests.drills.forged_devices [--devices 5000] [--workers 2]`.

A running node behind a proxy that forwards addresses. A forger makes up versions; then the devices of one carrier's
address are offered a bundle, install it or report that it fails, and choose a channel; then the forger reports in the
name of each of them that the bundle fails, from one address and from a whole /48, and chooses channels for devices that
it makes up. Prints what got lost with the limits and without, and what is counted; exits with 1 on a broken promise.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp

from edge.assembly.standalone import Standalone
from edge.cli.demo.demo import prepare
from edge.cli.demo.release import APP, CHANNEL, NATIVE, RELEASES
from edge.cli.terminal.client import ControlClient, app_path
from edge.config import Config, Control, Devices, Telemetry
from edge.node.service.limits.fact_limits import PREFIX_CHOICES, PREFIX_FAILURES, WIDE_FAILURES_SHARE
from edge.telemetry.folding.labels import MADE_UP_LIMIT

VERSION = RELEASES[-1].version
CARRIER, FORGER = "192.0.2.1", "203.0.113.66"
FAILING_EVERY = 10  # one in ten devices cannot start the bundle
AT_ONCE = 48  # requests
PLUGIN = "6.0.1"  # the node keeps the choices of this release

broken: list[str] = []


def promise(kept: bool, what: str) -> None:
    print(f"{'kept  ' if kept else 'BROKEN'}  {what}", flush=True)
    if not kept:
        broken.append(what)


def device(number: int) -> str:
    return f"{number:08x}-1d2a-4c3b-9e8f-112233445566"


def asking(number: int, **more: object) -> dict[str, object]:
    fields = {"platform": "android", "device_id": device(number), "app_id": APP, "version_build": NATIVE}
    return fields | {"version_name": NATIVE, "plugin_version": PLUGIN, "is_prod": True, "is_emulator": False} | more


def wide(number: int) -> str:
    """An address of the forger's /48, each in another /64."""
    return f"2001:db8:66:{number % 65_536:x}::1"


class Crowd:
    """Speaks for devices, some requests at once."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session, self._base = session, base

    async def say(self, path: str, body: object, address: str) -> dict[str, Any]:
        headers = {"X-Forwarded-For": address}
        async with self._session.post(f"{self._base}{path}", json=body, headers=headers) as response:
            assert response.status == 200, (response.status, await response.text())
            return dict(await response.json())

    async def each(self, numbers: Iterable[int], act: Callable[[int], Awaitable[Any]]) -> list[Any]:
        """What `act` returns for each."""
        waiting, results = iter(numbers), []

        async def some() -> None:
            for number in waiting:
                results.append(await act(number))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(some())
        return results

    async def live(self, number: int) -> bool:
        """One honest device from its check to its choice; whether it was offered the bundle and could choose."""
        offer = await self.say("/updates", asking(number), CARRIER)
        last = "set" if number % FAILING_EVERY else "set_fail"
        for action in ("download_complete", last):
            await self.say("/stats", asking(number, version_name=VERSION, action=action), CARRIER)
        choice = await self.say("/channel_self", asking(number, channel="canary"), CARRIER)
        return offer.get("version") == VERSION and "error" not in choice

    async def forge_failures(self, numbers: Iterable[int], address: Callable[[int], str]) -> None:
        async def forge(number: int) -> None:
            body = asking(number, version_name=VERSION, action="update_fail")
            await self.say("/stats", body, address(number))

        await self.each(numbers, forge)

    async def make_up_versions(self) -> None:
        names = [f"66.0.{number}" for number in range(2 * MADE_UP_LIMIT)]
        await self.say("/stats", [asking(1 << 24, version_name=name, action="set") for name in names], FORGER)

    async def make_up_choices(self, how_many: int) -> int:
        """How many the node stored."""

        async def choose(number: int) -> bool:
            return "error" not in await self.say("/channel_self", asking(number, channel="canary"), FORGER)

        return sum(await self.each(range(1 << 25, (1 << 25) + how_many), choose))


class Operator:
    """The control API."""

    def __init__(self, node: Standalone) -> None:
        token = node.admin_token_file.read_text().strip()
        self._client = ControlClient(f"http://127.0.0.1:{node.control_port}", token)

    async def withheld(self) -> int:
        return await self.lift("?dry_run=true")

    async def lift(self, query: str = "") -> int:
        path = f"{app_path(APP, 'withheld', VERSION)}{query}"
        return int((await asyncio.to_thread(self._client.delete, path))["devices"])

    async def counts(self) -> dict[tuple[str, str], int]:
        stats = await asyncio.to_thread(self._client.get, app_path(APP, "stats"))
        return {(each["bundle"], each["action"]): each["n"] for each in stats["counts"]}

    async def dropped(self) -> int:
        """Failures, choices and notes above a limit, in all workers."""
        node = await asyncio.to_thread(self._client.get, "/v1/node")
        kinds = ("failures_over_limit", "choices_over_limit", "notes_over_limit")
        return sum(each["counts"].get(kind, 0) for each in node["workers"] for kind in kinds)

    async def prepare(self) -> None:
        path = app_path(APP, "channels")
        await asyncio.to_thread(self._client.patch, f"{path}/{CHANNEL}", {"bundle": VERSION})
        await asyncio.to_thread(self._client.post, path, {"name": "canary", "self_set": True})
        await asyncio.to_thread(self._client.patch, f"{path}/canary", {"bundle": VERSION})

    def close(self) -> None:
        self._client.close()


async def forged_without_limits(crowd: Crowd, operator: Operator, devices: int) -> None:
    await crowd.each(range(devices), lambda number: crowd.say("/updates", asking(number), CARRIER))
    await crowd.forge_failures(range(devices), lambda number: FORGER)
    print(f"without limits: {await operator.withheld():,} of {devices:,} devices lost their offer to one address")


async def forged_within_limits(crowd: Crowd, operator: Operator, devices: int) -> None:
    await crowd.make_up_versions()
    began = time.monotonic()
    lived = await crowd.each(range(devices), crowd.live)
    seconds, failing = time.monotonic() - began, len(range(0, devices, FAILING_EVERY))
    promise(all(lived) and seconds < 300, f"{devices:,} honest devices of one address lived in {seconds:.0f} s")
    promise(await operator.dropped() == 0, "nothing of what they said was dropped")
    promise(await operator.withheld() == failing, f"the bundle is withheld from the {failing:,} on which it failed")
    counts = await operator.counts()
    mine = counts.get((VERSION, "set"), 0), counts.get((VERSION, "set_fail"), 0)
    promise(mine == (devices - failing, failing), f"{mine[0]:,} set, {mine[1]:,} set_fail of the bundle in own rows")
    await give_back(crowd, operator, devices, failing)
    forgers = {"its own address": (lambda number: FORGER, 1), "a /48": (wide, WIDE_FAILURES_SHARE)}
    for name, (address, share) in forgers.items():
        began = time.monotonic()
        await crowd.forge_failures(range(devices), address)
        most = share * (PREFIX_FAILURES.at_once + PREFIX_FAILURES.per_second * (time.monotonic() - began + 1))
        lost = await operator.withheld()
        promise(lost <= most, f"{lost:,} of {devices:,} devices lost their offer to a forger with {name}")
        await give_back(crowd, operator, devices, lost)


async def give_back(crowd: Crowd, operator: Operator, devices: int, lost: int) -> None:
    lifted = await operator.lift()
    offers = await crowd.each(range(devices), lambda number: crowd.say("/updates", asking(number), CARRIER))
    offered = sum(offer.get("version") == VERSION for offer in offers)
    promise(
        (lifted, offered) == (lost, devices), f"one lift of {lifted:,} devices, and {offered:,} are offered it again"
    )


async def flooded_with_choices(crowd: Crowd, operator: Operator, workers: int) -> None:
    many = int(workers * PREFIX_CHOICES.at_once) + 2_000
    began = time.monotonic()
    stored = await crowd.make_up_choices(many)
    most = workers * (PREFIX_CHOICES.at_once + time.monotonic() - began + 1)
    promise(stored <= most, f"{stored:,} of {many:,} made-up choices were stored")
    choice = await crowd.say("/channel_self", asking(1 << 26, channel="canary"), CARRIER)
    promise("error" not in choice, "an honest device can still choose")
    offer = await crowd.say("/updates", asking(1 << 26), CARRIER)
    promise(offer.get("version") == VERSION, "and is offered the bundle")


async def run(devices: int, workers: int, *, limited: bool) -> None:
    telemetry = Telemetry() if limited else Telemetry(app_events_per_second=0, address_events_per_second=0)
    ports = Devices(host="127.0.0.1", port=0, workers=workers, trusted_proxies=("127.0.0.1",))
    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            data_dir=str(Path(folder) / "data"), devices=ports, control=Control(port=0), telemetry=telemetry
        )
        node = Standalone(config)
        async with node.running(), aiohttp.ClientSession() as session:
            await asyncio.to_thread(prepare, node)
            operator, crowd = Operator(node), Crowd(session, f"http://127.0.0.1:{node.device_port}")
            await operator.prepare()
            if limited:
                await forged_within_limits(crowd, operator, devices)
                await flooded_with_choices(crowd, operator, workers)
            else:
                await forged_without_limits(crowd, operator, devices)
            operator.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=5_000)
    parser.add_argument("--workers", type=int, default=2)
    words = parser.parse_args()
    for limited in (False, True):
        asyncio.run(run(words.devices, words.workers, limited=limited))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
