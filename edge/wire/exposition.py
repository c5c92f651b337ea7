"""Prometheus' text format 0.0.4: families of samples to bytes. Pure.

A node needs forty lines of it, and neither the counters nor the threads of a client library.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Sample(NamedTuple):
    """One line of a family: its labels and its value."""

    labels: Mapping[str, str]
    value: float


class Family(NamedTuple):
    """A metric. The name of a counter ends in `_total`, or in `_info` for one that is always 1."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: Iterable[Sample]


def encode_families(families: Iterable[Family]) -> bytes:
    """In the given order; a family without samples is left out."""
    return "".join(line for family in families for line in _lines(family)).encode()


def _lines(family: Family) -> list[str]:
    samples = [f"{family.name}{_labels(sample.labels)} {_number(sample.value)}\n" for sample in family.samples]
    if not samples:
        return []
    meaning = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return [f"# HELP {family.name} {meaning}\n", f"# TYPE {family.name} {family.kind}\n", *samples]


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isfinite(value):
        return str(int(value)) if value == int(value) else repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
