"""What a benchmark is given and what it returns. A benchmark is a module with `run(options) -> BenchReport`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.output.plots import Plot
from benchmarks.output.tables import Table

ROUNDS = 7
QUICK_ROUNDS = 3


class Missing(Exception):
    """A program that the benchmark needs is not installed; the message names its package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`cache_dir` keeps prepared data between runs; `plot` adds the measurements that only a plot needs;
    `settings` are what `--set NAME=VALUE` gives to those that take some."""

    quick: bool = False
    pin: bool = True
    plot: bool = False
    cache_dir: Path
    rounds: int = ROUNDS
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """`compares` states in a sentence or two what was measured, and against what."""

    compares: str
    tables: tuple[Table, ...]
    plot: Plot | None = None
