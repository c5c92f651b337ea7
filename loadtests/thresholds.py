"""The limits of a run, and whether it kept them. Pure: numbers in, findings out.

Limits are data (`thresholds.toml`), each with its reason. A limited request that never happened is a finding too: a
scenario that sends nothing is not a fast one.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parent / "thresholds.toml"


class Measured(NamedTuple):
    """`p95_ms` and `p99_ms` are None if no time was measured."""

    count: int
    errors: int
    p95_ms: float | None
    p99_ms: float | None

    @property
    def error_share(self) -> float:
        return self.errors / self.count if self.count else 0.0


class Limit(NamedTuple):
    """None: not limited. `error_share` from 0 to 1."""

    name: str
    reason: str
    error_share: float
    p95_ms: float | None = None
    p99_ms: float | None = None


def parse_limits(text: str, scenario: str) -> list[Limit]:
    """Raises KeyError for a scenario without limits, TypeError for a limit with a missing or unknown member."""
    tables = tomllib.loads(text)[scenario]
    return [Limit(name=name, **table) for name, table in tables.items()]


def judge(limits: list[Limit], measured: Mapping[str, Measured]) -> list[str]:
    """One sentence per exceeded limit; none: the run passed."""
    findings = []
    for limit in limits:
        row = measured.get(limit.name)
        if row is None or not row.count:
            findings.append(f"{limit.name}: never happened")
            continue
        if row.error_share > limit.error_share:
            findings.append(f"{limit.name}: {row.error_share:.2%} errors, at most {limit.error_share:.2%}")
        findings += _too_slow(limit.name, "p95", row.p95_ms, limit.p95_ms)
        findings += _too_slow(limit.name, "p99", row.p99_ms, limit.p99_ms)
    return findings


def _too_slow(name: str, percentile: str, found: float | None, limit: float | None) -> list[str]:
    if limit is None or (found is not None and found <= limit):
        return []
    return [f"{name}: {percentile} {'unknown' if found is None else f'{found:.0f} ms'}, at most {limit:.0f} ms"]
