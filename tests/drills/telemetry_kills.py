"""Kills under load: nothing that was acknowledged is lost or counted twice, whatever is killed, and whenever.

    python -m tests.drills.telemetry_kills [--kills 200] [--seed N] [--workers 2]

Devices check, report (and send again what got no answer), an app's own code sends events, a helpdesk states outcomes.
Meanwhile the folding process, a worker, or the whole node is killed with SIGKILL, at random, and started again. In the
end the audit has to be exact, and what it found acknowledged has to be what clients were told is stored, and at most
what got no answer more. Checks are acknowledged to nobody: of them a crash may lose the last ten seconds.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.ports import free_port
from tests.worlds.running_node import Node

APP = "com.example.drill"
PROGRAM = "import sys; from edge.cli.main import cli; cli(sys.argv[1:], prog_name='edge')"
START_SECONDS = 120.0  # for a node on a busy machine
ANSWER_SECONDS = 20.0  # a client that waits longer sends again
FOLDING = "edge.assembly.counting.process"
WORKER = "edge.node.processes.worker"
TARGETS = ("folding", "worker", "node")
CHANCES = (5, 3, 2)
OF_CLIENTS = ("event", "used", "outcome")  # what is on disk before the answer


class Ledger:
    """What clients know, in the audit's units."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()  # that it is stored
        self.open: Counter[str] = Counter()  # no answer, or one that it cannot be stored now: it may be there

    def faults(self, audit: dict[str, Any]) -> list[str]:
        """Why the audit does not agree."""
        found = [] if audit["exact"] else [f"the audit is not exact: {audit['differences']}"]
        for each in audit["kinds"]:
            kind, acknowledged = each["kind"], each["acknowledged"] + each["waiting"]
            if each["waiting"]:
                found.append(f"{kind}: {each['waiting']} wait, though all was folded")
            most = self.told[kind] + self.open[kind]
            if kind in OF_CLIENTS and not self.told[kind] <= acknowledged <= most:
                found.append(f"{kind}: {acknowledged} are on disk; clients heard of {self.told[kind]}, at most {most}")
            if kind == "check" and acknowledged > most:
                found.append(f"{kind}: {acknowledged} were counted, and only {most} sent")
        return found


class KilledNode:
    """`edge serve` on two ports of its own, killed and started again."""

    def __init__(self, folder: Path, workers: int, **settings: str) -> None:
        """`settings` are more variables of its environment."""
        self.folder = folder
        self._ports = {"devices": free_port(), "control": free_port()}
        own = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
        self._environ = own | {f"EDGE_{name.upper()}_PORT": str(port) for name, port in self._ports.items()}
        self._environ |= {"EDGE_DEVICES_WORKERS": str(workers), "EDGE_LOG_LEVEL": "error"} | settings
        self.node = Node(folder, self._ports)
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Once more if the workers of the one that was killed still hold the port."""
        end = time.monotonic() + START_SECONDS
        while True:
            command = [sys.executable, "-c", PROGRAM, "serve", "--json"]
            with (self.folder / "log").open("ab") as log:
                self.process = await asyncio.to_thread(
                    subprocess.Popen,
                    command,
                    cwd=self.folder,
                    env=self._environ,
                    stdout=subprocess.PIPE,
                    stderr=log,
                )
            assert self.process.stdout is not None
            if await asyncio.to_thread(self.process.stdout.readline):
                return
            await self.gone()
            assert time.monotonic() < end, (self.folder / "log").read_text()[-4000:]
            await asyncio.sleep(0.1)

    def children(self, module: str) -> list[int]:
        """The processes of the node that run this module."""
        assert self.process is not None
        pid = self.process.pid
        found = []
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
        return found

    async def kill(self, target: str, dice: random.Random) -> bool:
        """Whether there was one to kill."""
        if target == "node":
            assert self.process is not None
            self.process.kill()
            await self.gone()
            await self.start()
            return True
        pids = self.children(FOLDING if target == "folding" else WORKER)
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(dice.choice(pids), signal.SIGKILL)
            return True
        return False

    async def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return await self.gone()

    async def gone(self) -> int:
        assert self.process is not None and self.process.stdout is not None
        code = await asyncio.to_thread(self.process.wait)
        self.process.stdout.close()
        return code


class Clients:
    """Everybody who sends, until told to stop."""

    def __init__(self, node: KilledNode, ledger: Ledger) -> None:
        self._node = node
        self._ledger = ledger
        self._numbers = itertools.count()
        self._stopping = False

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            kinds = (self._check, self._report, self._report, self._use, self._state, self._look)
            tasks = [asyncio.create_task(self._repeat(each)) for each in kinds]
            try:
                yield
            finally:
                self._stopping = True
                await asyncio.gather(*tasks)

    async def _repeat(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self._stopping:
            await work()
            await asyncio.sleep(0.01)

    async def _check(self) -> None:
        await self._send("check", 1, self._node.node.devices + "/updates", self._about(next(self._numbers)))

    async def _report(self) -> None:
        """As the plugin does: what got no answer is sent again, and once in a while what did, too."""
        number = next(self._numbers)
        events = [
            self._about(number) | {"action": action, "timestamp": _milliseconds() + n}
            for n, action in enumerate(("set", "app_moved_to_foreground", "app_moved_to_background")[: 1 + number % 3])
        ]
        for attempt in range(5):
            stored = await self._send("event", len(events), self._node.node.devices + "/stats", events)
            if stored and not (number % 7 == 0 and attempt == 0):
                return

    async def _use(self) -> None:
        number = next(self._numbers)
        one = {"name": f"feature-{number % 20}", "kind": "feature", "time": _milliseconds()}
        body = {
            "app_id": APP,
            "device_id": _device(number),
            "events": [one | {"name": f"{one['name']}-{n}"} for n in range(3)],
        }
        await self._send("used", 3, self._node.node.devices + "/events", body)

    async def _state(self) -> None:
        number = next(self._numbers)
        one = {"name": "ticket", "id": f"T-{number}", "at": time.time(), "device": _device(number)}
        await self._send("outcome", 1, f"{self._node.node.control}/v1/apps/{APP}/outcomes", {"outcomes": [one]}, True)

    async def _look(self) -> None:
        """Has the node fold, at any moment."""
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self._session.get(
                f"{self._node.node.control}/v1/apps/{APP}/stats", headers=self._token()
            ) as response:
                await response.read()

    async def _send(self, kind: str, units: int, address: str, body: Any, control: bool = False) -> bool:
        try:
            headers = self._token() if control else {}
            async with self._session.post(address, json=body, headers=headers) as response:
                said = await response.read()
                if response.status == 200:
                    self._ledger.told[kind] += units
                    return True
                assert response.status in (429, 500, 503), (kind, response.status, said)
        except aiohttp.ClientConnectorError:  # nothing was sent
            await asyncio.sleep(0.05)
            return False
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        self._ledger.open[kind] += units
        return False

    def _token(self) -> dict[str, str]:
        token = (self._node.node.data_dir / "node" / "admin.token").read_text().strip()
        return {"Authorization": f"Bearer {token}"}

    def _about(self, number: int) -> dict[str, Any]:
        return {
            "platform": "android",
            "device_id": _device(number),
            "app_id": APP,
            "version_build": "1.0.0",
            "version_name": f"1.0.{number % 5}",
            "version_os": "14",
            "plugin_version": "8.51.14",
            "is_emulator": False,
            "is_prod": True,
        }


def _device(number: int) -> str:
    return f"{number % 500:08x}-eefe-490a-9c60-8e965132ae51"


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


async def drill(folder: Path, kills: int, seed: int, workers: int) -> list[str]:
    """Prints what happened; returns what is wrong."""
    dice = random.Random(seed)
    killed, ledger = KilledNode(folder, workers), Ledger()
    await killed.start()
    await asyncio.to_thread(killed.node.text, "app", "create", APP)
    done: Counter[str] = Counter()
    begun = time.monotonic()
    async with Clients(killed, ledger).sending():
        while done.total() < kills:
            await asyncio.sleep(dice.uniform(0.0, 0.6))
            target = dice.choices(TARGETS, CHANCES)[0]
            done[target] += await killed.kill(target, dice)
    audit = await _audit(killed.node)
    faults = ledger.faults(audit)
    if await killed.stop():
        faults.append("the node did not stop well")
    print(f"{dict(done)} killed in {time.monotonic() - begun:.0f} s, seed {seed}")
    for each in audit["kinds"]:
        told = f"{ledger.told[each['kind']]} told as stored, {ledger.open[each['kind']]} without such an answer"
        shown = {name: n for name, n in each.items() if n and name != "kind"}
        print(f"{each['kind']}: {shown}; {told}")
    print(f"{audit['segments']} segments, {audit['lost_places']} torn or damaged places of {audit['lost_bytes']} bytes")
    return faults


async def _audit(node: Node) -> dict[str, Any]:
    """Once the folding process answers: it may have been killed just now."""
    end = time.monotonic() + START_SECONDS
    while True:
        done = await asyncio.to_thread(node.run, "telemetry", "audit", "--json")
        if done.stdout:
            found: dict[str, Any] = json.loads(done.stdout)
            return found
        assert time.monotonic() < end, done.stderr
        await asyncio.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        faults = asyncio.run(drill(Path(folder), asked.kills, asked.seed, asked.workers))
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
