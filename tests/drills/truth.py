"""Every figure recounted from a fleet's diary: `python -m tests.drills.truth [--devices N] [--days N] [--seed 1]`.

Ten thousand devices of ten releases live for 8 days in three time zones, in a node's own time. They go offline, crash,
have clocks that are days wrong, and send again what they did not hear arrive; the operator rolls out, publishes a
bundle that does not start, withdraws it, and experiments. Then a thousand others do it all in 35 days, so that
retention after 30 has something to count: 10,000 in 35 days would take four times as long and show nothing more.
Prints each figure beside its recount; exits with 1 if one differs. With either number it is one fleet alone.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.truth.comparing import ESTIMATE
from tests.truth.judging import Judged, judge

FLEETS = ((10_000, 8), (1_000, 35))  # devices, days
FOLD_HOURS = 6  # a node counts every some seconds
SHOWN = 5  # of the rows that differ


def show(judged: Judged) -> None:
    """The table, and what differs."""
    print(f"{'figure':<36} {'rows':>9} {'recounted':>14}  result")
    for each in judged.compared:
        allowed = f"within {ESTIMATE:.0%}" if each.estimated else "equal"
        result = f"{len(each.wrong)} ROWS DIFFER" if each.wrong else allowed
        print(f"{each.figure:<36} {each.rows:>9,} {each.total:>14,.0f}  {result}")
        for row, told, recounted in each.wrong[:SHOWN]:
            print(f"    {row}: the node says {told}, the diary {recounted}")


def recount_of(devices: int, days: int, seed: int) -> bool:
    """Prints the table of one fleet; whether every figure is right."""
    began, used = time.monotonic(), time.process_time()
    with (
        tempfile.TemporaryDirectory(prefix="edge-truth-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        lived = judge(Path(folder), devices=devices, days=days, seed=seed, fold_hours=FOLD_HOURS)
        judged = runner.run(lived)
    show(judged)
    diary = judged.diary
    print(
        f"{devices:,} devices, {days} days: {len(diary.entries):,} entries of the diary, {diary.sent:,} "
        f"events acknowledged, {judged.found.again:,} of them again; {time.monotonic() - began:.0f} s, "
        f"{time.process_time() - used:.0f} s of CPU",
        flush=True,
    )
    return not (judged.wrong or diary.refused)


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--devices", type=int, help=f"{FLEETS[0][0]:,}, if --days is given")
    asked.add_argument("--days", type=int, help=f"{FLEETS[0][1]}, if --devices is given")
    asked.add_argument("--seed", type=int, default=1)
    args = asked.parse_args()
    one = (args.devices or FLEETS[0][0], args.days or FLEETS[0][1])
    fleets = (one,) if args.devices or args.days else FLEETS
    right = [recount_of(devices, days, args.seed) for devices, days in fleets]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
