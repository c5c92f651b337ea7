"""One app's names in a batch: each by its number, admitted by the limits."""

from collections.abc import Iterable, Set
from typing import NamedTuple

from edge.domain.model import BUILTIN
from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.meanings import MEANINGS
from edge.domain.statistics.observation import Cohort
from edge.domain.statistics.subjects import EVENT, OUTCOME, UNMATCHED_OUTCOME
from edge.domain.versions import VERSION_LIMIT
from edge.telemetry.folding.batches.told_cohort import ToldTraits, ability_told, cohort_of
from edge.telemetry.folding.label_numbers import LabelNumbers, SubjectNumber
from edge.telemetry.folding.labels import OTHER, LabelBounds
from edge.telemetry.folding.schema import subject_of
from edge.telemetry.folding.seen_reports import words_part
from edge.telemetry.folding.words import WordKind
from edge.wire.actions import ACTIONS, OF_NODE
from edge.wire.stats import bundle_of

NAMES_LIMIT = 200  # names of events of an app's own code, and as many of outcomes: first come, first served
_COUNTED = ACTIONS | OF_NODE


class ActionNumbers(NamedTuple):
    """An action's subject, that one's number, and the action's number as a cause."""

    number: int
    cause: int
    subject: str


class ToldAction(NamedTuple):
    """What counting an action of a version needs. `words` is its part of a report's key."""

    words: int
    number: int
    cause: int
    meaning: int
    subject: str


class ToldVersion(dict[str, ToldAction]):
    """The actions that devices report of a version, each made when it is first asked for."""

    __slots__ = ("_labels", "_version", "bundle")

    def __init__(self, labels: "AppLabels", version: str, bundle: int) -> None:
        self._labels, self._version, self.bundle = labels, version, bundle

    def __missing__(self, action: str) -> ToldAction:
        number, cause, subject = self._labels.action(action)
        words = words_part(action, self._version)
        found = self[action] = ToldAction(words, number, cause, int(MEANINGS.get(action, 0)), subject)
        return found


class AppLabels:
    """`own` are the numbers of bundles whose steps are kept: the app's own, as far as they were named or met."""

    def __init__(self, app: str, numbers: LabelNumbers, bounds: LabelBounds, own_names: Set[str]) -> None:
        self.app = app
        self.number = numbers.words.app(app)
        self.own: set[int] = set()
        self.not_followed: set[int] = set()  # whose devices' steps have become numbers
        self._numbers, self._bounds, self._own_names = numbers, bounds, own_names
        self._bundles: dict[tuple[str | None, int], int] = {}
        self._told: dict[int, dict[str | None, ToldVersion]] = {}
        self._told_natives: dict[int, dict[str | None, ToldVersion]] = {}
        self._actions: dict[str, ActionNumbers] = {}
        self._cohorts: dict[ToldTraits, tuple[int, int]] = {}
        self._names: dict[str, set[str]] = {}

    def told(self, version: str | None, native: str | None, day: int) -> ToldVersion:
        """What an event's version stands for, in an app whose native version this is."""
        is_native = bool(version) and version == native
        days = self._told_natives if is_native else self._told
        versions = days.get(day)
        if versions is None:
            versions = days[day] = {}
        found = versions.get(version)
        if found is None:
            bundle = self.bundle(BUILTIN if is_native else version, day)
            found = versions[version] = ToldVersion(self, version or "", bundle)
        return found

    def bundle(self, version: str | None, day: int) -> int:
        found = self._bundles.get((version, day))
        if found is None:
            name = bundle_of(version or "")
            name = self._bounds.admit_bundle(self.app, name if len(name) <= VERSION_LIMIT else OTHER, day)
            found = self._bundles[version, day] = self._numbers.bundle(self.number, name)
            self._note_own(found, name)
        return found

    def meet(self, bundles: Iterable[int]) -> None:
        """Numbers from states, 0 for none: the batch may name none of them."""
        for number in bundles:
            if number and number not in self.own:
                self._note_own(number, self._numbers.words.word(number))

    def _note_own(self, number: int, name: str) -> None:
        if name in self._own_names and number not in self.not_followed:
            self.own.add(number)

    def action(self, action: str) -> ActionNumbers:
        found = self._actions.get(action)
        if found is None:
            counted = action if action in _COUNTED else OTHER
            subject = subject_of(counted)
            number = self._numbers.subject(self.number, subject).number
            found = self._actions[action] = ActionNumbers(number, self._numbers.cause(self.number, counted), subject)
        return found

    def told_cohort(self, told: ToldTraits) -> tuple[int, int]:
        """The number of the cohort that an event tells, and what such a device's reports can tell."""
        found = self._cohorts.get(told)
        if found is None:
            found = self._cohorts[told] = (self._numbers.cohort(self.number, cohort_of(told)), ability_told(told))
        return found

    def cohort(self, cohort: Cohort) -> int:
        return self._numbers.cohort(self.number, cohort)

    def key_of(self, device: str) -> int:
        return device_key(self.app, device.lower())

    def event_subject(self, kind: str, name: str) -> str:
        return self._admit_name(EVENT, f"{kind}:{name}")

    def outcome_subject(self, name: str) -> str:
        return self._admit_name(OUTCOME, name)

    def unmatched_subject(self, name: str) -> str:
        return self._admit_name(UNMATCHED_OUTCOME, name)

    def subject(self, subject: str) -> SubjectNumber:
        return self._numbers.subject(self.number, subject)

    def _admit_name(self, prefix: str, name: str) -> str:
        known = self._names.get(prefix)
        if known is None:
            words = self._numbers.words.beginning(self.number, WordKind.SUBJECT, prefix)
            known = self._names[prefix] = {word[len(prefix) :] for word in words}
        if name not in known and len(known) >= NAMES_LIMIT:
            return prefix + OTHER
        known.add(name)
        return prefix + name
