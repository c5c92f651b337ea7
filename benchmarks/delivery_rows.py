"""The table of deliveries: CPU seconds per GiB first, throughput if the load generator had time left."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.load.drain import Drained
from benchmarks.measuring.figures import ratios, spread
from benchmarks.measuring.sampling import milliseconds, throughput_words
from benchmarks.output.tables import Cell

GIB = 2**30


class DeliverySample(NamedTuple):
    cpu_seconds: float
    answer_bytes: int
    drained: Drained

    @property
    def cpu_per_gib(self) -> float:
        return self.cpu_seconds / self.drained.bytes * GIB

    @property
    def cpu_per_answer(self) -> float:
        """Microseconds; an answer in progress at the end of a round counts in part."""
        return self.cpu_per_gib / GIB * self.answer_bytes * 1e6

    @property
    def gib_per_second(self) -> float:
        return self.drained.bytes / self.drained.seconds / GIB


COLUMNS = (
    "contender",
    "clients",
    "server CPU s/GiB",
    "of nginx",
    "server CPU µs/request",
    "GiB/s",
    "of nginx ",
    "counts as throughput",
    "p50 ms",
    "p99 ms",
    "max ms",
    "1 byte beside, p50 ms",
    "p99 ms ",
)


def delivery_row(
    name: str, clients: int, samples: Sequence[DeliverySample], nginx_samples: Sequence[DeliverySample]
) -> tuple[Cell, ...]:
    drained = [sample.drained for sample in samples]
    return (
        name,
        clients,
        spread([sample.cpu_per_gib for sample in samples]),
        ratios([sample.cpu_per_gib for sample in samples], [sample.cpu_per_gib for sample in nginx_samples]),
        spread([sample.cpu_per_answer for sample in samples]),
        spread([sample.gib_per_second for sample in samples]),
        ratios([sample.gib_per_second for sample in samples], [sample.gib_per_second for sample in nginx_samples]),
        throughput_words([each.busy for each in drained]),
        _latency([each.p50 for each in drained]),
        _latency([each.p99 for each in drained]),
        _latency([each.most for each in drained]),
        _latency([each.beside_p50 for each in drained]),
        _latency([each.beside_p99 for each in drained]),
    )


def _latency(microseconds: Sequence[float]) -> Cell:
    """Of the rounds in which an answer was completed; a short one may have none."""
    known = [each for each in microseconds if each]
    return milliseconds(known) if known else None
