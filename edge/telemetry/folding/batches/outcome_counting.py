"""Outcomes from elsewhere: counted once by name and id, of the device and the bundle that it ran at that time.

One of a device that was never heard of has a subject of its own: a rate is of devices that were active, and this one
was not.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence

from edge.domain.statistics.device_record import DeviceRecord
from edge.domain.statistics.observation import Cohort
from edge.domain.statistics.tally import DAY_MS, MINUTE_MS
from edge.telemetry.folding.batches.app_labels import AppLabels
from edge.telemetry.folding.batches.custom_ids import CustomIds
from edge.telemetry.folding.batches.gathering import Outcoming, hash_of
from edge.telemetry.folding.batches.telling import Telling
from edge.telemetry.folding.device_rows import Place, load_devices
from edge.telemetry.folding.duplicates import RememberedKeys
from edge.telemetry.folding.label_numbers import LabelNumbers
from edge.telemetry.spool.app_records import Outcome


class OutcomeCounting:
    """Of one batch, after its devices. `states` are those of the batch."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        numbers: LabelNumbers,
        telling: Telling,
        customs: CustomIds,
        remembered: RememberedKeys,
        states: dict[Place, DeviceRecord],
    ) -> None:
        self._connection, self._numbers, self._telling = connection, numbers, telling
        self._customs, self._remembered = customs, remembered
        self._states = dict(states)

    def count(self, lines: Sequence[Outcoming], duplicates: Counter[str]) -> None:
        all_keys = [
            (outcome_key(line.app.labels.app, each), line.at_ms, line.app.labels.app)
            for line in lines
            for each in line.outcomes.of
        ]
        again = iter(self._remembered.find_duplicates(all_keys))
        for line in lines:
            repeated = 0
            for each in line.outcomes.of:
                if next(again):
                    repeated += 1
                else:
                    self._count_one(line.app.labels, each, min(each.at_ms, line.at_ms))
            line.fates["outcome/counted"] += len(line.outcomes.of) - repeated
            if repeated:
                line.fates["outcome/duplicate"] += repeated
                duplicates[line.app.labels.app] += repeated

    def _count_one(self, labels: AppLabels, outcome: Outcome, at_ms: int) -> None:
        key = self._key_of(labels, outcome)
        state = self._state_of(labels, key) if key else None
        if state is None:
            bundle = labels.bundle("", at_ms // DAY_MS)
            cohort, subject = labels.cohort(Cohort()), labels.unmatched_subject(outcome.name)
            self._telling.count(at_ms, labels.number, cohort, bundle, subject, 1, outcome.value)
            return
        bundle = self._bundle_at(state, at_ms) or labels.bundle("", at_ms // DAY_MS)
        self._telling.tell(state, at_ms, bundle, labels.outcome_subject(outcome.name), 1, outcome.value)

    def _key_of(self, labels: AppLabels, outcome: Outcome) -> int | None:
        if outcome.device:
            return labels.key_of(outcome.device)
        return self._customs.device_of(labels.number, outcome.custom_id)

    def _state_of(self, labels: AppLabels, key: int) -> DeviceRecord | None:
        """None for a device that was never heard of."""
        place = (labels.number, key)
        if place not in self._states:
            self._states |= load_devices(self._connection, {place}, {})
        state = self._states[place]
        if not state.cohort:
            return None
        state.group = self._numbers.labels_of(state.cohort).group
        return state

    def _bundle_at(self, state: DeviceRecord, at_ms: int) -> int:
        """The bundle that it ran then, as far as it said."""
        row = self._connection.execute(
            "SELECT bundle FROM steps WHERE app = ?1 AND key = ?2 AND word_first_min <= ?3"
            " AND bundle IN (SELECT id FROM words WHERE app = ?1 AND kind = 2)"
            " ORDER BY min(word_last_min, ?3) DESC, word_first_min DESC LIMIT 1",
            (state.app, state.key, at_ms // MINUTE_MS),
        ).fetchone()
        return int(row[0]) if row and at_ms < state.bundle_ms else state.bundle


def outcome_key(app: str, outcome: Outcome) -> int:
    """By which it counts once."""
    return hash_of(f"{app}\0{outcome.name}\0{outcome.id}")
