"""Every figure recounted from a fleet's diary: `python -m tests.drills.truth [--devices 10000] [--days 35] [--seed 1]`.

Ten thousand devices of ten releases live for 35 days in three time zones, in a node's own time. They go offline, crash,
have clocks that are days wrong, and send again what they did not hear arrive; the operator rolls out, publishes a
bundle that does not start, withdraws it, and experiments. Prints each figure beside its recount; exits with 1 if one
differs.
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


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--devices", type=int, default=10_000)
    asked.add_argument("--days", type=int, default=35)
    asked.add_argument("--seed", type=int, default=1)
    args = asked.parse_args()
    began, used = time.monotonic(), time.process_time()
    with (
        tempfile.TemporaryDirectory(prefix="edge-truth-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        sizes = {"devices": args.devices, "days": args.days, "seed": args.seed}
        lived = judge(Path(folder), **sizes, fold_hours=FOLD_HOURS)
        judged = runner.run(lived)
    show(judged)
    diary = judged.diary
    print(
        f"{args.devices:,} devices, {args.days} days: {len(diary.entries):,} entries of the diary, {diary.sent:,} "
        f"events acknowledged, {judged.found.again:,} of them again; {time.monotonic() - began:.0f} s, "
        f"{time.process_time() - used:.0f} s of CPU"
    )
    return 1 if judged.wrong or diary.refused else 0


if __name__ == "__main__":
    sys.exit(main())
