"""How long a change takes to reach every worker of a node: from the request to the answer that they all serve it.

    python -m tests.drills.propagation [--changes 200] [--workers 2]

The control API answers a change only when every worker has swapped its snapshot, so its answer time is the time to
reach them; a check on a new connection after each answer must already see the change, whichever worker takes it.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp
import msgspec

from edge.assembly.standalone import Standalone
from edge.cli.demo.demo import prepare
from edge.cli.demo.release import APP, CHANNEL, NATIVE, RELEASES
from edge.cli.terminal.client import ControlClient, app_path
from edge.config import Config, Control, Devices

QUESTION = {
    "platform": "android",
    "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51",
    "app_id": APP,
    "version_build": NATIVE,
    "version_name": NATIVE,
    "plugin_version": "8.51.14",
}


async def measure(changes: int, workers: int) -> tuple[list[float], int]:
    """Seconds of each change, and how many checks after a change still saw the old release."""
    with tempfile.TemporaryDirectory() as folder:
        devices = Devices(host="127.0.0.1", port=0, workers=workers)
        node = Standalone(Config(data_dir=str(Path(folder) / "data"), devices=devices, control=Control(port=0)))
        async with node.running(), aiohttp.ClientSession() as session:
            await asyncio.to_thread(prepare, node)
            client = ControlClient(f"http://127.0.0.1:{node.control_port}", node.admin_token_file.read_text().strip())
            seconds, stale = [], 0
            for number in range(changes):
                version = RELEASES[number % 2].version
                started = time.perf_counter()
                await asyncio.to_thread(client.patch, app_path(APP, "channels", CHANNEL), {"bundle": version})
                seconds.append(time.perf_counter() - started)
                for _ in range(2 * workers):
                    address = f"http://127.0.0.1:{node.device_port}/updates"
                    async with session.post(address, json=QUESTION, headers={"Connection": "close"}) as response:
                        stale += (await response.json())["version"] != version
            client.close()
            return seconds, stale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    words = parser.parse_args()
    seconds, stale = asyncio.run(measure(words.changes, words.workers))
    print(msgspec.json.encode({"changes": len(seconds), "workers": words.workers, "stale_checks": stale}).decode())
    milliseconds = [each * 1e3 for each in seconds]
    p95 = statistics.quantiles(milliseconds, n=20)[-1]
    print(f"median {statistics.median(milliseconds):.1f} ms, p95 {p95:.1f} ms, max {max(milliseconds):.1f} ms")


if __name__ == "__main__":
    main()
