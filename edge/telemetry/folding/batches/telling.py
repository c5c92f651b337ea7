"""Where what follows from a batch goes: sums, sketches, histograms, the facts of behaviour, another database."""

from collections.abc import Iterator
from typing import Any

from edge.domain.behaviour.daily_counts import Use
from edge.domain.statistics.device_record import DayOfUse, DeviceRecord
from edge.domain.statistics.observation import Cohort, Observation, Step
from edge.domain.statistics.subjects import DOWNLOAD, ERROR, SESSION, SESSION_END, UPDATE
from edge.domain.statistics.tally import DAY_MS, HOUR_MS, Tally
from edge.telemetry.folding.batches.folded_lines import ToldEvent
from edge.telemetry.folding.batches.gathering import DeviceWork, ToldThere
from edge.telemetry.folding.figures_store import Retentions
from edge.telemetry.folding.label_numbers import LabelNumbers
from edge.telemetry.push.push_counting import DeviceHeard, PushCounting
from edge.telemetry.push.told_words import encode_told
from edge.telemetry.trials.trial_counting import TrialCounting
from edge.wire.actions import OF_NODE, OF_RUNNING

_HOUR_SECONDS = 3_600
_OF_USE = frozenset({SESSION, SESSION_END, ERROR, UPDATE, DOWNLOAD})


class Telling:
    """Of one batch. `observations` is None unless they are wanted one by one."""

    def __init__(self, numbers: LabelNumbers, trials: TrialCounting, push: PushCounting, *, observe: bool) -> None:
        self.tally = Tally()
        self.retentions = Retentions(int)
        self.observations: list[Observation] | None = [] if observe else None
        self.trials = trials
        self._push = push
        self._numbers = numbers

    def tell(
        self, state: DeviceRecord, at_ms: int, bundle: int, subject: str, n: int = 1, value: float | None = None,
        steps: int = 0, cohort: int = 0,
    ) -> None:  # fmt: skip
        """The `Tell` of the arithmetic."""
        numbered = self._numbers.subject(state.app, subject)
        labels = self._numbers.labels_of(cohort) if cohort else None
        key = (state.app, labels.group if labels else state.group, bundle, numbered.number)
        if n or value is not None:
            self.tally.add(at_ms, key, n, value)
        if numbered.is_sketched and state.key:
            self.tally.note_device(at_ms, key, state.key)
        if numbered.is_spread and value is not None:
            self.tally.note_value(at_ms, key, abs(value), n)
        if self.trials.apps:
            self.trials.note(state, at_ms, subject, n, value)
        if self._push.apps:
            self._push.note(state, at_ms, subject, n)
        if subject in _OF_USE:
            _note_use(state, at_ms // DAY_MS, subject, n, value)
        if self.observations is not None:
            self.observe(state, at_ms, bundle, subject, n, value, steps, cohort or state.cohort)

    def enter(self, state: DeviceRecord, at_ms: int, told: Cohort, runs: int) -> None:
        """A device checked whose note has these labels, and runs this bundle, 0: it did not say."""
        if state.app in self.trials.apps:
            self.trials.enter(state, at_ms, told, runs)

    def hear(self, state: DeviceRecord, at_ms: int, net: int) -> None:
        """A device reported from this network."""
        if self.trials.apps:
            self.trials.hear(state, at_ms, net)

    def retain(self, state: DeviceRecord, day: int, age: int) -> None:
        """The `Retain` of the arithmetic."""
        self.retentions[state.app, day, age, self._numbers.labels_of(state.first_cohort).group] += 1

    def count(self, at_ms: int, app: int, cohort: int, bundle: int, subject: str, n: int, value: float | None) -> None:
        """What happened to no device in particular."""
        key = (app, self._numbers.labels_of(cohort).group, bundle, self._numbers.subject(app, subject).number)
        self.tally.add(at_ms, key, n, value)
        if self.observations is not None:
            words = self._numbers.words
            labels = self._numbers.labels_of(cohort).cohort
            self.observations.append(
                Observation(at_ms, words.word(app), 0, labels, words.word(bundle), subject, n, value)
            )

    def observe(
        self, state: DeviceRecord, at_ms: int, bundle: int, subject: str, n: int, value: float | None, steps: int,
        cohort: int,
    ) -> None:  # fmt: skip
        """One more for another database."""
        assert self.observations is not None
        words = self._numbers.words
        labels = self._numbers.labels_of(cohort).cohort if cohort else Cohort()
        name = words.word(bundle) if bundle else ""
        self.observations.append(
            Observation(at_ms, words.word(state.app), state.key, labels, name, subject, n, value, Step(steps))
        )


def use_of(state: DeviceRecord, day: int) -> DayOfUse:
    found = state.uses.get(day)
    if found is None:
        found = state.uses[day] = DayOfUse()
    return found


def uses_of(app: str, state: DeviceRecord) -> Iterator[Use]:
    """What behaviour follows from, by day."""
    for day, use in sorted(state.uses.items()):
        updated = use.delay_hours is not None or use.install_seconds is not None
        more: dict[str, Any] = {"update_day": day} if updated else {}
        yield Use(
            app,
            state.key,
            day,
            sessions=use.sessions,
            errors=use.errors,
            session_seconds=use.seconds,
            features=None if use.features is None else tuple(sorted(use.features)),
            reports_errors=use.reports_errors,
            update_delay_hours=use.delay_hours,
            install_seconds=use.install_seconds,
            **more,
        )


def _note_use(state: DeviceRecord, day: int, subject: str, n: int, value: float | None) -> None:
    use = use_of(state, day)
    if subject == SESSION:
        use.sessions += n
        state.told_seconds = 0.0
    elif subject == SESSION_END and n > 0:  # a session that went on ended before: only what came since is new
        use.seconds = (use.seconds or 0.0) + (value or 0.0) - state.told_seconds
        state.told_seconds = value or 0.0
    elif subject == UPDATE:
        use.delay_hours = (value or 0.0) / _HOUR_SECONDS
    elif subject == DOWNLOAD:
        use.install_seconds = value
    elif subject == ERROR:
        use.errors += n


def heard_of(work: DeviceWork) -> DeviceHeard:
    """When it was heard of, and what it says of itself, for messages; without what the node says of it."""
    hours, last = set[int](), None
    for item in work.items:
        if isinstance(item, ToldThere):
            if item.events[0].action in OF_NODE:
                continue
            last = next((each for each in reversed(item.events) if each.action in OF_RUNNING), last)
        hours.add(item.at_ms // HOUR_MS)
    return DeviceHeard(work.key, hours, _told(last) if last is not None else "")


def _told(event: ToldEvent) -> str:
    return encode_told(
        *(event.platform, event.version, event.native, event.plugin, event.os),
        is_prod=event.is_prod is not False,
        is_emulator=bool(event.is_emulator),
        is_reset=event.action == "reset",
        channel=event.default_channel,
        source=event.install_source,
        key_id=event.key_id,
    )
