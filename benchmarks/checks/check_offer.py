"""What an update check costs that is answered with an offer of 10, and of 300 files: the contenders of `check`.

The devices run the native app's own code and are offered the release again and again: after the first time, the table
of device facts has the offer, which is looked up.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.check import Case, CheckBench
from benchmarks.contenders.servers import node
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Table
from benchmarks.programs import cores, need_program
from benchmarks.worlds.releases import NATIVE, PUBLIC_URL, Sizes, offer_files, prepare_app, roll_out

RELEASE, NEXT = "1.0.1", "1.0.2"
SHARE = 10_000
FILES = (10, 300)
RATE = 4_000.0  # checks a second: 300 files are 23 kB an answer, without gzip more
TITLES = {f"{RATE:,.0f} checks/s, 64 kept connections": RATE, "as many as it can, 64 kept connections": 0.0}


def run(options: Options) -> BenchReport:
    for name in ("wrk", "nginx"):
        need_program(name)
    tables = tuple(table for files in FILES for table in _measure(files, options))
    return BenchReport(compares="CPU per update check that is answered with an offer.", tables=tables)


def _measure(files: int, options: Options) -> Iterator[Table]:
    servers, generators = cores(options.pin)
    cases = [Case(f"an offer of {files} files: {title}", NATIVE, False, rate) for title, rate in TITLES.items()]
    with tempfile.TemporaryDirectory(prefix="edge-check-offer-") as temporary:
        folder = Path(temporary)
        prepare_app(folder / "data", [(RELEASE, Sizes(files=files))])
        offer_files(folder / "data")
        roll_out(folder / "data", NEXT, SHARE)
        with node(folder / "data", servers, public_url=PUBLIC_URL) as ours:
            yield from CheckBench(ours, folder, servers, generators).measure_cases(cases, options)
