"""One app's names in a batch: each by its number, admitted by the limits."""

from collections.abc import Set
from typing import NamedTuple

from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.observation import Cohort
from edge.domain.statistics.subjects import EVENT, OUTCOME
from edge.domain.versions import VERSION_LIMIT
from edge.telemetry.folding.batches.told_cohort import ToldTraits, cohort_of
from edge.telemetry.folding.label_numbers import LabelNumbers, SubjectNumber
from edge.telemetry.folding.labels import OTHER, LabelBounds
from edge.telemetry.folding.schema import subject_of
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


class AppLabels:
    """`own` are the numbers of bundles whose steps are kept: the app's own, as far as they were named."""

    def __init__(self, app: str, numbers: LabelNumbers, bounds: LabelBounds, own_names: Set[str]) -> None:
        self.app = app
        self.number = numbers.words.app(app)
        self.own: set[int] = set()
        self.not_followed: set[int] = set()  # whose devices' steps have become numbers
        self._numbers, self._bounds, self._own_names = numbers, bounds, own_names
        self._bundles: dict[int, dict[str | None, int]] = {}
        self.actions: dict[str, ActionNumbers] = {}  # those that have their numbers already: see `action`
        self._cohorts: dict[ToldTraits, int] = {}
        self._names: dict[str, set[str]] = {}

    def bundles(self, day: int) -> dict[str | None, int]:
        """Those of a day that have their number already, by version: see `bundle`."""
        return self._bundles.setdefault(day, {})

    def bundle(self, version: str | None, day: int) -> int:
        bundles = self.bundles(day)
        found = bundles.get(version)
        if found is None:
            name = bundle_of(version or "")
            name = self._bounds.admit_bundle(self.app, name if len(name) <= VERSION_LIMIT else OTHER, day)
            found = bundles[version] = self._numbers.bundle(self.number, name)
            if name in self._own_names and found not in self.not_followed:
                self.own.add(found)
        return found

    def action(self, action: str) -> ActionNumbers:
        found = self.actions.get(action)
        if found is None:
            counted = action if action in _COUNTED else OTHER
            subject = subject_of(counted)
            number = self._numbers.subject(self.number, subject).number
            found = self.actions[action] = ActionNumbers(number, self._numbers.cause(self.number, counted), subject)
        return found

    def told_cohort(self, told: ToldTraits) -> int:
        """The number of the cohort that an event tells."""
        found = self._cohorts.get(told)
        if found is None:
            found = self._cohorts[told] = self._numbers.cohort(self.number, cohort_of(told))
        return found

    def cohort(self, cohort: Cohort) -> int:
        return self._numbers.cohort(self.number, cohort)

    def key_of(self, device: str) -> int:
        return device_key(self.app, device.lower())

    def event_subject(self, kind: str, name: str) -> str:
        return self._admit_name(EVENT, f"{kind}:{name}")

    def outcome_subject(self, name: str) -> str:
        return self._admit_name(OUTCOME, name)

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
