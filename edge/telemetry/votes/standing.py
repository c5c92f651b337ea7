"""What is known of a channel's release under guard, as the folding process answers it: `guard_standing`.

Of a watch that has ended it is what was known in the end, for `STANDING_DAYS`. Rates are shares from 0 to 1, times in
milliseconds since the epoch.
"""

import msgspec

from edge.domain.guarding.evidence import Evidence

STANDING_DAYS = 90  # after a watch has ended: as long as figures by the hour
ENDED_LIMIT = 2_000  # watches of a node that have ended, some 30 kB each: the latest
POINTS_LIMIT = 200  # of a series: a chart is some 600 pixels wide
ROWS_LIMIT = 20  # of a breakdown, those with most failures


class StandingQuestion(msgspec.Struct, frozen=True):
    """`guard_standing` of the channel's latest watch, or of the named one."""

    app: str
    channel: str
    watch: str = ""


class SeriesPoint(msgspec.Struct, frozen=True):
    """What was known at `at_ms`: all counted votes, and the test of the whole, whose `log_odds` are of `tested` votes,
    those without the two worst networks."""

    at_ms: int
    attempts: int
    failed: int
    low: float
    high: float
    log_odds: float
    tested: int
    tested_failed: int


class BreakdownRow(msgspec.Struct, frozen=True):
    """Counted votes of one label. `stands_out`: it fails more than all others, beyond what chance explains. Of a cause,
    `attempts` are those of everybody."""

    label: str
    failed: int
    attempts: int
    low: float
    high: float
    stands_out: bool = False


class SilentOfNode(msgspec.Struct, frozen=True):
    """Devices that the other node with this name brought, and how many of them fell silent."""

    node: str
    devices: int
    silent: int


class SilentAge(msgspec.Struct, frozen=True):
    """Devices that installed the release at least `hours` ago, and how many of them were neither proven healthy nor
    heard of by that age. `earlier` are the same of the channel's releases before; `control` of devices outside
    the rollout, from their first start in the watch. `of_nodes`: those among `devices` that other nodes brought."""

    hours: float
    devices: int
    silent: int
    earlier_devices: int = 0
    earlier_silent: int = 0
    control_devices: int = 0
    control_silent: int = 0
    of_nodes: tuple[SilentOfNode, ...] = ()


class GuardStanding(msgspec.Struct, frozen=True, kw_only=True):
    """`evidence` is None for a channel that has, or had, no release under guard. `breakdowns` are by "cause",
    "platform", "os", "country" and "plugin". `deciding_ms` is the time of the vote with which the alarm began; the
    times are 0 where there is none. `full`: a limit keeps further devices from being counted. `lost` devices have no
    vote: their first report came before the note of their check, and found no place to wait. `counts_anew`: the counts
    were damaged and are made again from what the node still has. `crowded`: no watch goes on, and if there is a release
    to watch, as many others as a node can count leave no room for it."""

    evidence: Evidence | None = None
    bundle: str = ""
    ended_ms: int = 0
    series: list[SeriesPoint] = []
    breakdowns: dict[str, list[BreakdownRow]] = {}
    networks: int = 0
    worst_networks: list[tuple[int, int]] = []  # attempts and failures of the two that are left out
    capped: int = 0
    silence: list[SilentAge] = []
    first_offer_ms: int = 0
    first_failure_ms: int = 0
    deciding_ms: int = 0
    full: bool = False
    lost: int = 0
    counts_anew: bool = False
    crowded: bool = False
