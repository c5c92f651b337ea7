"""The figures that there are, each with its unit and its entry in DEFINITIONS.md; and one value of one of them.

Whoever shows a figure makes it here, so none is shown without a definition.
"""

import enum

import msgspec

PAGE = "/v1/definitions"  # where the control API serves DEFINITIONS.md


class Unit(enum.Enum):
    """What a figure's value counts."""

    DEVICES = "devices"
    SHARE = "share"  # 0 to 1
    SECONDS = "seconds"
    MINUTE = "minutes since the epoch"
    BYTES = "bytes"
    EVENTS = "events"
    SESSIONS = "sessions"
    DELIVERIES = "deliveries"
    PER_1000_SESSIONS = "per 1,000 sessions"
    PER_1000_DEVICES = "per 1,000 active devices"
    PER_1000_DEVICE_DAYS = "per 1,000 active devices and day"
    SUM = "sum of values"  # in the app's own unit
    PER_WEEK = "per week"


class Definition(enum.Enum):
    """A figure: its heading in DEFINITIONS.md, in small letters, and its unit."""

    MESSAGES_SENT = ("messages sent", Unit.DEVICES)
    MESSAGES_OPENED = ("messages opened", Unit.DEVICES)
    MESSAGE_EFFECT = ("what a message changed", Unit.SHARE)
    OFFERED = ("offered", Unit.DEVICES)
    DOWNLOADED = ("downloaded", Unit.DEVICES)
    INSTALLED = ("installed", Unit.DEVICES)
    HEALTHY = ("healthy", Unit.DEVICES)
    FAILED = ("failed", Unit.DEVICES)
    FAILED_INSTALL = ("failed to install", Unit.DEVICES)
    UNSETTLED = ("unsettled", Unit.DEVICES)
    WAITING = ("waiting", Unit.DEVICES)
    SILENT = ("silent", Unit.DEVICES)
    REVERTED = ("reverted", Unit.DEVICES)
    UNOFFERED = ("not offered by this node", Unit.DEVICES)
    SUCCESS_RATE = ("success rate", Unit.SHARE)
    HEALTHY_OF_OFFERED = ("healthy of offered", Unit.SHARE)
    CAUSES = ("causes of failure", Unit.DEVICES)
    ADOPTION = ("adoption", Unit.SHARE)
    TIME_TO_SHARE = ("time to a share", Unit.SECONDS)
    RUNNING = ("running", Unit.DEVICES)
    RUNNING_SHARE = ("share of active devices", Unit.SHARE)
    ACTIVE_DEVICES = ("active devices", Unit.DEVICES)
    CHECKS = ("checks", Unit.EVENTS)
    EVENTS = ("events", Unit.EVENTS)
    DELIVERIES = ("deliveries", Unit.DELIVERIES)
    DELIVERED_BYTES = ("delivered bytes", Unit.BYTES)
    REUSED_SHARE = ("reused share", Unit.SHARE)
    DOWNLOAD_SECONDS = ("download seconds", Unit.SECONDS)
    UPDATE_DELAY = ("update delay", Unit.SECONDS)
    SESSIONS = ("sessions", Unit.SESSIONS)
    SESSION_SECONDS = ("session length", Unit.SECONDS)
    ERRORS = ("errors per 1,000 sessions", Unit.PER_1000_SESSIONS)
    CRASH_FREE_DEVICES = ("crash-free devices", Unit.SHARE)
    CRASH_FREE_SESSIONS = ("crash-free sessions", Unit.SHARE)
    RETENTION = ("retention", Unit.SHARE)
    FEATURE_DEVICES = ("feature used", Unit.DEVICES)
    FEATURE_SHARE = ("feature share", Unit.SHARE)
    GIVEN_VALUE = ("given a value", Unit.DEVICES)
    GIVEN_SHARE = ("share of values", Unit.SHARE)
    APP_SECONDS = ("durations of the app", Unit.SECONDS)
    APP_VALUES = ("values of app events", Unit.SUM)
    OUTCOMES = ("outcomes", Unit.PER_1000_DEVICES)
    OUTCOME_CHANGE = ("outcomes before and after", Unit.PER_1000_DEVICE_DAYS)
    OUTCOME_VALUES = ("values of outcomes", Unit.SUM)
    UNMATCHED_OUTCOMES = ("unmatched outcomes", Unit.EVENTS)
    RELEASES_A_WEEK = ("releases a week", Unit.PER_WEEK)
    TAKEN_BACK = ("taken back", Unit.SHARE)
    FAILURE_TO_PAUSE = ("first failure to pause", Unit.SECONDS)
    FAILURE_TO_RECOVERY = ("first failure to recovery", Unit.SECONDS)

    def __init__(self, heading: str, unit: Unit) -> None:
        self.heading = heading
        self.unit = unit

    @property
    def anchor(self) -> str:
        """The address of its entry: the heading as Markdown makes an anchor of it."""
        kept = "".join(each for each in self.heading.lower() if each.isalnum() or each in " -")
        return f"{PAGE}#{kept.replace(' ', '-')}"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a figure, in `unit`; null: it is not known, and `unknown` says why. A share's `of` is how many there
    are in all. `definition` is where the control API says exactly what it is, and what it cannot know. `estimated`: the
    devices were not counted but estimated, within 2 %."""

    value: int | float | None
    unit: str
    definition: str
    of: int | None = None
    unknown: str = ""
    estimated: bool = False


def figure(
    what: Definition, value: float | None, *, of: int | None = None, unknown: str = "", estimated: bool = False
) -> Figure:
    """A value; None needs the reason in `unknown`."""
    assert (value is None) == bool(unknown)
    return Figure(
        value=value, unit=what.unit.value, definition=what.anchor, of=of, unknown=unknown, estimated=estimated
    )


def share(what: Definition, part: int, of: int, none: str) -> Figure:
    """`part` of `of`; not known, because of `none`, if that is 0."""
    return figure(what, part / of, of=of) if of else figure(what, None, of=0, unknown=none)
