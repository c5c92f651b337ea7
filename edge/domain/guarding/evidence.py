"""What is known of a release under guard, as values: found by the folding process, read by what shows it or acts.

Rates are shares from 0 to 1, times in milliseconds since the epoch. Odds are natural logarithms.
"""

import enum

import msgspec


class Verdict(enum.Enum):
    """What the tests say together."""

    WATCHING = "watching"
    FAILS = "fails"  # an alarm: more than the limit
    SILENT = "silent"  # devices that installed it fall silent
    PASSES = "passes"  # enough is known, and it is below the limit


class TestedCount(msgspec.Struct, frozen=True, kw_only=True):
    """One test of one watch. `name` is "whole", "segment <name>" or "<metric> versus control"; `attempts` and `failed`
    are the count that decides, without the two worst networks; `log_odds` against `alarm_log_odds`, where it acts."""

    name: str
    metric: str
    attempts: int
    failed: int
    log_odds: float
    alarm_log_odds: float
    alarm: bool


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Of one watch as of `as_of_ms`. `attempts` and `failed` are all counted votes, `low` and `high` an interval of
    their rate that is valid at every look; `capped` of `capped_failed` votes were left out since their network had its
    share. `reason` is a sentence for people."""

    app: str
    watch: str
    as_of_ms: int
    verdict: Verdict
    offered: int
    attempts: int
    failed: int
    low: float
    high: float
    capped: int = 0
    capped_failed: int = 0
    tests: tuple[TestedCount, ...] = ()
    reason: str = ""
