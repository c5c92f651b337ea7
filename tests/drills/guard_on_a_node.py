"""The guard on a real node: a release that fails a tenth of its starts is paused, and a good one is not.

    python -m tests.drills.guard_on_a_node [--devices 600] [--kills 6] [--workers 2]

Simulated devices of as many networks, told apart by a trusted proxy's header, install releases over HTTP. A healthy
rollout goes on; one that fails every tenth start is paused with figures in its revision; what a person resumes stays
resumed; a publish during a rollout is refused, or replaces it in one revision; and a node that is killed between
finding and acting pauses once. Prints its figures and exits with 1 on a broken promise.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import aiohttp

from edge.device.identity import Identity
from edge.device.ledger import UpdateResult
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.capacitor import Device
from edge.domain.model import Platform
from tests.drills.telemetry_kills import KilledNode
from tests.worlds.running_node import write_folder

APP, CHANNEL, NATIVE, PLUGIN = "com.example.drill", "production", "1.0.0", "8.51.14"
AT_ONCE = 16  # devices that use the network
FAILING_EVERY = 10
PROMPT_SECONDS = 10.0  # from the report that decides to the pause in every worker
PATIENCE_SECONDS = 60.0  # for what has to happen at all, on a busy machine
QUIET_SECONDS = 15.0  # in which what must not happen would: some folds
APART_SECONDS = 1.3  # from one kill to the next, after the reports: some folds' worth in all
ENOUGH = 900  # devices that install a good release, and that is known to be below the limit
PROBES = 40  # checks after a pause, each over a connection of its own: every worker gets some

broken: list[str] = []


def promise(kept: bool, what: str) -> None:
    print(f"{'kept  ' if kept else 'BROKEN'}  {what}", flush=True)
    if not kept:
        broken.append(what)


class World:
    """A node behind a proxy, its app, and the devices so far."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.killed = KilledNode(folder, workers, EDGE_DEVICES_TRUSTED_PROXIES="127.0.0.1")
        self._folder = folder
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._number = 0

    async def cli(self, *args: object) -> Any:
        return await asyncio.to_thread(self.killed.node.json, *map(str, args))

    async def publish(self, version: str, *more: str) -> Any:
        source = write_folder(self._folder / f"source-{version}", {"index.html": f"<p>{version}".encode()})
        options = ("--version", version, "--channel", CHANNEL, *more)
        return await self.cli("bundle", "publish", APP, source, *options)

    async def refused(self, *args: object) -> str:
        """Why the command is refused."""
        done = await asyncio.to_thread(self.killed.node.run, *map(str, args))
        return done.stderr if done.exit_code else ""

    async def rollout(self) -> dict[str, Any]:
        return await self.cli("rollout", "show", APP, CHANNEL)

    async def deeds(self) -> list[dict[str, Any]]:
        found = await self.cli("guard", "history", APP, CHANNEL, "--limit", "100")
        return [each for each in found["entries"] if each["deed"] is not None]

    async def paused(self) -> bool:
        """Whether it is within PATIENCE_SECONDS."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            if (await self.rollout())["phase"] == "paused":
                return True
            await asyncio.sleep(0.2)
        return False

    def networks(self, count: int) -> list[int]:
        """The numbers of devices that did not live before; each has a network of its own."""
        first, self._number = self._number, self._number + count
        return list(range(first, self._number))

    @contextlib.asynccontextmanager
    async def session(self, number: int) -> AsyncIterator[aiohttp.ClientSession]:
        address = f"{20 + number // 250}.{number % 250}.7.9"
        headers = {"X-Forwarded-For": address}
        async with aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield session

    async def update(self, numbers: Iterable[int], fails: Any) -> Counter[str]:
        """Each device starts its app once and takes what it is offered; `fails(number)`: that does not start."""
        told: Counter[str] = Counter()

        async def one(number: int) -> None:
            async with self._turns, self.session(number) as session:
                node = self.killed.node.devices
                identity = Identity(app=APP, device_id=device_id(number), version_build=NATIVE)
                setup = DeviceSetup(
                    build_profile(Platform.ANDROID, PLUGIN),
                    identity,
                    self._folder / "devices" / str(number),
                    session,
                    update_url=f"{node}/updates",
                    stats_url=f"{node}/stats",
                )
                outcome = await Device(setup).check_and_update(boot_ok=not fails(number))
                told[outcome.result.value] += 1

        await asyncio.gather(*(one(number) for number in numbers))
        return told

    async def offers(self, version: str, count: int) -> int:
        """How many of so many new devices, each over a connection of its own, are offered the version."""

        async def one(number: int) -> bool:
            asked = f"{self.killed.node.devices}/updates", about(number)
            async with (
                self._turns,
                self.session(number) as session,
                session.post(asked[0], json=asked[1]) as response,
            ):
                return bool((await response.json(content_type=None)).get("version") == version)

        return sum(await asyncio.gather(*(one(number) for number in self.networks(count))))

    async def tell_at_once(self, version: str, count: int, *actions: str) -> None:
        """So many new devices are offered the version and report the actions, over HTTP."""

        async def one(number: int) -> None:
            async with self._turns, self.session(number) as session:
                node, now = self.killed.node.devices, int(time.time() * 1000)
                async with session.post(f"{node}/updates", json=about(number)) as response:
                    await response.read()
                told = [
                    about(number) | {"version_name": version, "action": action, "timestamp": now + n}
                    for n, action in enumerate(actions)
                ]
                async with session.post(f"{node}/stats", json=told) as response:
                    assert response.status == 200, await response.text()

        await asyncio.gather(*(one(number) for number in self.networks(count)))


def device_id(number: int) -> str:
    return str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4))


def about(number: int) -> dict[str, Any]:
    return {
        "platform": "android",
        "device_id": device_id(number),
        "app_id": APP,
        "version_build": NATIVE,
        "version_name": "builtin",
        "version_os": "14",
        "plugin_version": PLUGIN,
        "is_prod": True,
        "is_emulator": False,
    }


async def healthy(world: World, devices: int) -> None:
    await world.publish("1.1.0", "--rollout", "100")
    told = await world.update(world.networks(devices), lambda number: number % 300 == 7)
    await asyncio.sleep(QUIET_SECONDS)
    shown = await world.cli("guard", "show", APP, CHANNEL)
    evidence = shown["standing"]["evidence"]
    print(f"        healthy: {dict(told)}; {evidence['failed']} of {evidence['attempts']} failed", flush=True)
    promise(evidence["attempts"] >= devices * 0.5, "the installs of a healthy release are counted")
    promise((await world.rollout())["phase"] == "running", "a healthy release is not paused")
    await world.cli("rollout", "promote", APP, CHANNEL, "--yes")


async def bad(world: World, devices: int) -> None:
    await world.publish("1.2.0", "--rollout", "100")
    numbers = world.networks(devices)
    installing = asyncio.create_task(world.update(numbers, lambda number: number % FAILING_EVERY == 0))
    promise(await world.paused(), "a release that fails a tenth of its starts is paused")
    left = await world.offers("1.2.0", PROBES)
    seen = time.time()
    promise(left == 0, f"no worker offers it any more ({left} of {PROBES} new devices were offered it)")
    told = await installing
    (deed, *others) = await world.deeds()
    print(f"        bad: {dict(told)}; {deed['reason']}", flush=True)
    promise(not others and deed["by"] == "guard", "the guard acted once, by its name")
    promise(deed["figures"]["failed"] >= 5 and "of" in deed["reason"], "the revision has figures and a reason")
    standing = (await world.cli("guard", "show", APP, CHANNEL))["standing"]
    took = seen - standing["deciding_ms"] / 1000
    print(f"        from the report that decided to all workers: at most {took:.1f} s", flush=True)
    promise(took <= PROMPT_SECONDS, f"a report on disk has paused every worker within {PROMPT_SECONDS:.0f} s")
    rolled = told[UpdateResult.UPDATED.value] + told[UpdateResult.ROLLED_BACK.value]
    print(f"        {rolled} of {devices} devices had installed it", flush=True)


async def resumed(world: World) -> None:
    first = (await world.cli("guard", "show", APP, CHANNEL))["watched"]
    await world.cli("rollout", "resume", APP, CHANNEL, "--reason", "the crash is another app's")
    await world.update(world.networks(40), lambda number: False)
    await asyncio.sleep(QUIET_SECONDS)
    watched = (await world.cli("guard", "show", APP, CHANNEL))["watched"]
    promise((await world.rollout())["phase"] == "running", "what a person has resumed goes on")
    promise(watched["id"] != first["id"] and watched["resumed"] == 1, "a resume begins another count")
    promise(len(await world.deeds()) == 1, "and the guard did nothing twice")


async def killed(world: World, kills: int) -> None:
    """Reports are on disk, nothing is found yet or just found, and the process that would act dies."""
    for number in range(kills):
        before = len(await world.deeds())
        watch = (await world.cli("guard", "show", APP, CHANNEL))["watched"]["id"]
        await world.tell_at_once("1.2.0", 60, "set", "update_fail")
        await asyncio.sleep(number * APART_SECONDS)
        assert world.killed.process is not None
        world.killed.process.kill()
        await world.killed.gone()
        await world.killed.start()
        paused = await world.paused()
        await asyncio.sleep(QUIET_SECONDS / 3)
        acted = (await world.deeds())[: len(await world.deeds()) - before]
        promise(
            paused and len(acted) == 1,
            f"killed {number * APART_SECONDS:.1f} s after the reports: paused once ({len(acted)})",
        )
        promise([each["watch"] for each in acted] == [watch], "about the watch that went on")
        await world.cli("rollout", "resume", APP, CHANNEL)


async def published_meanwhile(world: World) -> None:
    source = write_folder(world.killed.folder / "source-1.3.0", {"index.html": b"1.3.0"})
    options = ("bundle", "publish", APP, source, "--version", "1.3.0", "--channel", CHANNEL)
    said = await world.refused(*options)
    promise("a rollout of 1.2.0 is running" in said, "a publish during a rollout is refused")
    before = (await world.cli("app", "show", APP))["revision"]
    done = await world.cli(*options, "--rollout", "50,100", "--force", "--yes")
    promise(done["revision"] == before + 1, "with --force it replaces the rollout in one revision")
    watched = (await world.cli("guard", "show", APP, CHANNEL))["watched"]
    promise(watched["bundle"] == "1.3.0" and watched["acts"], "and the guard watches the new one")


async def advanced(world: World) -> None:
    """A rollout whose steps the guard ends: it waits while too little is known, and says so once."""
    await world.cli("guard", "set", APP, CHANNEL, "--auto-advance")
    await world.publish("1.4.0", "--rollout", "90,95,100", "--every", "60s", "--force", "--yes")
    before = len(await world.deeds())
    await world.tell_at_once("1.4.0", ENOUGH, "set")
    promise((await world.rollout())["step"] == 1, "a step that is known well lasts its time")
    end = time.monotonic() + 60 + PATIENCE_SECONDS
    while time.monotonic() < end and (await world.rollout())["step"] == 1:
        await asyncio.sleep(1)
    promise((await world.rollout())["step"] == 2, "then the guard begins the next one")
    while time.monotonic() < end + 60 and len(await world.deeds()) < before + 2:
        await asyncio.sleep(1)
    waited, went_on, *_ = await world.deeds()
    print(f"        {went_on['reason']}; {waited['reason']}", flush=True)
    promise((went_on["deed"], waited["deed"]) == ("advance", "wait"), "of which too little is known: it waits")
    await asyncio.sleep(QUIET_SECONDS)
    promise(len(await world.deeds()) == before + 2, "and says so once")


async def run(devices: int, kills: int, workers: int, with_steps: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="guard-") as folder:
        world = World(Path(folder), workers)
        await world.killed.start()
        try:
            await world.cli("app", "create", APP)
            await world.cli("channel", "create", APP, CHANNEL, "--public")
            await world.publish("1.0.0")
            await healthy(world, devices // 2)
            await bad(world, devices)
            await resumed(world)
            await killed(world, kills)
            await published_meanwhile(world)
            if with_steps:
                await advanced(world)
        finally:
            await world.killed.stop()


def play(devices: int, kills: int, workers: int, *, with_steps: bool) -> None:
    asyncio.run(run(devices, kills, workers, with_steps))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=600)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    began = time.monotonic()
    play(given.devices, given.kills, given.workers, with_steps=True)
    print(f"{len(broken)} promises broken, in {time.monotonic() - began:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
