"""What an experiment can measure of each device, by the names that people use. Pure.

Each is one number a device: whether something happened (a share of the arm's devices), or how much (a mean). A device
has it from its first check in the experiment on, by its arm, whatever it installed.
"""

import re
from collections.abc import Sequence
from functools import partial

import msgspec

from edge.domain.comparing.reading import MeasureKind
from edge.domain.errors import Invalid
from edge.domain.model import Arm
from edge.domain.schedule.durations import parse_duration

MEASURES_LIMIT = 8  # of one experiment: each more makes all intervals wider, since alpha is split over them
MEASURE_LIMIT = 80  # characters: the kind, and a name of an app's own event
WITHIN_LIMIT_DAYS = 30  # until a device counts; an experiment that waits longer is no experiment
_WITHIN_DEFAULT = "24h"

FAILED, CRASHED, ERRED, INSTALLED, SESSIONS, ERRORS = "failed", "crashed", "erred", "installed", "sessions", "errors"
INSTALL_FAILED, INSTALL_TIME = "install_failed", "install_time"
OWN_EVENT, OWN_OUTCOME, OWN_VALUE = "event", "outcome", "value"

RELEASE_MEASURES = (FAILED, CRASHED, ERRORS, SESSIONS, INSTALLED)
FEATURE_MEASURES = (CRASHED, ERRORS, SESSIONS)
TIMING_MEASURES = (f"{INSTALLED}:{_WITHIN_DEFAULT}", f"{INSTALL_TIME}:{_WITHIN_DEFAULT}", FAILED)

_NAME = re.compile(r"[A-Za-z0-9_./-][A-Za-z0-9_./ -]{0,63}", re.ASCII)  # as the app's own events are named
_SHARE, _MEAN = MeasureKind.SHARE, MeasureKind.MEAN
_CRASH_NOTE = "Android 11 and newer; iOS sends no crashes"
_INSTALL = "download, verification or unpacking failed"
_ERROR_NOTE = "at most 100 a day of one device; plugins before 8.46, 7.50.1, 6.50.1 and 5.50.1 send none"
_PLAIN = {  # kind, title, noun, topic, better, note
    FAILED: (_SHARE, "Fails to start", "devices on which it fails to start", "failing to start", "fewer", ""),
    INSTALL_FAILED: (
        _SHARE,
        "Cannot install",
        "devices that cannot install it",
        "failing to install",
        "fewer",
        _INSTALL,
    ),
    CRASHED: (_SHARE, "Crashes", "devices with a crash", "crashes", "fewer", _CRASH_NOTE),
    ERRED: (
        _SHARE,
        "Has unhandled errors",
        "devices with an unhandled error",
        "having unhandled errors",
        "fewer",
        _ERROR_NOTE,
    ),
    INSTALLED: (_SHARE, "Has its bundle", "devices that have its bundle", "having its bundle", "more", ""),
    SESSIONS: (_MEAN, "Sessions", "sessions a device", "sessions", "more", ""),
    ERRORS: (_MEAN, "Unhandled errors", "unhandled errors a device", "unhandled errors", "fewer", _ERROR_NOTE),
}


class OwnCount(msgspec.Struct, frozen=True, array_like=True):
    """What an arm's own figure is of, where it is not what is compared."""

    devices: int
    having: int
    total: float


class ArmMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one arm, a number for each device: of how many devices it is, how many have a number above 0, the
    sum of the numbers, and that of the squares of what each is off their mean.

    `capped` of the devices are beyond the cap of their network: each of them has `floor` as its number, whatever it
    reported. `had` more are not compared: they ran the bundle of some arm when they came in, `own_had` of them this
    arm's, so that it has nothing to install on them."""

    arm: str
    devices: int
    having: int
    total: float
    deviations: float
    capped: int = 0
    floor: float = 0.0
    had: int = 0
    own_had: int = 0
    own: OwnCount | None = None


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """`what` is one of the words above, `noun` and `topic` what sentences call
    those that have it and itself, `name` that of the app's own event,
    `within_seconds` how long after its first check a device counts, 0: at once."""

    id: str
    what: str
    kind: MeasureKind
    title: str
    noun: str
    topic: str
    better: str = ""
    note: str = ""
    name: str = ""
    within_seconds: int = 0

    @property
    def installs(self) -> bool:
        """Whether it is about installing a bundle, which not every arm does on every device."""
        return self.what in (FAILED, INSTALL_FAILED, INSTALLED, INSTALL_TIME)

    @property
    def of_attempts(self) -> bool:
        """Whether an arm's own figure is of the devices that tried to install its bundle."""
        return self.what in (FAILED, INSTALL_FAILED)

    @property
    def unit(self) -> str:
        """What follows its value."""
        if self.of_attempts:
            return "of attempts"
        if self.kind is _SHARE:
            return "of devices"
        return "hours" if self.what == INSTALL_TIME else "a device"


def kind_of_arms(arms: Sequence[Arm]) -> str:
    """What differs between them: "features", "criteria", "timing" or "releases"."""
    if any(arm.value for arm in arms):
        return "features"
    if any(arm.segment is not None for arm in arms):
        return "criteria"
    return "timing" if any(arm.windows or arm.spread_seconds for arm in arms) else "releases"


def usual_measures(arms: Sequence[Arm]) -> tuple[str, ...]:
    """What an experiment measures that does not say."""
    kinds = {"timing": TIMING_MEASURES, "features": FEATURE_MEASURES}
    return kinds.get(kind_of_arms(arms), RELEASE_MEASURES)


def parse_measure(text: str) -> Measure:
    """`failed`, `crashed`, `errors`, `erred`, `sessions`, `installed`, `install_failed`, `installed:24h`,
    `install_time:24h`, `event:NAME`, `outcome:NAME` or `value:NAME`. Raises Invalid `invalid_measure`."""
    what, _, rest = text.partition(":")
    if len(text) > MEASURE_LIMIT:
        raise _refused(text, f"longer than {MEASURE_LIMIT} characters")
    if not rest and text in _PLAIN:
        kind, title, noun, topic, better, note = _PLAIN[text]
        return Measure(id=text, what=text, kind=kind, title=title, noun=noun, topic=topic, better=better, note=note)
    if what in (INSTALLED, INSTALL_TIME):
        return _within(text, what, rest or _WITHIN_DEFAULT)
    if what in (OWN_EVENT, OWN_OUTCOME, OWN_VALUE) and rest:
        if _NAME.fullmatch(rest) is None:
            raise _refused(text, "not the name of an event: up to 64 letters, digits, '_', '.', '/', '-' and spaces")
        return _own(text, what, rest)
    known = (*_PLAIN, "installed:24h", "install_time:24h", "event:NAME", "outcome:NAME", "value:NAME")
    raise _refused(text, f"use one of {', '.join(known)}")


def parse_measures(given: tuple[str, ...]) -> tuple[Measure, ...]:
    """Each once. Raises Invalid `invalid_measure`, `too_many_measures`."""
    found = tuple({each.id: each for each in map(parse_measure, given)}.values())
    if len(found) > MEASURES_LIMIT:
        message = f"an experiment can have at most {MEASURES_LIMIT} measures: each more widens the intervals of all"
        raise Invalid("too_many_measures", message)
    return found


def _within(text: str, what: str, duration: str) -> Measure:
    seconds = parse_duration(duration)
    if not 0 < seconds <= WITHIN_LIMIT_DAYS * 86_400:
        raise _refused(text, f"a device must count after 1s to {WITHIN_LIMIT_DAYS}d")
    words = _words(seconds)
    note = f"of devices that have been in it for {words}"
    found = partial(Measure, id=f"{what}:{duration}", what=what, within_seconds=seconds)
    if what == INSTALLED:
        noun = f"devices that have its bundle within {words}"
        topic = f"having its bundle within {words}"
        title = f"Has its bundle within {words}"
        return found(kind=_SHARE, title=title, noun=noun, topic=topic, better="more", note=note)
    note += f"; who has not got it by then counts as {words}"
    title, noun = "Hours until it has its bundle", "time until a device has its bundle"
    return found(kind=_MEAN, title=title, noun=noun, topic="the time until it is there", better="fewer", note=note)


def _words(seconds: int) -> str:
    """`24 h`, `90 min`, `5 days`."""
    for unit, name in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds % unit == 0 and (seconds > unit or name != "days"):
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _own(text: str, what: str, name: str) -> Measure:
    found = partial(Measure, id=text, what=what, name=name)
    if what == OWN_VALUE:
        note, topic = f"the sum of the values of the app's events and outcomes called {name}", f"the value of {name}"
        return found(kind=_MEAN, title=f"Value of {name}", noun=f"{name} a device", topic=topic, note=note)
    note = f"the app's {what} {name}"
    return found(kind=_SHARE, title=name, noun=f"devices with {name}", topic=name, note=note)


def _refused(text: str, why: str) -> Invalid:
    return Invalid("invalid_measure", f"measure {text[:MEASURE_LIMIT]!r}: {why}")
