"""Two origins write to one bucket at once, as processes: no change is lost, the chain is one, and both serve the last.

    python -m tests.drills.two_origins [--changes 600] [--contested 200] [--at-once 2]

Each change is a channel of its own, made through one of the two control APIs, over HTTP, beside all others: first by
both, then with the second one killed three times in the middle and started again, then with its clock an hour ahead.
Afterwards every acknowledged channel must be there, the history must go back to the first revision without a gap, with
as many revisions as changes, and `edge store verify` must find the bucket whole. An app has 1,000 channels at most.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections import Counter

from edge.cli.terminal.client import ControlClient, Unreachable, app_path
from edge.domain.errors import EdgeError
from edge.store.s3.request_counts import cost_of
from tests.worlds.region_node import ROOT
from tests.worlds.two_origins import TwoOrigins

APP = "com.example.twice"
FOLLOWED_SECONDS = 15.0
PAGE = 100
KILLS = 3
HOUR_SECONDS = 3_600.0


async def drill(changes: int, contested: int, at_once: int) -> list[str]:
    """What is wrong afterwards."""
    async with TwoOrigins() as world:
        await asyncio.to_thread(world.admins[0].send, "POST", "/v1/apps", {"app": APP})
        made = await _storm(world, "both", changes, at_once)
        killing = asyncio.create_task(_kill(world, contested))
        made += await _storm(world, "one is killed", contested, at_once)
        await killing
        world.nodes[1].set_clock(HOUR_SECONDS)
        made += await _storm(world, "its clock is an hour ahead", contested, at_once)
        faults = await _faults(world, changes + 2 * contested, sorted(made))
        return faults + await asyncio.to_thread(_verify, world)


async def _storm(world: TwoOrigins, what: str, changes: int, at_once: int) -> list[str]:
    """The channels that were acknowledged."""
    before, begun = len(world.server.seen), time.monotonic()
    prefix = what.replace(" ", "-")
    names = [iter([f"{prefix}-{number}" for number in range(node, changes, 2)]) for node in range(2)]
    refused: Counter[str] = Counter()
    made: list[list[str]] = [[], []]

    async def write(node: int) -> None:
        for name in names[node]:
            await asyncio.to_thread(_create, world, node, name, refused)
            made[node].append(name)

    async with asyncio.TaskGroup() as tasks:
        for number in range(2 * at_once):
            tasks.create_task(write(number % 2))
    seconds, requests = time.monotonic() - begun, world.requests(before)
    print(
        f"{what}: {len(made[0])} and {len(made[1])} changes in {seconds:.1f} s; tried again: {dict(refused) or 'none'}"
    )
    each = {kind: round(number / changes, 2) for kind, number in sorted(requests.items())}
    print(f"  requests a change: {each}; $ {1_000 * cost_of(requests) / changes:.4f} for 1,000 changes", flush=True)
    return made[0] + made[1]


async def _kill(world: TwoOrigins, changes: int) -> None:
    """The second one, each time that a part of the changes is through."""
    second, begun = world.nodes[1], len(world.server.seen)
    for kill in range(KILLS):
        while len(world.server.seen) - begun < changes * 4 * (kill + 1) / (KILLS + 1):
            await asyncio.sleep(0.05)
        second.kill()
        await second.start()


def _create(world: TwoOrigins, node: int, name: str, refused: Counter[str]) -> None:
    """Until it is acknowledged, as a person or a pipeline does it: other writers may win fifty times in a row, and a
    node that was killed is started again."""
    while True:
        client = ControlClient(world.nodes[node].control_url, world.nodes[0].admin_token)
        try:
            client.send("POST", app_path(APP, "channels"), {"name": name})
        except Unreachable:
            refused["no answer"] += 1
            time.sleep(0.2)
        except EdgeError as error:
            if error.code == "channel_exists":
                return
            refused[error.code] += 1
            if error.code not in ("busy", "store_busy"):
                raise
        else:
            return
        finally:
            client.close()


async def _faults(world: TwoOrigins, changes: int, made: list[str]) -> list[str]:
    faults = [] if len(made) == changes else [f"{len(made)} changes were acknowledged, not {changes}"]
    for node in world.nodes:
        admin = node.client(world.nodes[0].admin_token)  # it may have been started again
        end = time.monotonic() + FOLLOWED_SECONDS
        while True:
            held = await asyncio.to_thread(admin.get, app_path(APP, "channels"))
            found = sorted(channel["name"] for channel in held)
            if found == made or time.monotonic() > end:
                break
            await asyncio.sleep(0.2)
        if found != made:
            faults.append(f"{node.name}: {len(set(made) - set(found))} acknowledged channels are missing")
        numbers = await asyncio.to_thread(_history, admin)
        if numbers != list(range(changes + 1, 0, -1)):
            faults.append(f"{node.name}: the history has {len(numbers)} revisions, or a gap")
    return faults


def _history(admin: ControlClient) -> list[int]:
    numbers: list[int] = []
    while True:
        older = f"&before={numbers[-1]}" if numbers else ""
        page = admin.get(f"{app_path(APP, 'history')}?limit={PAGE}{older}")
        numbers += [line["revision"] for line in page]
        if len(page) < PAGE:
            return numbers


def _verify(world: TwoOrigins) -> list[str]:
    node = world.nodes[0]
    done = subprocess.run(
        [sys.executable, "-m", "edge", "store", "verify", "--config", str(node.config)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    print(done.stdout.strip())
    return [] if done.returncode == 0 else [f"edge store verify: {done.stdout}{done.stderr}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=600)
    parser.add_argument(
        "--contested", type=int, default=200, help="changes while one is killed, and again with a clock ahead"
    )
    parser.add_argument("--at-once", type=int, default=2, help="changes in progress at each origin")
    options = parser.parse_args()
    faults = asyncio.run(drill(options.changes, options.contested, options.at_once))
    for fault in faults:
        print(f"FAULT: {fault}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
