"""Two origins write to one bucket at once, as processes: no change is lost, the chain is one, and both serve the last.

    python -m tests.drills.two_origins [--changes 1000] [--at-once 2]

Each change is a channel of its own, made through one of the two control APIs, over HTTP, beside all others. Afterwards
every acknowledged channel must be there, the history must go back to the first revision without a gap, with as many
revisions as changes, and `edge store verify` must find the bucket whole.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections import Counter

from edge.cli.terminal.client import ControlClient, app_path
from edge.store.s3.request_counts import cost_of
from tests.worlds.region_node import ROOT
from tests.worlds.two_origins import TwoOrigins

APP = "com.example.twice"
FOLLOWED_SECONDS = 15.0
PAGE = 100


async def drill(changes: int, at_once: int) -> list[str]:
    """What is wrong afterwards."""
    async with TwoOrigins() as world:
        await asyncio.to_thread(world.admins[0].send, "POST", "/v1/apps", {"app": APP})
        before, begun = len(world.server.seen), time.monotonic()
        names = [iter([f"channel-{number}" for number in range(node, changes, 2)]) for node in range(2)]
        refused: Counter[str] = Counter()
        made: list[list[str]] = [[], []]

        async def write(node: int) -> None:
            client = ControlClient(world.nodes[node].control_url, world.nodes[0].admin_token)
            try:
                for name in names[node]:
                    await asyncio.to_thread(_create, client, name, refused)
                    made[node].append(name)
            finally:
                client.close()

        async with asyncio.TaskGroup() as tasks:
            for number in range(2 * at_once):
                tasks.create_task(write(number % 2))
        seconds, requests = time.monotonic() - begun, world.requests(before)
        print(f"{len(made[0])} and {len(made[1])} changes in {seconds:.1f} s; tried again: {dict(refused) or 'none'}")
        each = {kind: round(number / changes, 2) for kind, number in sorted(requests.items())}
        print(f"requests a change: {each}; $ {1_000 * cost_of(requests) / changes:.4f} for 1,000 changes")
        faults = await _faults(world, changes, sorted(made[0] + made[1]))
        return faults + await asyncio.to_thread(_verify, world)


def _create(client: ControlClient, name: str, refused: Counter[str]) -> None:
    """Until it is acknowledged, as a person or a pipeline does it: other writers may win fifty times in a row."""
    from edge.domain.errors import EdgeError

    while True:
        try:
            client.send("POST", app_path(APP, "channels"), {"name": name})
        except EdgeError as error:
            if error.code == "channel_exists":
                return
            refused[error.code] += 1
            if error.code not in ("busy", "store_busy"):
                raise
        else:
            return


async def _faults(world: TwoOrigins, changes: int, made: list[str]) -> list[str]:
    faults = [] if len(made) == changes else [f"{len(made)} changes were acknowledged, not {changes}"]
    for node, admin in zip(world.nodes, world.admins, strict=True):
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
    parser.add_argument("--changes", type=int, default=1_000)
    parser.add_argument("--at-once", type=int, default=2, help="changes in progress at each origin")
    options = parser.parse_args()
    faults = asyncio.run(drill(options.changes, options.at_once))
    for fault in faults:
        print(f"FAULT: {fault}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
