"""Simulated devices that live against the running demo, so that its figures move.

They use the app's real ways, as four releases of the plugin do: checks, downloads, reports, and events of its own code,
over HTTP. Their days are short: each device's clock runs `PACE` times as fast as the node's, so a day of theirs passes
in four minutes. Figures by hour or day go by the node's clock; lengths of sessions by the devices' own.

Each device has a network and a country of its own: the fleet speaks as a proxy in front of the node would, which the
demo trusts on loopback. The addresses are of the range that is reserved for benchmarks.
"""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import aiohttp

from edge.cli.demo.release import ANEW, APP, BAD, NATIVE
from edge.cli.terminal.output import counted
from edge.device.identity import Identity
from edge.device.ledger import Ledger, UpdateOutcome, UpdateResult
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.capacitor import Device
from edge.domain.model import Platform

FLEET_LIMIT = 200  # more would test the machine, and the node is not to be tested, but looked at
AT_ONCE = 16  # devices that use the network at one time
PACE = 360.0
VISIT_MINUTES = (1.0, 15.0)  # how long somebody uses the app, in the device's time
CALM_SECONDS = 50.0  # from one visit to the next, in the mean, in real time
BUSY_SECONDS = 12.0  # the same in the morning of a release
FAILING_SHARE = 0.01  # of devices on which no update starts
BAD_SHARE = 0.1  # of starts of the bad release that fail
CRASHING_SHARE = 0.03  # of visits
ERRING_SHARE = 0.05
FEATURES = {"search": 0.6, "share": 0.2, "checkout": 0.04}  # of visits
ANEW_CHECKOUT = 0.3  # of visits with the release in which that is easier
EVENTS_TIMEOUT = aiohttp.ClientTimeout(total=10)
TOLD_SECONDS = 10.0  # between two lines about the fleet

COUNTRY_HEADER = "X-Country"
COUNTRIES = ("DE", "FR", "US", "BR", "JP")
CLOCK_FILE = "clock"  # what the devices' clocks showed at the end, in seconds since the epoch
TICK_SECONDS = 1.0  # how soon a device follows a change of the tempo

RELEASES = (
    (Platform.ANDROID, "8.51.14", "14"),
    (Platform.IOS, "8.51.14", "18.1"),
    (Platform.ANDROID, "7.51.20", "11"),
    (Platform.IOS, "7.43.3", "16.7"),
)


class FleetMember(NamedTuple):
    """One device of the fleet."""

    identity: Identity
    platform: Platform
    plugin: str
    fails: bool


def build_fleet(count: int, seed: int) -> list[FleetMember]:
    """The same one for the same seed."""
    draw = random.Random(seed)  # noqa: S311 - who crashes is no secret
    return [_member(draw, *RELEASES[number % len(RELEASES)]) for number in range(count)]


def _member(draw: random.Random, platform: Platform, plugin: str, os: str) -> FleetMember:
    id = str(uuid.UUID(int=draw.getrandbits(128), version=4))
    identity = Identity(app=APP, device_id=id, version_build=NATIVE, version_os=os)
    return FleetMember(identity, platform, plugin, draw.random() < FAILING_SHARE)


class Fleet:
    """Devices that ask `address`, with their storage in `folder`, from which a later fleet goes on. `told` counts what
    they did: visits, checks, and each end of an update; `actions` what they reported and the node took."""

    def __init__(
        self,
        address: str,
        folder: Path,
        members: list[FleetMember],
        *,
        seed: int = 0,
        proxied: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.told: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.between_seconds = CALM_SECONDS
        self._address, self._folder, self._members = address, folder, members
        self._seed, self._proxied = seed, proxied
        self._draws = [random.Random(f"{seed} {number}") for number in range(len(members))]  # noqa: S311
        self._sleep, self._clock, self._began = sleep, clock, clock()
        self._fast_began = max(self._began, _read_clock(folder / CLOCK_FILE))
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def live(self, say: Callable[[str], None]) -> None:
        """Until cancelled. `say` is told now and then what became of them."""
        async with AsyncExitStack() as open_ones:
            open_ones.callback(self._keep_clock)
            connections = aiohttp.TCPConnector(limit=AT_ONCE)
            await open_ones.enter_async_context(connections)
            await self._live_together(connections, open_ones, say)

    async def _live_together(
        self, connections: aiohttp.TCPConnector, open_ones: AsyncExitStack, say: Callable[[str], None]
    ) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(len(self._members)):
                session = await open_ones.enter_async_context(self._session(connections, number))
                group.create_task(self._live(session, number))
            while True:
                say(self.line())
                await self._sleep(TOLD_SECONDS)

    async def visit_once(self) -> None:
        """Every device opens the app once, one after the other."""
        connections = aiohttp.TCPConnector(limit=AT_ONCE)
        async with connections:
            for number in range(len(self._members)):
                async with self._session(connections, number) as session:
                    await self._visit(session, number)

    def line(self) -> str:
        """What they did so far."""
        told = self.told
        results = {result.value: told[result.value] for result in UpdateResult if told[result.value]}
        ends = ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in results.items() if what != "up_to_date")
        opened = f"{told['visits']} visits, {told['features']} features used"
        return f"{counted(len(self._members), 'device')}: {told['checks']} checks, {opened}" + (ends and f", {ends}")

    def note_end(self, outcome: UpdateOutcome) -> None:
        """An update came to this end."""
        self.told["checks"] += 1
        self.told[outcome.result.value] += 1
        self._add(outcome.ledger)

    def device_time(self) -> float:
        """What the devices' clocks show, in seconds since the epoch."""
        return self._fast_began + (self._clock() - self._began) * PACE

    def starts_well(self, number: int, version: str) -> bool:
        """Whether the version starts on this device: the same answer each time."""
        drawn = random.Random(f"{self._seed} {number} {version}").random()  # noqa: S311
        return not self._members[number].fails and (version != BAD.version or drawn >= BAD_SHARE)

    def _session(self, connections: aiohttp.TCPConnector, number: int) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=connections,
            connector_owner=False,
            headers=headers_of(number) if self._proxied else {},
        )

    async def _live(self, session: aiohttp.ClientSession, number: int) -> None:
        draw = self._draws[number]
        left = draw.random()  # they do not all begin at the same moment
        while True:
            while left > 0:
                await self._sleep(TICK_SECONDS)
                left -= TICK_SECONDS / self.between_seconds
            await self._visit(session, number)
            left = draw.uniform(0.5, 1.5)

    async def _visit(self, session: aiohttp.ClientSession, number: int) -> None:
        """Somebody opens the app, uses it and leaves."""
        member, draw = self._members[number], self._draws[number]
        device = self._launch(session, number)
        self.told["visits"] += 1
        async with self._turns:
            self._add(await device.tell("app_moved_to_foreground", *_starts(member)))
            self.note_end(await device.check_and_update(boot_ok=lambda version: self.starts_well(number, version)))
            await self._use(session, member, draw, device.version_name)
        await self._sleep(draw.uniform(*VISIT_MINUTES) * 60 / PACE)
        ends = ["webview_javascript_error"] if draw.random() < ERRING_SHARE and _starts(member) else []
        if draw.random() >= CRASHING_SHARE:  # else the process ends without a word
            ends.append("app_moved_to_background")
        async with self._turns:
            self._add(await device.tell(*ends))

    async def _use(
        self, session: aiohttp.ClientSession, member: FleetMember, draw: random.Random, version: str
    ) -> None:
        """The app's own code tells which features its user has used. Lost without a connection: nobody misses it."""
        shares = FEATURES | ({"checkout": ANEW_CHECKOUT} if version == ANEW.version else {})
        used = [name for name, share in shares.items() if draw.random() < share]
        if not used:
            return
        events = [{"kind": "feature", "name": name, "time": int(self.device_time() * 1000)} for name in used]
        body = {"app_id": APP, "device_id": member.identity.device_id, "events": events}
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(f"{self._address}/events", json=body, timeout=EVENTS_TIMEOUT) as response:
                self.told["features"] += len(used) if response.status == 200 else 0

    def _launch(self, session: aiohttp.ClientSession, number: int) -> Device:
        member = self._members[number]
        return Device(
            DeviceSetup(
                build_profile(member.platform, member.plugin),
                member.identity,
                self._folder / str(number),
                session,
                update_url=f"{self._address}/updates",
                stats_url=f"{self._address}/stats",
                clock=self.device_time,
                network_clock=self._clock,
                sleep=self._sleep,
            )
        )

    def _keep_clock(self) -> None:
        """The next run goes on from there: a device's clock does not go back."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / CLOCK_FILE).write_text(f"{self.device_time():.3f}")

    def _add(self, ledger: Ledger) -> None:
        self.actions.update(ledger.actions)


def headers_of(number: int) -> dict[str, str]:
    """As a proxy adds them: every device is in a network of its own, as phones are behind many carriers."""
    address = f"198.{18 + number // 256}.{number % 256}.7"
    return {"X-Forwarded-For": address, COUNTRY_HEADER: COUNTRIES[number % len(COUNTRIES)]}


def _read_clock(file: Path) -> float:
    """0.0 if there is none, or none that can be read."""
    try:
        return float(file.read_text())
    except (OSError, ValueError):
        return 0.0


def _starts(member: FleetMember) -> tuple[str, ...]:
    """What the release tells of a launch (PROTOCOL.md §4.3)."""
    return () if member.plugin == "7.43.3" else ("app_launch_start", "app_launch_ready")
