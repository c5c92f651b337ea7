"""One device's vote on one release under guard: what is known of it, and when it counts in which test. Pure.

`tests` holds five masks of the book's tests, by their index: those whose scope the device is in, those in which it is
an attempt, those in which that attempt is counted, those in which it failed, and those in which it is counted in its
epoch too. What counts is decided once, when it arrives, and stays.
"""

import enum
from collections.abc import Sequence

from edge.domain.guard_policy import GuardMetric
from edge.domain.guarding.odds.alpha import TESTS_LIMIT
from edge.domain.guarding.plan import GuardTest


class Told(enum.IntFlag):
    """What is known of the device and the bundle. A bit once set stays, unless a new attempt begins."""

    OFFERED = 1  # by a node, in this watch
    SET = 2
    FAILED_BOOT = 4
    FAILED_INSTALL = 8
    CRASHED = 16  # after its `set`
    ERRED = 32  # likewise
    EARLIER = 64  # its attempt began before the watch: only another `set` is one of this watch
    TELLS_CRASHES = 128
    TELLS_ERRORS = 256
    KNOWN = 512  # for a day before the watch began
    LOST = 1024  # it reported before the note of its check, and that found no place: nothing of it counts


OFFERED, SET, BOOT, INSTALL = (int(each) for each in (Told.OFFERED, Told.SET, Told.FAILED_BOOT, Told.FAILED_INSTALL))
CRASHED, ERRED, EARLIER = int(Told.CRASHED), int(Told.ERRED), int(Told.EARLIER)
KNOWN, LOST = int(Told.KNOWN), int(Told.LOST)
OF_DEVICE = int(Told.TELLS_CRASHES | Told.TELLS_ERRORS | Told.KNOWN)
OF_ATTEMPT = SET | BOOT | INSTALL | CRASHED | ERRED

_OF_OFFER = OFFERED | SET | BOOT | INSTALL | EARLIER | LOST

_WIDTH = TESTS_LIMIT + 1  # with the count that is shown where every test is against the control
MASK = (1 << _WIDTH) - 1
# Shifts within `tests`; the scope has 0.
ENTERED, COUNTED, FAILED, IN_EPOCH = _WIDTH, 2 * _WIDTH, 3 * _WIDTH, 4 * _WIDTH

_FAILS = {
    GuardMetric.UPDATE_FAIL: BOOT,
    GuardMetric.INSTALL_FAIL: INSTALL,
    GuardMetric.CRASH: CRASHED,
    GuardMetric.ERROR: ERRED,
}


class Vote:
    """`net` and `node` (its number in the watch) are those of the report with which it became an attempt, `node` until
    then that of the first note of it; `epoch` is that attempt's, `cohort` and `cause` are
    numbers of words. Times are in milliseconds, 0 where there is none; `spoke_ms` is when the device first showed after
    its `set` that it lives."""

    __slots__ = (
        "bits", "cause", "changed", "cohort", "epoch", "failed_ms", "key", "net", "node", "offered_ms", "set_ms",
        "spoke_ms", "tests",
    )  # fmt: skip

    def __init__(self, key: int, node: int = 0) -> None:
        self.key, self.node = key, node
        self.net = self.bits = self.tests = self.epoch = self.cohort = self.cause = 0
        self.offered_ms = self.set_ms = self.failed_ms = self.spoke_ms = 0
        self.changed = False

    @classmethod
    def of_row(cls, row: Sequence[int]) -> "Vote":
        """The columns of the table after `watch`."""
        vote = cls(row[0])
        (
            vote.net, vote.bits, vote.tests, vote.epoch, vote.cohort, vote.cause, vote.offered_ms, vote.set_ms,
            vote.failed_ms, vote.spoke_ms, vote.node,
        ) = row[1:]  # fmt: skip
        return vote

    def row(self, watch: int) -> tuple[int, ...]:
        return (
            watch, self.key, self.net, self.bits, self.tests, self.epoch, self.cohort, self.cause, self.offered_ms,
            self.set_ms, self.failed_ms, self.spoke_ms, self.node,
        )  # fmt: skip

    @property
    def is_pending(self) -> bool:
        """It reported, and was not offered the bundle as far as is known: the note of its check may come later."""
        return not self.bits & (OFFERED | EARLIER)

    def begin_again(self) -> None:
        """After an attempt that began before the watch."""
        self.bits &= ~(EARLIER | OF_ATTEMPT)
        self.set_ms = self.failed_ms = self.spoke_ms = self.cause = self.net = 0


def is_waited_for(bits: int) -> bool:
    """The device was offered the bundle in this watch, and has not told what became of that."""
    return bits & _OF_OFFER == OFFERED


def is_attempt(test: GuardTest, bits: int) -> bool:
    """Of a vote in the test's scope: see `plan`."""
    if test.known:
        return bool(bits & OFFERED)
    match test.metric:
        case GuardMetric.UPDATE_FAIL:
            return bool(bits & (SET | BOOT))
        case GuardMetric.INSTALL_FAIL:
            return bool(bits & (SET | BOOT | INSTALL))
        case GuardMetric.CRASH:
            return bool(bits & SET and bits & Told.TELLS_CRASHES)
        case GuardMetric.ERROR:
            return bool(bits & SET and bits & Told.TELLS_ERRORS)


def has_failed(test: GuardTest, bits: int) -> bool:
    """Of an attempt."""
    return bool(bits & _FAILS[test.metric])


def scope_of(plan: Sequence[GuardTest], segments: Sequence[str], *, is_known: bool) -> int:
    """The mask of the tests whose scope a device is in; those against the control have no votes."""
    mask = 0
    for index, test in enumerate(plan):
        in_scope = is_known if test.known else not test.segment or test.segment in segments
        if in_scope and not test.versus_control:
            mask |= 1 << index
    return mask
