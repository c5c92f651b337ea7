"""What an experiment shows, as values: found by the folding process, read by whatever shows it.

Rates are shares from 0 to 1, ratios how many times as much as in the first arm, times in milliseconds since the epoch.
Sentences are for people, in plain text; `ShownState` and the numbers are for programs.
"""

import enum

import msgspec


class ShownState(enum.Enum):
    """What can be said of one comparison."""

    MORE = "more"  # shown: more than in the first arm
    FEWER = "fewer"  # shown: fewer
    OPEN = "open"  # not shown yet; at this rate it could be, at `could_be_ms`
    NO_DIFFERENCE = "no_difference"  # none shown, nor will there be at this rate
    EARLY = "early"  # too few devices or events to say anything
    UNKNOWN = "unknown"  # no device in the experiment can tell of it
    DOUBTED = "doubted"  # the split is not as meant: nothing is compared


class MeasureKind(enum.Enum):
    """What is one device's number."""

    SHARE = "share"  # 0 or 1: compared by an exact interval of the ratio
    MEAN = "mean"  # any number: compared by confidence sequences


class ArmReading(msgspec.Struct, frozen=True, kw_only=True):
    """One arm. `share` is as people write it ("50%"), `devices` are those that checked since it began, by bucket,
    `installed` those of them that have its bundle. `windows`, `spread_seconds` and `segment` are its own, if it has."""

    name: str
    bundle: str
    share: str
    devices: int
    installed: int
    windows: tuple[str, ...] = ()
    spread_seconds: int = 0
    segment: str = ""
    value: str = ""  # of a feature, as JSON: its arms have no bundle


class SplitReading(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the devices of the arms are as many as their weights say. `odds` to 1 are against that; from `limit` on
    it is doubted, and nothing is compared."""

    doubted: bool
    odds: float
    limit: float
    sentence: str


class ArmFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one arm: of `devices` that can tell, `having` have it (a number above 0), `total` altogether.
    `value` is the share of them, or the mean of a device; None: there are none."""

    arm: str
    devices: int
    having: int
    total: float
    value: float | None


class RatioPoint(msgspec.Struct, frozen=True, kw_only=True):
    """As it was at that time. `high` None: without an end."""

    at_ms: int
    low: float
    high: float | None
    ratio: float | None


class ArmComparison(msgspec.Struct, frozen=True, kw_only=True):
    """An arm against the first one. `low` to `high` is the interval of the ratio, valid at every look; `high` None:
    without an end, both None: nothing to show yet. `rules_out` is what is ruled out when no difference is shown: 0.74
    is more than +74 %. `says` is a few words, `more` what follows them, `sentence` all of it."""

    arm: str
    against: str
    state: ShownState
    ratio: float | None
    low: float | None
    high: float | None
    difference_low: float | None = None  # of the values, in the measure's unit; of means alone
    difference_high: float | None = None
    rules_out: float | None = None
    could_be_ms: int | None = None
    says: str
    more: str = ""
    sentence: str
    series: tuple[RatioPoint, ...] = ()


class MeasureReading(msgspec.Struct, frozen=True, kw_only=True):
    """One measure. `id` is as it was asked for ("failed", "event:checkout", "installed:24h"); `title` and `unit` ("of
    devices", "a device") are for people, `better` is "more", "fewer" or "" where neither is. `note` says what it
    cannot know. `figures` are by arm, `comparisons` of each arm but the first."""

    id: str
    title: str
    kind: MeasureKind
    unit: str
    better: str
    note: str = ""
    figures: tuple[ArmFigure, ...]
    comparisons: tuple[ArmComparison, ...]


class ExperimentReading(msgspec.Struct, frozen=True, kw_only=True):
    """All of one experiment as of `as_of_ms`, the last count. `sentence` is what it says, in one or two sentences;
    `kind` is "releases", "timing" or "criteria"; `ended_ms` None: it runs. `comparisons` are made, each at
    `confidence`, so that all of them hold together at 95 %. `notes` are what a reader has to know, such as what else
    differs between arms of timing."""

    app: str
    channel: str
    id: str
    name: str
    kind: str
    question: str
    segment: str
    began_ms: int
    ended_ms: int | None
    as_of_ms: int
    sentence: str
    arms: tuple[ArmReading, ...]
    split: SplitReading
    measures: tuple[MeasureReading, ...]
    comparisons: int
    confidence: float
    notes: tuple[str, ...] = ()
