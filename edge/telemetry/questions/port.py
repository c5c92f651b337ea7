"""What can be asked of the figures: one port, whichever database adds the observations up.

Every implementation holds sums of the same observations (`edge/domain/statistics/observation.py`), so the same question
has the same answer; estimates of distinct devices differ by up to 2 %. All calls block and only read. Rows come sorted
by their labels, then by time. Numbers are counts unless their name has a unit; times are UTC. Every answer has at most
`ROWS_LIMIT` rows: beyond that TooManyFigures is raised.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from edge.domain.errors import Invalid
from edge.domain.statistics.observation import Step

ROWS_LIMIT = 20_000  # of one answer: 90 days by the hour for 9 labels; some 2 MB on their way to the asker
SUBJECTS_LIMIT = 32  # of one question, patterns included
HOUR_DAYS = 90  # for how long figures are kept by the hour
MINUTE_HOURS = 48  # for how long they are kept by the minute

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


RowLabels = tuple[str, ...]  # in the order of `by`


class TooManyFigures(Invalid):
    """The answer would have more than `ROWS_LIMIT` rows: `too_many_figures`."""


class Rollup(enum.Enum):
    """The rollup that is read, by the milliseconds of its periods."""

    MINUTE = MINUTE_MS  # the latest `MINUTE_HOURS`; by channel, bundle and subject alone, sums alone
    HOUR = HOUR_MS  # the latest `HOUR_DAYS`
    DAY = DAY_MS  # for ever


class By(enum.Enum):
    """A label that tells rows apart."""

    BUNDLE = "bundle"
    CHANNEL = "channel"
    SEGMENT = "segment"  # one row for each segment: a device in two is in both, a device in none is in the row ""
    PLATFORM = "platform"
    SIDE = "side"
    ARM = "arm"
    KIND = "kind"
    SUBJECT = "subject"  # of `sums` and `devices`
    OS = "os"  # this one and those below: of `steps`, `causes` and `heard_since`, of single devices
    COUNTRY = "country"
    PLUGIN = "plugin"
    REGION = "region"


class Where(NamedTuple):
    """Only what has these labels, as `Group` has them; "" is any. `segment`: is among its segments."""

    channel: str = ""
    segment: str = ""
    platform: str = ""
    bundle: str = ""
    side: str = ""
    arm: str = ""
    kind: str = "device"


class TimeSpan(NamedTuple):
    """From `since_ms` until before `until_ms`, in milliseconds since the epoch, of the rollup `rollup`.

    It takes whole periods: those that begin in it, and the one in which it begins (`first_period`).
    """

    since_ms: int
    until_ms: int
    rollup: Rollup = Rollup.HOUR

    @property
    def first_period(self) -> int:
        """The number of the first period, in periods since the epoch."""
        return self.since_ms // self.rollup.value

    @property
    def end_period(self) -> int:
        """The number of the first period after it."""
        return -(-self.until_ms // self.rollup.value)


class Sum(NamedTuple):
    """`labels` are in the order of `by`. `period_ms` is when the period begins, in milliseconds since the epoch; 0 for
    the whole span. `n` counts, `total` adds up values (seconds, bytes, money: see the subject)."""

    labels: tuple[str, ...]
    period_ms: int
    n: int
    total: float


class Estimate(NamedTuple):
    """Distinct devices: exact below some 1,000, beyond that within 2 %. Sums of it count devices twice."""

    labels: tuple[str, ...]
    period_ms: int
    devices: int


class Spread(NamedTuple):
    """How values are spread: how many fell in each bucket (`edge/domain/statistics`); a bucket is 4 % wide."""

    labels: tuple[str, ...]
    buckets: dict[int, int]


class Reached(NamedTuple):
    """How many devices have come exactly this far with a bundle. Exact."""

    labels: tuple[str, ...]
    steps: Step
    devices: int


class FailureCount(NamedTuple):
    """Devices that failed, by the action that told it (the first one of a device and bundle). Exact."""

    labels: tuple[str, ...]
    cause: str
    devices: int


class Turn(NamedTuple):
    """In this minute (since the epoch) so many devices first said that they run the bundle (`began`), and so many that
    have said another one since said it for the last time (`ended`). Exact."""

    minute: int
    began: int
    ended: int


class Heard(NamedTuple):
    """Devices, each counted once by its latest labels. Exact."""

    labels: tuple[str, ...]
    devices: int


class Retained(NamedTuple):
    """Of the devices first heard of on `day` (days since the epoch), so many were heard of `age` days later; age 0 has
    all of them. RowLabels are those of `day`. Exact."""

    labels: tuple[str, ...]
    day: int
    age: int
    devices: int


class Firsts(NamedTuple):
    """Minutes since the epoch in which something of a bundle happened first; None: it never did, or too long ago for
    single devices to be known."""

    offered: int | None
    failed: int | None


class Figures(Protocol):
    """Questions about one app. An unknown app or name has no rows.

    A subject that ends in `*` stands for all that begin so: "report:*". Rows are sums over everything that `by` does
    not name. All raise TooManyFigures, and Unavailable when the database cannot be asked.
    """

    def sums(
        self, app: str, subjects: Sequence[str], span: TimeSpan, where: Where, by: Sequence[By], *, each: bool = False
    ) -> list[Sum]:
        """What was counted; `each`: a row for every period that has something, else one for the span."""

    def devices(
        self, app: str, subjects: Sequence[str], span: TimeSpan, where: Where, by: Sequence[By], *, each: bool = False
    ) -> list[Estimate]:
        """Distinct devices with any of the subjects that have sketches (`heard`, `crashed`, `crash_capable`, `error`,
        `event:…`, `outcome:…`), by hour or day."""

    def durations(self, app: str, subject: str, span: TimeSpan, where: Where, by: Sequence[By]) -> list[Spread]:
        """Of `session_end`, `download`, `update` and `event:duration:…`, in seconds, by hour or day."""

    def steps(self, app: str, bundle: str, where: Where, by: Sequence[By]) -> list[Reached]:
        """How far devices have come with the bundle since it was first offered, by their labels at that moment."""

    def causes(self, app: str, bundle: str, where: Where, by: Sequence[By]) -> list[FailureCount]:
        """Of devices that failed to start the bundle or to install it, the most frequent first."""

    def words(self, app: str, bundle: str, where: Where) -> list[Turn]:
        """By minute: who runs the bundle, by what devices say, and by their latest labels, as `heard_since`. A device
        counts from the minute it began up to, not including, the one in which it ended."""

    def firsts(self, app: str, bundle: str, where: Where) -> Firsts:
        """When the bundle was first offered, and when it first failed."""

    def heard_since(self, app: str, since_ms: int, where: Where, by: Sequence[By]) -> list[Heard]:
        """Devices heard of at `since_ms` (milliseconds since the epoch) or later. `Where.bundle`: that run it now."""

    def retention(self, app: str, span: TimeSpan, where: Where, by: Sequence[By]) -> list[Retained]:
        """Of the days in the span, for the ages 0, 1, 7 and 30 that there are."""

    def totals(self) -> Mapping[str, int]:
        """Records of this node since the beginning: what was counted, dropped and why, as the audit shows it."""


def check_rows(count: int) -> None:
    """Raises TooManyFigures."""
    if count > ROWS_LIMIT:
        reason = f"more than {ROWS_LIMIT} rows: ask for a shorter time, or by fewer labels"
        raise TooManyFigures("too_many_figures", reason)
