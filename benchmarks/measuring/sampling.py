"""Contenders in turns under one load, and the table of it. The first figure is what the servers spent per request.

A round runs every contender once; the next round starts with another, so that drift affects all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.contenders.servers import Server
from benchmarks.load.wrk import Load, Summary, run_wrk
from benchmarks.measuring.accounting import cpu_seconds
from benchmarks.measuring.figures import Spread, ratios, spread
from benchmarks.output.tables import Cell, Table

BUSY_LIMIT = 0.8  # of the load generator's core: above it throughput and latency are partly its own

T = TypeVar("T")
S = TypeVar("S")


class CheckSample(NamedTuple):
    cpu_microseconds: float  # of all the server's processes, per request
    summary: Summary


def measure(server: Server, load: Load, on: set[int], script: Path) -> CheckSample:
    """Raises RuntimeError if nothing was answered."""
    pids = server.pids()
    before = cpu_seconds(pids)
    summary = run_wrk(load, server.port, on, script)
    spent = cpu_seconds(pids) - before
    if not summary.requests:
        raise RuntimeError(f"{server.name} answered nothing")
    return CheckSample(spent / summary.requests * 1e6, summary)


def in_turns(contenders: Mapping[str, S], rounds: int, once: Callable[[S], T]) -> dict[str, list[T]]:
    """`rounds` results of each, by name."""
    found: dict[str, list[T]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(once(contenders[name]))
    return found


def check_columns(against: str) -> tuple[str, ...]:
    """The columns of a table whose ratios are to the contender `against`."""
    told = ("checks/s", "counts as throughput", "p50 ms", "p99 ms", "max ms", "failed")
    return ("contender", "server CPU µs/check", f"of {against}", *told)


def check_rows(found: Mapping[str, Sequence[CheckSample]], against: str) -> tuple[tuple[Cell, ...], ...]:
    """A row per contender; ratios are to the contender `against`."""
    return tuple(check_row(name, samples, found[against]) for name, samples in found.items())


def check_row(name: str, samples: Sequence[CheckSample], against: Sequence[CheckSample]) -> tuple[Cell, ...]:
    summaries = [sample.summary for sample in samples]
    return (
        name,
        spread([sample.cpu_microseconds for sample in samples]),
        ratios([sample.cpu_microseconds for sample in samples], [sample.cpu_microseconds for sample in against]),
        spread([summary.rate for summary in summaries]),
        throughput_words([summary.busy for summary in summaries]),
        milliseconds([summary.p50 for summary in summaries]),
        milliseconds([summary.p99 for summary in summaries]),
        milliseconds([summary.most for summary in summaries]),
        sum(summary.failed for summary in summaries),
    )


def throughput_words(busy: Sequence[float]) -> str:
    """Whether the rate is the server's: only if the generator had time left."""
    most = max(busy)
    return f"{'yes' if most < BUSY_LIMIT else 'no'}, generator {most:.0%} busy"


def milliseconds(microseconds: Sequence[float]) -> Spread:
    return spread([value / 1000 for value in microseconds])


def check_table(
    title: str, found: Mapping[str, Sequence[CheckSample]], against: str, notes: Sequence[str] = ()
) -> Table:
    return Table(title=title, columns=check_columns(against), rows=check_rows(found, against), notes=tuple(notes))
