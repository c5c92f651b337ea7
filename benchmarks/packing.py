"""What a publisher's packing saves in five published packages: the zip by zlib alone and by the best deflate.

Also what that costs, and what a second publish costs that finds everything in this machine's memory. No server.
"""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring.figures import Spread, spread
from benchmarks.measuring.sampling import in_turns
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Table
from benchmarks.worlds.npm import fetch_package
from edge.bundles.packing.cache import PackingCache
from edge.bundles.packing.effort import SMALLEST
from edge.bundles.packing.pack import digest_files
from edge.bundles.packing.zipping import write_zip
from edge.bundles.sources.read import read_source
from edge.bundles.zip.packed_body import Effort

PACKAGES = (
    ("bootstrap", "5.3.3"),
    ("chart.js", "4.4.7"),
    ("@ionic/core", "8.4.1"),
    ("swagger-ui-dist", "5.17.14"),
    ("tinymce", "7.5.1"),
)
ZLIB = SMALLEST._replace(deflate=Effort(SMALLEST.deflate.level, best_bytes=0))
MB = 1_000_000
COLUMNS = (
    *("package", "files", "plain bytes", "zip by zlib -9", "zip, packed", "smaller by %"),
    *("zlib s/MB", "packed s/MB", "again s/MB"),
)


class Zipped(NamedTuple):
    """One way to zip a package, each round: the zip's bytes, and the CPU seconds."""

    zip_bytes: int
    cpu_seconds: tuple[float, ...]

    def per_mb(self, plain_bytes: int) -> Spread:
        return spread([each / (plain_bytes / MB) for each in self.cpu_seconds])


class _Package:
    def __init__(self, source: Path, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.files = read_source(source, folder).files
        self._digests = digest_files(self.files)
        self.plain_bytes = sum(file.bytes for file in self.files)
        self._memory = PackingCache(folder / "memory")
        self._ways = {"zlib": (ZLIB, None), "packed": (SMALLEST, None), "again": (SMALLEST, self._memory)}
        self._zip("again")  # which fills the memory

    def zipped(self, rounds: int) -> dict[str, Zipped]:
        found = in_turns({way: way for way in self._ways}, rounds, self._zip)
        return {way: Zipped(took[0][0], tuple(seconds for _, seconds in took)) for way, took in found.items()}

    def _zip(self, way: str) -> tuple[int, float]:
        packing, memory = self._ways[way]
        target = self._folder / "bundle.zip"
        started = time.process_time()
        write_zip(self.files, self._digests, target, packing, memory, lambda count: None)
        took, made = time.process_time() - started, target.stat().st_size
        target.unlink()
        return made, took


def run(options: Options) -> BenchReport:
    with tempfile.TemporaryDirectory() as folder:
        rows = [_row(name, version, Path(folder), options) for name, version in PACKAGES]
    note = "Source maps left out. CPU seconds for a MB of plain bytes, reading and hashing included; brotli, which is"
    note += " made at the same time in processes of its own, is not."
    return BenchReport(
        compares="The zip of a folder by zlib -9, and as the publisher packs it: each file the smallest of stored, zlib"
        " and libdeflate; and again, when the publisher's memory has every file.",
        tables=(Table(title="the zip of five packages", columns=COLUMNS, rows=tuple(rows), notes=(note,)),),
    )


def _row(name: str, version: str, folder: Path, options: Options) -> tuple[str | int | float | Spread, ...]:
    source = fetch_package(name, version, options.cache_dir, folder)
    package = _Package(source, folder / f"{source.parent.name}-work")
    ways = package.zipped(options.rounds)
    smaller = 100 * (1 - ways["packed"].zip_bytes / ways["zlib"].zip_bytes)
    times = [ways[way].per_mb(package.plain_bytes) for way in ("zlib", "packed", "again")]
    sizes = (len(package.files), package.plain_bytes, ways["zlib"].zip_bytes, ways["packed"].zip_bytes)
    return (f"{name} {version}", *sizes, round(smaller, 2), *times)
