"""A million hostile requests against a real node: `python -m tests.hostile --count 1000000 --seed N`.

Prints the rate, what was answered, each worker's memory and descriptors, and every finding; exit code 1 when there is
one. `--first I --count 1` repeats case I; `--pure` runs the parsers alone, in this process. Linux.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.hostile.drill import run
from tests.hostile.pure import run_pure


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="index of the first case")
    parser.add_argument("--pure", action="store_true", help="the parsers alone")
    options = parser.parse_args()
    faults = _pure(options) if options.pure else _real(options)
    for fault in faults:
        print(f"FOUND {fault}")
    print(f"{len(faults)} findings (seed {options.seed})")
    return 1 if faults else 0


def _pure(options: argparse.Namespace) -> list[str]:
    faults, seconds, outcomes, held_mb = run_pure(options.count, options.seed, first=options.first)
    print(
        f"{options.count} cases in {seconds:.0f} s: {options.count / seconds:.0f} a second, "
        f"{held_mb:.1f} MB more at the end"
    )
    for outcome, n in sorted(outcomes.items()):
        print(f"  {n:8d}  {outcome}")
    return faults


def _real(options: argparse.Namespace) -> list[str]:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(
            run(
                Path(folder), options.count, options.seed, first=options.first, say=lambda text: print(text, flush=True)
            )
        )
    found = outcome.findings
    print(f"{found.sent} cases, {found.sent / outcome.seconds:.0f} a second after the first ones")
    print(f"closed without an answer: {found.closed}; not complete, so waited for: {found.waited}")
    for name, n in sorted(found.statuses.items()):
        print(f"  {n:8d}  {name}")
    print("the node's own counts:", outcome.counts)
    for (before, most), (fewer, more) in zip(outcome.memory_mb, outcome.descriptors, strict=True):
        print(f"worker: {before:.1f} MB at first, {most:.1f} MB at most; descriptors {fewer} and {more}")
    return outcome.faults


if __name__ == "__main__":
    sys.exit(main())
