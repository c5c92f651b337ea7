"""What an origin asks of its bucket: requests for a change, for a publish, and in an hour in which nothing happens.

Counted by a server in front of the bucket, in a real run of `edge serve`; the price is stated beside the sum.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from edge.cli.terminal.client import app_path
from edge.store.s3.request_counts import USUAL_PRICES, cost_of
from tests.worlds.region_world import write_build
from tests.worlds.two_origins import TwoOrigins

APP = "com.example.bucket"
FILES, BUNDLE_BYTES = 20, 1_000_000
HOUR_SECONDS = 3_600.0
SETTLE_SECONDS = 3.0  # after a start, or changes: what they bring about is not idleness


class BucketUse(NamedTuple):
    """Requests by kind. `dollars` are of 1,000 changes, 1,000 publishes, and a month (730 h) of idle hours."""

    change: dict[str, float]
    publish: dict[str, float]
    idle_hour: dict[str, float]
    dollars: tuple[float, float, float]

    @property
    def lines(self) -> list[str]:
        prices = f"$ {USUAL_PRICES.write} for 1,000 writes and listings, $ {USUAL_PRICES.read} for 1,000 reads"
        change, publish, idle = self.dollars
        return [
            f"a change: {_shown(self.change)}; $ {change:.4f} for 1,000",
            f"a publish of {FILES} files: {_shown(self.publish)}; $ {publish:.3f} for 1,000",
            f"an idle hour: {_shown(self.idle_hour)}; $ {idle:.2f} a month",
            f"at {prices}",
        ]


async def measure(changes: int, publishes: int, idle_seconds: float) -> BucketUse:
    """`idle_seconds` are to be whole minutes: heads are signed again each minute."""
    async with TwoOrigins(count=1) as world:
        admin = world.admins[0]
        await asyncio.to_thread(admin.send, "POST", "/v1/apps", {"app": APP})
        change = Counter[str]()
        for number in range(changes):
            since = len(world.server.seen)
            await asyncio.to_thread(admin.send, "POST", app_path(APP, "channels"), {"name": f"channel-{number}"})
            change += world.requests(since)
        publish = Counter[str]()
        for number in range(publishes):
            since = len(world.server.seen)
            await _publish(world, number)
            publish += world.requests(since)
        await asyncio.sleep(SETTLE_SECONDS)
        since, begun = len(world.server.seen), time.monotonic()
        await asyncio.sleep(idle_seconds)
        idle = world.requests(since)
        hours = (time.monotonic() - begun) / HOUR_SECONDS
    a_change, a_publish, an_hour = _each(change, changes), _each(publish, publishes), _each(idle, hours)
    costs = (1_000 * cost_of(change) / changes, 1_000 * cost_of(publish) / publishes, 730 * cost_of(idle) / hours)
    return BucketUse(a_change, a_publish, an_hour, costs)


async def _publish(world: TwoOrigins, number: int) -> None:
    source = world.folder / f"build-{number}"
    await asyncio.to_thread(write_build, source, str(number), BUNDLE_BYTES, FILES - 1)
    await _edge(world, "bundle", "publish", APP, source, "--version", f"1.0.{number}", "--no-channel")


async def _edge(world: TwoOrigins, *words: str | Path) -> None:
    node = world.nodes[0]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    environ |= {"EDGE_URL": node.control_url, "EDGE_TOKEN": node.admin_token}
    environ |= {"EDGE_CACHE_DIR": str(world.folder / "cache")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", *map(str, words), env=environ, stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        raise RuntimeError(f"edge {' '.join(map(str, words))} failed")


def _each(counts: Counter[str], number: float) -> dict[str, float]:
    return {kind: count / number for kind, count in sorted(counts.items())}


def _shown(counts: dict[str, float]) -> str:
    return ", ".join(f"{number:.4g} {kind}" for kind, number in counts.items())


if __name__ == "__main__":
    print("\n".join(asyncio.run(measure(100, 5, 120.0)).lines))
