"""An id set of a million ids: `python -m tests.drills.id_set_scale [--ids N]`.

Uploads them through the control API of a node of its own, as `edge idset put` does, and prints how long that takes
until every worker serves them, how much more memory the control process had meanwhile (VmHWM), the stored size, and
the time of a look-up. Exit code 1 above a promise. Linux.
"""

import argparse
import asyncio
import mmap
import random
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from edge.assembly.standalone import Standalone
from edge.cli.demo.release import APP
from edge.cli.terminal.client import ControlClient, app_path
from edge.config import Config, Control, Devices
from edge.domain.targeting.id_sets import IDS_LIMIT, IdSet, device_hash, parse_id_set
from edge.store.objects.port import blob_key

PROMISE_MB = 10
PROMISE_MICROSECONDS = 2.0
LOOK_UPS = 200_000
ROUNDS = 5


def make_ids(count: int) -> list[str]:
    noise = random.Random(1)
    return [str(uuid.UUID(int=noise.getrandbits(128))) for _ in range(count)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", type=int, default=IDS_LIMIT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ids = Path(folder) / "ids.txt"
        ids.write_text("\n".join(make_ids(options.ids)))
        blob = asyncio.run(_upload(Path(folder) / "data", ids))
        with blob.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            stored_mb = len(mapped) / 1e6
            view = memoryview(mapped)
            each = _look_up_microseconds(parse_id_set(view), make_ids(options.ids))
            print(f"stored: {stored_mb:.1f} MB, promised {PROMISE_MB} MB a million")
            print(f"look-up: {each:.2f} µs, promised {PROMISE_MICROSECONDS:.0f} µs", flush=True)
            del view
    return stored_mb > PROMISE_MB * options.ids / 1e6 + 0.1 or each > PROMISE_MICROSECONDS


async def _upload(data_dir: Path, ids: Path) -> Path:
    """The blob's file after the figures were printed."""
    devices = Devices(host="127.0.0.1", port=0, workers=2)
    data_dir.mkdir()
    node = Standalone(Config(data_dir=str(data_dir), devices=devices, control=Control(port=0)))
    async with node.running():
        client = ControlClient(f"http://127.0.0.1:{node.control_port}", node.admin_token_file.read_text().strip())
        await asyncio.to_thread(client.post, "/v1/apps", {"app": APP})
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before_mb, begun = _memory_mb("VmRSS"), time.perf_counter()
        path = app_path(APP, "id-sets", "million")
        made = await asyncio.to_thread(client.upload, path, ids, lambda _: None, "text/plain")
        seconds = time.perf_counter() - begun
        client.close()
        uploaded_mb, rise_mb = ids.stat().st_size / 1e6, _memory_mb("VmHWM") - before_mb
        print(f"{made['ids']:,} ids, {uploaded_mb:.0f} MB: {seconds:.1f} s until two workers serve them")
        print(f"control process: {rise_mb:.0f} MB more at its peak")
        return node.directory.store.path(blob_key(made["blob"]))


def _look_up_microseconds(held: IdSet, ids: Sequence[str]) -> float:
    """As a check asks, for a device id, the hash included; half of them are in. The quickest of some rounds."""
    noise = random.Random(2)
    asked = [noise.choice(ids) if at % 2 else str(uuid.UUID(int=noise.getrandbits(128))) for at in range(LOOK_UPS)]
    found, idle = [], []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        hits = sum(held.holds(device_hash(each)) for each in asked)
        found.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        sum(bool(each) for each in asked)  # what the loop itself costs
        idle.append(time.perf_counter() - begun)
        assert hits >= LOOK_UPS // 2
    return (min(found) - min(idle)) / LOOK_UPS * 1e6


def _memory_mb(what: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{what}:"))) * 1024 / 1e6


if __name__ == "__main__":
    raise SystemExit(main())
