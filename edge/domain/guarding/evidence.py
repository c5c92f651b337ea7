"""What is known of a release under guard, as values: found by the folding process, read by what shows it or acts.

Rates are shares from 0 to 1, times in milliseconds since the epoch. Odds are natural logarithms.
"""

import enum

import msgspec

from edge.domain.guarding.reported import ReportedUntil


class Verdict(enum.Enum):
    """What the tests say together."""

    WATCHING = "watching"
    FAILS = "fails"  # an alarm: more than the limit
    SILENT = "silent"  # devices that installed it fall silent
    PASSES = "passes"  # enough is known, and it is below the limit


class TestedCount(msgspec.Struct, frozen=True, kw_only=True):
    """One test of one watch; `name` as in `plan`. `attempts` and `failed` are counted since the start, without the two
    worst networks; against a control, all devices with the event and those of them in the rollout's arm. `log_odds`
    are of the same and of the epochs together, against `alarm_log_odds`, where it acts. If one epoch says more than
    the whole, `epoch` is its number (else 0), with its own count. `known`: only of devices known for a day. `without`:
    the counts are those without what this node brought, since with it they would be no alarm. `rests_on`: the other
    nodes have devices enough to see it, and what they brought speaks against what this one did."""

    name: str
    metric: str
    attempts: int
    failed: int
    log_odds: float
    alarm_log_odds: float
    alarm: bool
    segment: str = ""
    versus_control: bool = False
    known: bool = False
    epoch: int = 0
    epoch_attempts: int = 0
    epoch_failed: int = 0
    without: str = ""
    rests_on: str = ""


class SilenceEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Devices that installed it and were `silent` until `age_ms` after; `allowed` (0 to 1) is how many may be, None: no
    earlier release and no control to compare with. `without` is as of TestedCount."""

    age_ms: int
    installed: int
    silent: int
    allowed: float | None
    log_odds: float
    alarm_log_odds: float
    alarm: bool
    without: str = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Of one watch as of `as_of_ms`. `attempts` and `failed` are all counted votes of `plan.figures_of`, `low` and
    `high` an interval of their rate that is valid at every look; `capped` votes, `capped_failed` failures, were left
    out since their network had its share. `reason` is a sentence for people, of what decides the verdict. `rolls_back`:
    the devices known for a day show it too, and not by the word of one node, so the guard may take the bundle back.
    `waits`: why the next step does not begin by itself; empty only when it PASSES. `rules` is the digest of the policy
    that it was judged by. `reported`: the other nodes whose reports are counted here, and until when all of them are
    among these."""

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
    rolls_back: bool = False
    silence: SilenceEvidence | None = None
    step_attempts: int = 0
    waits: str = ""
    rules: str = ""
    reported: tuple[ReportedUntil, ...] = ()
