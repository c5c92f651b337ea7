"""What a question about an app is asked with, and its answer: the Structs that travel to the control API."""

import msgspec

from edge.domain.statistics.curves import Adoption
from edge.domain.statistics.definitions import Figure
from edge.domain.statistics.figures import QualityFigures, QuantileFigure, ReleaseFigures, RetentionFigure


class StatsQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in milliseconds since the epoch; "" is any. `by` is one of BYS, or "". `points` are of the curve.
    `bundle_bytes` is what a device without any of its files downloads, 0: not known."""

    app: str
    since_ms: int
    until_ms: int
    bundle: str = ""
    channel: str = ""
    segment: str = ""
    platform: str = ""
    by: str = ""
    points: int = 60
    bundle_bytes: int = 0


class BundleFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that active devices run now, or ran or were offered in the time: how many run it, and which share of the
    active devices they are. "" is of devices that never said what they run: `release` is null."""

    bundle: str
    running: Figure
    share: Figure
    release: ReleaseFigures | None


class FailureFigure(msgspec.Struct, frozen=True, kw_only=True):
    """Devices that failed with this cause (an action) on a platform and version of its system. The model of a device is
    in no report."""

    cause: str
    platform: str
    version_os: str
    devices: Figure


class TransferFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Downloads: what the node sent, and what devices say of the time."""

    complete: Figure
    cut: Figure
    bytes: Figure
    reused_share: Figure
    seconds: list[QuantileFigure]
    update_delay: list[QuantileFigure]


class ActivityFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Who used the app, and how. `development` are emulators and builds that are not for production, which are in no
    other figure."""

    active: Figure
    development: Figure
    checks: Figure
    quality: QualityFigures
    session_seconds: list[QuantileFigure]


class FeatureFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One name of the app's own events. `kind` is feature, screen, error, duration or purchase, or exposure: devices
    that were given this variant of a feature that is noted, "<feature>/<variant>"."""

    name: str
    kind: str
    events: Figure
    devices: Figure
    share: Figure
    value: Figure
    seconds: list[QuantileFigure]


class OutcomeFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of outcome that the team imported. `unmatched` are those of devices that the node never heard of, which
    are in no other figure."""

    name: str
    events: Figure
    per_1000: Figure
    value: Figure
    unmatched: Figure


class OutcomeChange(msgspec.Struct, frozen=True, kw_only=True):
    """How often the outcome came in one segment ("" is all devices): `before` the bundle was first offered, as many
    days as since then; `with_bundle` since then, of devices that ran the bundle; `without` of the others."""

    name: str
    segment: str
    before: Figure
    with_bundle: Figure
    without: Figure


class BundleReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one bundle. The most frequent failures are there, and `more_failures` rows are not;
    `more_outcome_changes` likewise."""

    bundle: str
    release: ReleaseFigures
    adoption: Adoption
    failures: list[FailureFigure]
    more_failures: int
    outcome_changes: list[OutcomeChange]
    more_outcome_changes: int


class StatsRow(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one label or period. `name` is what people call the side or arm that `label` identifies; "" for
    any other label, and for a rollout or experiment that its channel no longer has. `at` is when the period begins, in
    seconds since the epoch; null: it is no period. What is not known by this label is null."""

    label: str
    name: str
    at: int | None
    active: Figure
    quality: QualityFigures | None
    release: ReleaseFigures | None
    running: Figure | None


class StatsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of an app from `since` until `until`, in seconds since the epoch. Sums are of whole hours, beyond two
    days of whole days (UTC): `counted_since` is where they begin. `report` is null without a bundle, `rows` are empty
    without `by`. Of long lists the most used are there: `more_…` is how many are not."""

    app: str
    since: int
    until: int
    counted_since: int
    activity: ActivityFigures
    transfers: TransferFigures
    retention: list[RetentionFigure]
    bundles: list[BundleFigures]
    more_bundles: int
    features: list[FeatureFigure]
    more_features: int
    outcomes: list[OutcomeFigure]
    more_outcomes: int
    report: BundleReport | None
    rows: list[StatsRow]
    more_rows: int
