"""One batch: its records become figures, in the caller's transaction."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from edge.domain.behaviour.daily_counts import Use
from edge.domain.statistics.arithmetic import Arithmetic
from edge.domain.statistics.device_record import DeviceRecord
from edge.domain.statistics.observation import Observation
from edge.domain.versions import is_below
from edge.telemetry.behaviour.rows import JudgingOf, NotedBatch, no_judging, note_batch
from edge.telemetry.folding.batches.app_labels import AppLabels
from edge.telemetry.folding.batches.custom_ids import CustomIds
from edge.telemetry.folding.batches.device_work import DeviceCounting
from edge.telemetry.folding.batches.gathering import LAST_MS, Fates, Gathering
from edge.telemetry.folding.batches.outcome_counting import OutcomeCounting
from edge.telemetry.folding.batches.segment_origins import HERE, SegmentOrigins
from edge.telemetry.folding.batches.telling import Telling, heard_of, uses_of
from edge.telemetry.folding.device_room import FIGURE_DEVICES_LIMIT, DeviceRoom
from edge.telemetry.folding.device_rows import Place, load_devices, load_steps, store_devices
from edge.telemetry.folding.duplicates import EXPOSED_LIMIT, OUTCOMES_LIMIT, RememberedKeys
from edge.telemetry.folding.figures_store import store
from edge.telemetry.folding.label_numbers import LabelNumbers, no_segments
from edge.telemetry.folding.labels import NamesOf, no_names
from edge.telemetry.folding.seen_reports import SeenReports
from edge.telemetry.push.push_counting import PushCounting
from edge.telemetry.trials.experiment_book import ExperimentsOf, no_experiments
from edge.telemetry.trials.trial_counting import TrialCounting
from edge.telemetry.votes.vote_counting import AppVotes, VoteCounting


class OnceOnly:
    """What counts once, over the batches of a fold."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.seen = SeenReports(connection)
        self.exposed = RememberedKeys(connection, EXPOSED_LIMIT, table="exposed")
        self.outcomes = RememberedKeys(connection, OUTCOMES_LIMIT, table="outcome_ids")


class CountedBatch(NamedTuple):
    """`observations` are empty unless they were wanted."""

    fates: dict[str, Fates]  # by segment
    observations: list[Observation]
    noted: NotedBatch


class Counting:
    """Of one batch: `read` its records in order, then `finish`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        remembered: OnceOnly,
        names_of: NamesOf = no_names,
        judging_of: JudgingOf = no_judging,
        *,
        observe: bool = False,
        experiments_of: ExperimentsOf = no_experiments,
        devices_limit: int = FIGURE_DEVICES_LIMIT,
        latest_ms: int = LAST_MS,
        votes: VoteCounting | None = None,
        origins: SegmentOrigins = HERE,
    ) -> None:
        self._connection, self._remembered, self._judging_of = connection, remembered, judging_of
        self._numbers = LabelNumbers(connection, votes.segments_named if votes is not None else no_segments)
        self._gathering = Gathering(connection, self._numbers, names_of, latest_ms, origins)
        self._trials = TrialCounting(connection, experiments_of)
        self._push = PushCounting(connection)
        self._telling = Telling(self._numbers, self._trials, self._push, observe=observe)
        self._customs = CustomIds(connection)
        self._room = DeviceRoom(connection, devices_limit)
        self._votes = votes

    def read(self, segment: str, records: Iterable[bytes]) -> None:
        self._gathering.read(segment, records)

    def drop(self, segment: str, fates: Iterable[tuple[str, int]]) -> None:
        """Book records that are not read."""
        for fate, n in fates:
            self._gathering.fates[segment][fate] += n

    def finish(self) -> CountedBatch:
        """Adds everything to the figures."""
        gathering, telling = self._gathering, self._telling
        self._push.take(gathering.pushed)
        states = self._load()
        repeated = self._repeated_exposures()
        arithmetic = Arithmetic(telling.tell, telling.retain, self._is_older)
        duplicates: Counter[str] = Counter()
        for app in gathering.works():
            counting = DeviceCounting(
                *(app.labels, self._numbers, telling, arithmetic, self._remembered.seen, self._customs, repeated),
                self._votes_of(app.labels),
            )
            for work in app.devices.values():
                counting.count(work, states[app.labels.number, work.key])
            duplicates[app.labels.app] += counting.duplicates
        for each in gathering.counts:
            telling.count(each.at_ms, each.app.number, each.cohort, each.bundle, each.subject, each.n, each.value)
        store_devices(self._connection, states.values())  # before outcomes, which look for the bundle of their time
        if gathering.outcomes:
            OutcomeCounting(
                self._connection, self._numbers, telling, self._customs, self._remembered.outcomes, states
            ).count(gathering.outcomes, duplicates)
        return self._store(states, duplicates)

    def _load(self) -> dict[Place, DeviceRecord]:
        wanted: dict[Place, set[int]] = {}
        own: dict[int, set[int]] = {}
        for app in self._gathering.works():
            own[app.labels.number] = app.labels.own
            for key, work in app.devices.items():
                wanted[app.labels.number, key] = work.bundles
        states = load_devices(self._connection, wanted.keys(), own, self._room)
        for app in self._gathering.works():
            of_app = [states[app.labels.number, key] for key in app.devices]
            app.labels.meet({number for state in of_app for number in (state.bundle, state.offered)})
            self._push.begin(app.labels.number, [*app.devices], self._gathering.last_ms)
            self._trials.begin(app.labels.number, app.labels.app, [*app.devices], self._gathering.last_ms, self._bundle)
        load_steps(self._connection, wanted, states)
        return states

    def _bundle(self, app: int, version: str) -> int:
        return self._numbers.bundle(app, version)

    def _repeated_exposures(self) -> frozenset[int]:
        notes = self._gathering.exposures
        found = self._remembered.exposed.find_duplicates((key, at_ms, app) for key, at_ms, app, _ in notes)
        return frozenset(note[3] for note, again in zip(notes, found, strict=True) if again)

    def _votes_of(self, labels: AppLabels) -> AppVotes | None:
        """Asked once all records are read: so a release is known whose offers are among them."""
        if self._votes is None:
            return None
        numbers = self._numbers
        return self._votes.of_app(
            labels.app, partial(numbers.bundle, labels.number), lambda cohort: numbers.labels_of(cohort).cohort
        )

    def _is_older(self, one: int, other: int) -> bool:
        words = self._numbers.words
        return is_below(words.word(one), words.word(other))

    def _store(self, states: dict[Place, DeviceRecord], duplicates: Counter[str]) -> CountedBatch:
        connection, gathering, telling = self._connection, self._gathering, self._telling
        store(connection, self._numbers, telling.tally, telling.retentions)
        gathering.store_streams()
        self._customs.store()
        self._push.store()
        for app in gathering.works():
            self._push.learn(app.labels.number, map(heard_of, app.devices.values()))
        self._trials.store([*states.values()])
        self._room.store()
        self._numbers.store()
        self._remembered.seen.store()
        if self._votes is not None:
            self._votes.store()
        connection.executemany(
            "INSERT INTO duplicates (app, n) VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [(app, n) for app, n in duplicates.items() if n],
        )
        noted = note_batch(connection, self._uses(states), self._judging_of)
        return CountedBatch(dict(gathering.fates), telling.observations or [], noted)

    def _uses(self, states: dict[Place, DeviceRecord]) -> Iterable[Use]:
        names: defaultdict[int, str] = defaultdict(str)
        for app in self._gathering.works():
            names[app.labels.number] = app.labels.app
        for (app_number, _), state in states.items():
            if state.followed and state.uses:
                yield from uses_of(names[app_number], state)
