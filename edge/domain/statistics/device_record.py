"""What is kept of one device: when it was heard of, its session, and how far it came with each bundle. Pure.

Times are in milliseconds; `_ms` by the node's clock, `_at` by the device's, 0 where it did not tell. Cohorts and
bundles are numbers here, whatever gives them out.
"""

from collections.abc import Set

CLOCKS_AGREE_MS = 31 * 86_400_000  # reports may wait on a device for so long; beyond, it is its clock that was set
DAYS_KEPT = 31  # bits of days: enough for retention after 30


class StepRecord:
    """One device with one bundle. `cause` is the number of the action that told the first failure."""

    __slots__ = (
        "bits", "cause", "cohort", "download_at", "download_ms", "failed_ms", "healthy_ms", "offered_ms",
        "set_ms", "started_at", "started_ms", "word_first", "word_last",
    )  # fmt: skip

    def __init__(self, cohort: int) -> None:
        self.cohort = cohort
        self.bits = 0
        self.cause = 0
        self.offered_ms = self.failed_ms = self.healthy_ms = self.set_ms = 0
        self.word_first = self.word_last = 0  # minutes; 0: it never said that it runs the bundle
        self.started_ms = self.started_at = 0
        self.download_ms = self.download_at = 0

    def begin_download(self, ms: int, at: int) -> None:
        """By the first report of it."""
        if not self.download_ms:
            self.download_ms, self.download_at = ms, at


class DayOfUse:
    """What a batch says of a device on one day, for the facts that follow from behaviour."""

    __slots__ = ("delay_hours", "errors", "features", "install_seconds", "reports_errors", "seconds", "sessions")

    def __init__(self) -> None:
        self.sessions = self.errors = 0
        self.seconds: float | None = None  # of the sessions that ended
        self.features: set[str] | None = None  # None: the app sent no events of its own
        self.reports_errors = False
        self.delay_hours: float | None = None  # of an update that was set
        self.install_seconds: float | None = None


class DeviceRecord:
    """`steps` has what is known of the batch's bundles; `own` are the bundles that the app has or had, whose steps are
    kept. `ability`: what its reports can tell (`generations`); `capable`: its crashes become known.
    `followed`: what it does is kept, not only counted."""

    __slots__ = (
        "ability", "app", "began_at", "began_ms", "bundle", "bundle_ms", "capable", "capable_day", "cohort",
        "crash_day", "crash_told", "custom", "days", "ended_bundle", "ended_cohort", "ended_ms", "error_day", "errors",
        "first_cohort", "first_ms", "followed", "group", "heard_in", "is_open", "key", "last_ms", "length", "offer_ms",
        "offered", "own", "quiet_at", "quiet_ms", "steps", "told_at", "told_ms", "told_seconds", "uses",
    )  # fmt: skip

    def __init__(self, app: int, key: int, own: Set[int]) -> None:
        self.app, self.key, self.own = app, key, own
        self.cohort = self.group = self.first_cohort = 0
        self.ability = 0
        self.capable = False
        self.followed = bool(key)
        self.first_ms = self.last_ms = 0
        self.days = 0  # bit i: heard of i days before the day of `last_ms`
        self.bundle = self.bundle_ms = 0
        self.custom = 0
        self.offered = self.offer_ms = 0  # the bundle that was offered last
        self.is_open = self.crash_told = False  # a session; a crash of it
        self.began_ms = self.began_at = self.quiet_ms = self.quiet_at = self.told_ms = self.told_at = 0
        self.told_seconds = 0.0  # of the session's length, what facts of behaviour have already
        self.length = 0.0  # seconds of the session that ended last, with where it was counted
        self.ended_ms = self.ended_cohort = self.ended_bundle = 0
        self.error_day = self.errors = self.crash_day = self.capable_day = 0
        self.steps: dict[int, StepRecord] = {}
        self.heard_in: tuple[int, int, int] | None = None  # hour, group and bundle that were told in this batch
        self.uses: dict[int, DayOfUse] = {}  # by day, what behaviour follows from

    def step(self, bundle: int) -> StepRecord | None:
        """None for a bundle whose steps are not kept."""
        found = self.steps.get(bundle)
        if found is None and bundle in self.own:
            found = self.steps[bundle] = StepRecord(self.cohort)
        return found


def elapsed_ms(from_ms: int, from_at: int, to_ms: int, to_at: int) -> int:
    """By the device's clock where both times have it, it did not go back, and it agrees with the node's within
    `CLOCKS_AGREE_MS`; else by the node's."""
    by_node = to_ms - from_ms
    by_device = to_at - from_at if from_at and to_at else -1
    return by_device if by_device >= 0 and -CLOCKS_AGREE_MS <= by_device - by_node <= CLOCKS_AGREE_MS else by_node
