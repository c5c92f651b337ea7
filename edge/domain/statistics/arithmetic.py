"""The rules of the figures: what follows from each thing that is heard of a device. Pure.

State goes in and is changed; what follows is told to `Tell`. The definitions are those of the page of definitions
(`definitions`). Times count by the node's clock; differences by the device's own where it told both.
"""

from collections.abc import Callable
from typing import Protocol

from edge.domain.statistics.device_record import DAYS_KEPT, DeviceRecord, StepRecord, elapsed_ms
from edge.domain.statistics.meanings import Meaning
from edge.domain.statistics.observation import Step
from edge.domain.statistics.subjects import (
    CRASH_CAPABLE,
    CRASHED,
    DOWNLOAD,
    DOWNLOAD_FAIL,
    ERROR,
    HEARD,
    SESSION,
    SESSION_CAPABLE,
    SESSION_CRASHED,
    SESSION_END,
    STEP,
    UPDATE,
)
from edge.domain.statistics.tally import DAY_MS, HOUR_MS, MINUTE_MS

SESSION_GAP_MS = 30 * 60_000  # in the background, or silent and then started again: another session
SESSION_LIMIT_MS = 24 * HOUR_MS  # one that is said to last longer counts as this long
SETTLED_MS = 30_000  # after its latest start an event proves that a bundle works
ERRORS_A_DAY = 100  # of one device: more come from one loop, and would hide what everybody else has
# After an offer, a failed download is one of that bundle: the report names the bundle that runs.
DOWNLOAD_FAIL_MS = 24 * HOUR_MS
LAX_DOWNLOAD_FAIL_MS = 10 * MINUTE_MS  # of releases that report one also when there is no update
RETENTION_AGES = (1, 7, 30)  # days; 0 is the day itself

_RUNS, _START, _READY, _PROOF = (int(each) for each in (Meaning.RUNS, Meaning.START, Meaning.READY, Meaning.PROOF))
_SET, _RESET = int(Meaning.SET), int(Meaning.RESET)
_DOWNLOADED = int(Meaning.DOWNLOADED)
_FAILED_BOOT, _FAILED_INSTALL = int(Meaning.FAILED_BOOT), int(Meaning.FAILED_INSTALL)
_FOREGROUND, _BACKGROUND = int(Meaning.FOREGROUND), int(Meaning.BACKGROUND)
_CRASH, _ERROR, _OF_OFFER = int(Meaning.CRASH), int(Meaning.ERROR), int(Meaning.OF_OFFER)
_FAILED = _FAILED_BOOT | _FAILED_INSTALL
_OF_STEPS = _SET | _READY | _PROOF | _START | _DOWNLOADED | _FAILED

_INSTALLED, _HEALTHY, _REVERTED, _DOWNLOADED_STEP = (
    int(each) for each in (Step.INSTALLED, Step.HEALTHY, Step.REVERTED, Step.DOWNLOADED)
)
_OFFERED, _WORD = int(Step.OFFERED), int(Step.WORD)
_BOOT_STEP, _INSTALL_STEP = int(Step.FAILED_BOOT), int(Step.FAILED_INSTALL)


class Tell(Protocol):
    """Where what follows goes. `steps` are those that the device has come to with the bundle; `cohort` is another than
    the device's present one, if not 0."""

    def __call__(
        self, state: DeviceRecord, at_ms: int, bundle: int, subject: str, n: int = 1, value: float | None = None,
        steps: int = 0, cohort: int = 0,
    ) -> None: ...  # fmt: skip


class Retain(Protocol):
    """A device first heard of on `day` (of `state.first_ms`) was heard of `age` days later."""

    def __call__(self, state: DeviceRecord, day: int, age: int) -> None: ...


IsOlder = Callable[[int, int], bool]  # whether one bundle's version is below another's


class Arithmetic:
    """For one batch."""

    __slots__ = ("_is_older", "_retain", "_tell")

    def __init__(self, tell: Tell, retain: Retain, is_older: IsOlder) -> None:
        self._tell, self._retain, self._is_older = tell, retain, is_older

    def hear(self, state: DeviceRecord, at_ms: int, runs: int, said_ms: int | None = None) -> None:
        """A device was heard of; `runs` is the bundle that it says it runs, 0 if it did not say. It said so at
        `said_ms` or later, if that is not `at_ms`: what it has said since is its latest word."""
        said_ms = at_ms if said_ms is None else said_ms
        if runs != state.bundle and said_ms < state.bundle_ms:
            runs = 0
        day = at_ms // DAY_MS
        if not state.first_ms or day != state.last_ms // DAY_MS:
            self._note_day(state, at_ms, day)
        if at_ms > state.last_ms:
            state.last_ms = at_ms
        if state.capable and day > state.capable_day:
            state.capable_day = day
            self._tell(state, at_ms, runs or state.bundle, CRASH_CAPABLE)
        minute = at_ms // MINUTE_MS
        word = 0
        if runs and (runs != state.bundle or minute != state.bundle_ms // MINUTE_MS):
            word = self._note_word(state, at_ms, minute, runs)
        if runs and said_ms >= state.bundle_ms:
            state.bundle, state.bundle_ms = runs, said_ms
        place = (at_ms // HOUR_MS, state.group, runs or state.bundle)
        if word or place != state.heard_in:
            state.heard_in = place
            self._tell(state, at_ms, place[2], HEARD, 0, None, word)

    def offer(self, state: DeviceRecord, at_ms: int, bundle: int) -> None:
        """The node offered the bundle to the device."""
        if at_ms >= state.offer_ms:
            state.offered, state.offer_ms = bundle, at_ms
        step = state.step(bundle)
        if step is None or (step.offered_ms and step.offered_ms <= at_ms):
            return
        first = not step.offered_ms
        step.offered_ms = at_ms
        if not first:  # notes of two workers may come in another order
            return
        step.bits |= _OFFERED
        step.cohort = state.cohort
        self._tell(state, at_ms, bundle, STEP, 0, None, _OFFERED)
        if step.set_ms:  # the note of the offer came after the report
            self._tell(state, at_ms, bundle, UPDATE, 1, max(0, step.set_ms - at_ms) / 1000)

    def report(
        self, state: DeviceRecord, meaning: int, cause: int, ms: int, at: int, bundle: int, old: int, *, lax: bool
    ) -> int:
        """A device reported what has this meaning, of `bundle`; `old` is the bundle that ran before, 0 if it did not
        say. `cause` is the number of the action; `lax`: the release reports failures also without an offer. Returns the
        steps that follow. That a download begins is `StepRecord.begin_download`; the caller keeps `told_ms`."""
        steps = 0
        if meaning & (_SET | _RESET):
            self._note_way_back(state, ms, 0 if meaning & _RESET else bundle, old or state.bundle)
        if meaning & _OF_OFFER:
            self._note_failed_download(state, cause, ms, lax)
        elif meaning & _OF_STEPS:
            steps = self._note_steps(state, meaning, cause, ms, at, bundle)
        if meaning & _FOREGROUND:
            self._start_session(state, ms, at, bundle)
        elif meaning & _BACKGROUND:
            self._stop_session(state, ms, at, bundle)
        elif meaning & _CRASH:
            self._note_crash(state, ms, bundle)
        elif meaning & _ERROR:
            self.note_error(state, ms, bundle)
        return steps

    def note_error(self, state: DeviceRecord, ms: int, bundle: int) -> None:
        """Up to the limit of a day."""
        day = ms // DAY_MS
        if day > state.error_day:
            state.error_day, state.errors = day, 0
        state.errors += 1
        if state.errors <= ERRORS_A_DAY:
            self._tell(state, ms, bundle, ERROR)

    def _note_day(self, state: DeviceRecord, at_ms: int, day: int) -> None:
        if not state.first_ms:
            state.first_ms, state.first_cohort, state.days = at_ms, state.cohort, 1
            self._retain(state, day, 0)
            return
        last_day, first_day = state.last_ms // DAY_MS, state.first_ms // DAY_MS
        ahead = day - last_day
        if ahead > 0:
            state.days = (state.days << ahead | 1) & ((1 << DAYS_KEPT) - 1) if ahead < DAYS_KEPT else 1
        elif ahead > -DAYS_KEPT and not state.days >> -ahead & 1:  # a late record of a day before
            state.days |= 1 << -ahead
        else:
            return
        if day - first_day in RETENTION_AGES:
            self._retain(state, first_day, day - first_day)

    def _note_word(self, state: DeviceRecord, at_ms: int, minute: int, runs: int) -> int:
        step = state.step(runs)
        if step is None:
            return _WORD if at_ms >= state.bundle_ms else 0
        if not step.word_first or minute < step.word_first:
            step.word_first = minute
        step.word_last = max(step.word_last, minute)
        step.bits |= _WORD
        return _WORD

    def _note_steps(self, state: DeviceRecord, meaning: int, cause: int, ms: int, at: int, bundle: int) -> int:
        step = state.step(bundle)
        if step is None:
            return 0
        found = 0
        if meaning & _DOWNLOADED and not step.bits & _DOWNLOADED_STEP:
            found |= _DOWNLOADED_STEP
            if step.download_ms and not meaning & _SET:
                seconds = elapsed_ms(step.download_ms, step.download_at, ms, at) / 1000
                self._tell(state, ms, bundle, DOWNLOAD, 1, max(0.0, seconds))
        if meaning & _SET:
            found |= _INSTALLED
            if not step.set_ms:
                step.set_ms = ms
                if step.offered_ms:
                    self._tell(state, ms, bundle, UPDATE, 1, max(0, ms - step.offered_ms) / 1000)
        if meaning & _FAILED:
            found |= _BOOT_STEP if meaning & _FAILED_BOOT else _INSTALL_STEP
            _note_failure(step, found, cause, ms)
        step.bits |= found
        if _is_proof(step, meaning, ms, at):
            step.healthy_ms = ms
            step.bits |= _HEALTHY
            found |= _HEALTHY
        if meaning & _START and ms >= step.started_ms and (not at or at >= step.started_at):
            step.started_ms, step.started_at = ms, at
        return found

    def _note_failed_download(self, state: DeviceRecord, cause: int, ms: int, lax: bool) -> None:
        step = state.step(state.offered)
        if step is None or not 0 <= ms - state.offer_ms <= (LAX_DOWNLOAD_FAIL_MS if lax else DOWNLOAD_FAIL_MS):
            return
        _note_failure(step, _INSTALL_STEP, cause, ms)
        step.bits |= _INSTALL_STEP
        self._tell(state, ms, state.offered, DOWNLOAD_FAIL, 0, None, _INSTALL_STEP)

    def _note_way_back(self, state: DeviceRecord, ms: int, to: int, left: int) -> None:
        """`to` 0 is builtin."""
        step = state.steps.get(left)
        if step is None or to == left or not step.bits & _HEALTHY or step.bits & _REVERTED:
            return
        ran = state.steps.get(to)
        back = not to or self._is_older(to, left) or (ran is not None and 0 < ran.word_first < step.word_first)
        if back:
            step.bits |= _REVERTED
            self._tell(state, ms, left, STEP, 0, None, _REVERTED)

    def _start_session(self, state: DeviceRecord, ms: int, at: int, bundle: int) -> None:
        if state.is_open:
            if elapsed_ms(state.told_ms, state.told_at, ms, at) < SESSION_GAP_MS:
                return
        elif state.quiet_ms and elapsed_ms(state.quiet_ms, state.quiet_at, ms, at) < SESSION_GAP_MS:
            state.is_open = bool(state.began_ms)
            if state.ended_ms:  # it goes on: it will end again, later
                self._tell(
                    state, state.ended_ms, state.ended_bundle, SESSION_END, -1, -state.length, 0, state.ended_cohort
                )
                state.ended_ms = 0
            if state.is_open:
                return
        state.is_open, state.crash_told = True, False
        state.began_ms, state.began_at, state.ended_ms = ms, at, 0
        self._tell(state, ms, bundle, SESSION)
        if state.capable:
            self._tell(state, ms, bundle, SESSION_CAPABLE)

    def _stop_session(self, state: DeviceRecord, ms: int, at: int, bundle: int) -> None:
        state.quiet_ms, state.quiet_at = ms, at
        if not state.is_open:
            return
        state.is_open = False
        lasted = elapsed_ms(state.began_ms, state.began_at, ms, at)
        state.length = min(max(0, lasted), SESSION_LIMIT_MS) / 1000
        state.ended_ms, state.ended_bundle, state.ended_cohort = ms, bundle, state.cohort
        self._tell(state, ms, bundle, SESSION_END, 1, state.length)

    def _note_crash(self, state: DeviceRecord, ms: int, bundle: int) -> None:
        if not state.capable:
            return
        day = ms // DAY_MS
        if day > state.crash_day:
            state.crash_day = day
            self._tell(state, ms, bundle, CRASHED)
        if not state.crash_told:
            state.crash_told = True
            self._tell(state, ms, bundle, SESSION_CRASHED)


def _note_failure(step: StepRecord, found: int, cause: int, ms: int) -> None:
    step.failed_ms = min(step.failed_ms or ms, ms)
    if not step.cause or (found & _BOOT_STEP and not step.bits & _BOOT_STEP):
        step.cause = cause  # that it does not start says more than that a download failed once


def _is_proof(step: StepRecord, meaning: int, ms: int, at: int) -> bool:
    """That a bundle which was installed, and not yet proven, works."""
    if step.bits & (_INSTALLED | _HEALTHY) != _INSTALLED:
        return False
    if meaning & _READY:
        return True
    if not meaning & _PROOF or not step.started_ms:
        return False
    return elapsed_ms(step.started_ms, step.started_at, ms, at) >= SETTLED_MS
