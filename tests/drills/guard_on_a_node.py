"""The guard on a real node: a release that fails a tenth of its starts is paused, and a good one is not.

    python -m tests.drills.guard_on_a_node [--devices 600] [--kills 6] [--alarms 8] [--workers 2]

Simulated devices of as many networks, told apart by a trusted proxy's header, install releases over HTTP. A healthy
rollout goes on; one that fails every tenth start is paused with figures in its revision; what a person resumes stays
resumed; a publish during a rollout is refused, or replaces it in one revision; a node that is killed between
finding and acting pauses once, and so does one that changes over to a new process meanwhile. How long an alarm takes
is measured from the answer to the report that suffices to the revision that every worker serves, by the node's log.
Prints its figures and exits with 1 on a broken promise.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from edge.device.identity import Identity
from edge.device.ledger import UpdateResult
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.capacitor import Device
from edge.domain.model import Platform
from tests.drills.telemetry_kills import FOLDING, KilledNode
from tests.worlds.running_node import write_folder

APP, CHANNEL, NATIVE, PLUGIN = "com.example.drill", "production", "1.0.0", "8.51.14"
AT_ONCE = 16  # devices that use the network
FAILING_EVERY = 10
PROMPT_SECONDS = 10.0  # from the report that decides to the pause in every worker
PATIENCE_SECONDS = 60.0  # for what has to happen at all, on a busy machine
QUIET_SECONDS = 15.0  # in which what must not happen would: some folds
APART_SECONDS = 1.3  # from one kill to the next, after the reports: some folds' worth in all
ENOUGH = 900  # devices that install a good release, and that is known to be below the limit
SUFFICIENT = 40  # failed installs of as many networks: an alarm, whatever the others say
PROBES = 40  # checks after a pause, each over a connection of its own: every worker gets some

broken: list[str] = []


class Alarm(NamedTuple):
    """When each of these was, in seconds since the epoch. `reported`: enough was on disk, and answered with 200."""

    reported: float
    found: float
    committed: float
    served: float

    def __str__(self) -> str:
        parts = (self.found - self.reported, self.committed - self.found, self.served - self.committed)
        verdict, commit, workers = (f"{max(0.0, each):.2f}" for each in parts)
        load = os.getloadavg()[0]
        return f"{self.served - self.reported:.2f} s = {verdict} to the verdict + {commit} + {workers}; load {load:.1f}"


def promise(kept: bool, what: str) -> None:
    print(f"{'kept  ' if kept else 'BROKEN'}  {what}", flush=True)
    if not kept:
        broken.append(what)


class World:
    """A node behind a proxy, its app, and the devices so far."""

    def __init__(self, folder: Path, workers: int) -> None:
        settings = {"EDGE_LOG_LEVEL": "info", "EDGE_LOG_FORMAT": "json"}
        self.killed = KilledNode(folder, workers, EDGE_DEVICES_TRUSTED_PROXIES="127.0.0.1", **settings)
        self._successor: int | None = None  # once the node has changed over
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

    async def restart(self) -> None:
        """The node goes on as another process, which is no child of this one."""
        self._successor = (await self.cli("restart"))["pid"]
        await self.killed.gone()

    async def stop(self) -> None:
        if self._successor is None:
            await self.killed.stop()
            return
        ends = os.pidfd_open(self._successor)
        try:
            signal.pidfd_send_signal(ends, signal.SIGTERM)
            await asyncio.to_thread(select.select, [ends], [], [], PATIENCE_SECONDS)
        finally:
            os.close(ends)

    def logged(self) -> list[dict[str, Any]]:
        """What the guard has said, from the start of the node's folder."""
        lines = [line for line in (self._folder / "log").read_text().splitlines() if line.startswith("{")]
        return [found for found in map(json.loads, lines) if found["name"] == "edge.guard"]

    async def alarm(self, reported: float) -> Alarm | None:
        """The first pause since then, once every worker serves it; asks the node nothing before. None: there is
        none within PATIENCE_SECONDS."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            said = [each for each in self.logged() if each["time"] >= reported]
            paused = next((each for each in said if ": paused: " in each["message"]), None)
            done = [
                each for each in said if paused and each["time"] >= paused["time"] and "every worker" in each["message"]
            ]
            if paused and done:
                points = (await self.cli("guard", "show", APP, CHANNEL))["standing"]["series"]
                found = max(
                    (each["at_ms"] / 1000 for each in points if each["at_ms"] / 1000 <= paused["time"]),
                    default=reported,
                )
                return Alarm(reported, found, paused["time"], done[0]["time"])
            await asyncio.sleep(0.05)
        return None

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

    async def tell_at_once(self, version: str, count: int, *actions: str) -> list[float]:
        """So many new devices are offered the version and report the actions, over HTTP; returns when each was
        answered, in order."""

        async def one(number: int) -> float:
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
                    return time.time()

        return sorted(await asyncio.gather(*(one(number) for number in self.networks(count))))


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
    promise(left == 0, f"no worker offers it any more ({left} of {PROBES} new devices were offered it)")
    told = await installing
    (deed, *others) = await world.deeds()
    print(f"        bad: {dict(told)}; {deed['reason']}", flush=True)
    promise(not others and deed["by"] == "guard", "the guard acted once, by its name")
    promise(deed["figures"]["failed"] >= 5 and "of" in deed["reason"], "the revision has figures and a reason")
    standing = (await world.cli("guard", "show", APP, CHANNEL))["standing"]
    alarm = await world.alarm(standing["deciding_ms"] / 1000)
    print(f"        from the last report that was counted to all workers: {alarm}", flush=True)
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


async def alarms(world: World, count: int) -> None:
    """Again and again a new watch, and reports that suffice: how long until every worker serves the pause?"""
    found = []
    for number in range(count):
        answered = await world.tell_at_once("1.2.0", SUFFICIENT, "set", "update_fail")
        alarm = await world.alarm(answered[-1])
        if alarm is None:  # in the time that the last reports took, perhaps
            alarm = await world.alarm(answered[0])
        print(f"        alarm {number + 1}: {alarm}", flush=True)
        found.append(alarm)
        left = await world.offers("1.2.0", PROBES)
        promise(left == 0, f"no worker offers it any more ({left} of {PROBES} new devices were offered it)")
        await world.cli("rollout", "resume", APP, CHANNEL)
        await asyncio.sleep(random.random() * 2 if number % 2 else 0)  # anywhere between two folds
    times = sorted(each.served - each.reported for each in found if each is not None)
    known = f"{times[len(times) // 2]:.2f} s in the middle, {times[-1]:.2f} s at most" if times else "never"
    prompt = len(times) == count and times[-1] <= PROMPT_SECONDS
    promise(prompt, f"a report on disk has paused every worker within {PROMPT_SECONDS:.0f} s: {known}")


async def changed_over(world: World) -> None:
    """Reports are on disk, and the node goes on as another process before they are counted: that one finds it."""
    before = len(await world.deeds())
    watch = (await world.cli("guard", "show", APP, CHANNEL))["watched"]["id"]
    for pid in world.killed.children(FOLDING):
        os.kill(pid, signal.SIGSTOP)
    answered = await world.tell_at_once("1.2.0", SUFFICIENT, "set", "update_fail")
    await world.restart()
    alarm = await world.alarm(answered[0])
    print(f"        over a change to another process: {alarm}", flush=True)
    promise(await world.paused(), "a node that changes over with an alarm pending pauses")
    await asyncio.sleep(QUIET_SECONDS / 3)
    deeds = await world.deeds()
    acted = [each["watch"] for each in deeds[: len(deeds) - before]]
    promise(acted == [watch], f"once, about the watch that went on ({len(acted)})")
    await world.cli("rollout", "resume", APP, CHANNEL)


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


async def run(devices: int, kills: int, workers: int, count: int, with_steps: bool) -> None:
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
            await alarms(world, count)
            await killed(world, kills)
            await changed_over(world)
            await published_meanwhile(world)
            if with_steps:
                await advanced(world)
        finally:
            await world.stop()


def play(devices: int, kills: int, workers: int, *, count: int, with_steps: bool) -> None:
    asyncio.run(run(devices, kills, workers, count, with_steps))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=600)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--alarms", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    began = time.monotonic()
    play(given.devices, given.kills, given.workers, count=given.alarms, with_steps=True)
    print(f"{len(broken)} promises broken, in {time.monotonic() - began:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
