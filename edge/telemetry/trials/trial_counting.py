"""Devices in experiments, of one batch: each from its first check in one, by the arm that its check says.

Whether it installed anything or not, what it does from then on counts in its arm: its sessions, errors, crashes,
whether its arm's bundle was set or failed, and the app's own events that are measured. Of one network only so many
devices are counted, as of a guarded release: by the network of a device's first report, whatever becomes of it. In the
fold's transaction.
"""

import sqlite3
from collections.abc import Callable, Sequence

from edge.domain.statistics.arithmetic import DOWNLOAD_FAIL_MS, LAX_DOWNLOAD_FAIL_MS
from edge.domain.statistics.device_record import DeviceRecord
from edge.domain.statistics.generations import Ability
from edge.domain.statistics.meanings import Meaning
from edge.domain.statistics.observation import Cohort, Step
from edge.domain.statistics.subjects import CRASHED, ERROR, EVENT, OUTCOME, SESSION
from edge.telemetry.trials.experiment_book import CountedExperiment, ExperimentsOf, open_experiments
from edge.telemetry.trials.trial_networks import TrialNetworks
from edge.telemetry.trials.trial_points import keep_point
from edge.telemetry.trials.trial_rows import UNHEARD, TrialBit, TrialRow, load_rows, store_rows
from edge.telemetry.trials.trials_schema import TRIAL_DEVICES_LIMIT

BundleOf = Callable[[int, str], int]  # the number of an app's bundle, by the app's number and the bundle's name

_CAN_CRASH, _CAN_ERR = int(TrialBit.CAN_CRASH), int(TrialBit.CAN_ERR)
_CRASHED, _FAILED, _INSTALL_FAILED = int(TrialBit.CRASHED), int(TrialBit.FAILED), int(TrialBit.INSTALL_FAILED)
_FAILURES = ((int(Step.FAILED_BOOT), _FAILED), (int(Step.FAILED_INSTALL), _INSTALL_FAILED))
_CAPPED, _HAD, _HAD_ANY = int(TrialBit.CAPPED), int(TrialBit.HAD), int(TrialBit.HAD_ANY)
_TOLD_FAILURES = ((int(Meaning.FAILED_BOOT), _FAILED), (int(Meaning.FAILED_INSTALL), _INSTALL_FAILED))
_OF_BUNDLE = int(Meaning.SET | Meaning.FAILED_BOOT | Meaning.FAILED_INSTALL)
_SET, _OF_OFFER = int(Meaning.SET), int(Meaning.OF_OFFER)
_TELLS_CRASHES, _TELLS_ERRORS = int(Ability.CRASHES), int(Ability.ERRORS)
_OF_EVENTS = ((EVENT, "event"), (OUTCOME, "outcome"))
_NO_BUNDLE = -1  # of an arm that is a feature's value: nothing is installed
_DEVICE = "device"  # no emulator, no development build


class _Followed:
    """One experiment in one batch."""

    def __init__(
        self, counted: CountedExperiment, rows: dict[int, TrialRow], keys: Sequence[int], bundles: Sequence[int]
    ) -> None:
        self.counted, self.rows, self.bundles = counted, rows, bundles
        self.looked_up = set(keys)
        self.devices, self.last_ms = counted.devices, 0
        self.heard: list[tuple[int, int]] = []  # when, and the key of a device that had not reported

    def come_in(self, row: TrialRow, runs: int) -> None:
        """It runs this bundle as it comes in, 0: that is not said here."""
        row.is_unsaid = not runs
        row.bits &= ~(_HAD | _HAD_ANY)
        row.bits |= _HAD * (runs == self.bundles[row.arm]) | _HAD_ANY * (runs in self.bundles) if runs else 0


class TrialCounting:
    """Of one batch; see the module. `apps`, by their numbers, have experiments."""

    def __init__(self, connection: sqlite3.Connection, experiments_of: ExperimentsOf) -> None:
        self._connection, self._experiments_of = connection, experiments_of
        self.apps: dict[int, list[_Followed]] = {}

    def begin(self, app: int, name: str, keys: Sequence[int], at_ms: int, bundle_of: BundleOf) -> None:
        """Read what is known of the devices of an app, before any is counted."""
        running = self._experiments_of(name)
        found = []
        for counted in open_experiments(self._connection, name, running, at_ms):
            rows = load_rows(self._connection, counted.number, keys)
            arms = counted.running.experiment.arms
            bundles = [_NO_BUNDLE if arm.value else bundle_of(app, arm.bundle) for arm in arms]
            found.append(_Followed(counted, rows, keys, bundles))
        if found:
            self.apps[app] = found

    def enter(self, state: DeviceRecord, at_ms: int, cohort: Cohort, runs: int) -> None:
        """It checked, and runs this bundle, 0: not said."""
        followed = self.apps.get(state.app)
        if followed is None or not state.followed:
            return
        salt, _, arm = cohort.group.arm.partition("/")
        for each in followed:
            row = each.rows.get(state.key)
            if row is None:
                if each.counted.running.experiment.salt != salt or cohort.group.kind != _DEVICE:
                    continue
                number = each.counted.arms.get(arm)
                if number is None or each.devices >= TRIAL_DEVICES_LIMIT:
                    continue
                row = each.rows[state.key] = TrialRow(number, at_ms)
                each.devices += 1
                each.come_in(row, runs)
            elif at_ms < row.first_ms:  # of another worker's notes, which came later
                row.first_ms, row.is_changed = at_ms, True
                each.come_in(row, runs)
            elif row.is_unsaid and runs:
                each.come_in(row, runs)
            if runs and runs == each.bundles[row.arm]:
                _install(row, at_ms)
            each.last_ms = max(each.last_ms, at_ms)

    def expose(self, state: DeviceRecord, at_ms: int, salt: str, arm: str) -> None:
        """It was given the arm's value of a feature: so it is in that experiment from the first time on. It is no
        emulator and no development build."""
        if not state.followed:
            return
        for each in self.apps.get(state.app, ()):
            if each.counted.running.experiment.salt != salt or not _is_of_feature(each):
                continue
            row = each.rows.get(state.key) or self._late(each, state.key)
            number = each.counted.arms.get(arm)
            if row is not None:
                if at_ms < row.first_ms:
                    row.first_ms, row.is_changed = at_ms, True
            elif number is not None and each.devices < TRIAL_DEVICES_LIMIT:
                each.rows[state.key] = TrialRow(number, at_ms)
                each.devices += 1
            each.last_ms = max(each.last_ms, at_ms)

    def note(self, state: DeviceRecord, at_ms: int, subject: str, n: int, value: float | None) -> None:
        """As the arithmetic of figures tells it."""
        for each in self.apps.get(state.app, ()):
            row = each.rows.get(state.key) or self._late(each, state.key)
            if row is not None and at_ms >= row.first_ms:
                _note(row, each.counted, subject, n, value)
                each.last_ms = max(each.last_ms, at_ms)

    def hear(self, state: DeviceRecord, at_ms: int, net: int) -> None:
        """It reported from there."""
        for each in self.apps.get(state.app, ()):
            row = each.rows.get(state.key)
            if row is not None and row.net == UNHEARD and at_ms >= row.first_ms:
                row.net, row.is_changed = net, True
                each.heard.append((at_ms, state.key))

    def report(self, state: DeviceRecord, meaning: int, at_ms: int, bundle: int, *, lax: bool) -> None:
        """What has this meaning, of the bundle: also what it reported of it before it came in."""
        if not meaning & _OF_BUNDLE:
            return
        if meaning & _OF_OFFER:
            within_ms = LAX_DOWNLOAD_FAIL_MS if lax else DOWNLOAD_FAIL_MS
            bundle = state.offered if 0 <= at_ms - state.offer_ms <= within_ms else 0
        for each in self.apps.get(state.app, ()):
            row = each.rows.get(state.key)
            if row is None or at_ms < row.first_ms or bundle != each.bundles[row.arm]:
                continue
            if meaning & _SET:
                _install(row, at_ms)
            for told, bit in _TOLD_FAILURES:
                if meaning & told and not row.bits & bit:
                    row.bits, row.is_changed = row.bits | bit, True

    def store(self, states: Sequence[DeviceRecord]) -> None:
        """Add it all, with what the steps of devices say of their arms' bundles."""
        for state in states:
            for each in self.apps.get(state.app, ()):
                row = each.rows.get(state.key)
                if row is not None:
                    _note_steps(row, state, each.bundles[row.arm])
                    each.last_ms = max(each.last_ms, state.last_ms)
        for followed in self.apps.values():
            for each in followed:
                self._store(each)

    def _store(self, each: _Followed) -> None:
        if not any(row.is_changed for row in each.rows.values()):
            return
        number = each.counted.number
        networks = TrialNetworks(self._connection, number)
        for _, key in sorted(each.heard):
            if not networks.admit(each.rows[key].net):
                each.rows[key].bits |= _CAPPED
        networks.store()
        store_rows(self._connection, number, each.rows.items())
        self._connection.execute(
            "UPDATE experiments SET devices = ?, last_ms = max(last_ms, ?) WHERE id = ?",
            (each.devices, each.last_ms, number),
        )
        keep_point(self._connection, each.counted, each.last_ms)

    def _late(self, each: _Followed, key: int) -> TrialRow | None:
        """Of a device that the batch has nothing else of."""
        if key in each.looked_up:
            return None
        each.looked_up.add(key)
        found = load_rows(self._connection, each.counted.number, (key,))
        each.rows |= found
        return found.get(key)


def _is_of_feature(each: _Followed) -> bool:
    return _NO_BUNDLE in each.bundles


def _note(row: TrialRow, counted: CountedExperiment, subject: str, n: int, value: float | None) -> None:
    if subject == SESSION:
        row.sessions += n
    elif subject == ERROR:
        row.errors += n
    elif subject == CRASHED:
        row.bits |= _CRASHED
    else:
        for prefix, kind in _OF_EVENTS:
            if subject.startswith(prefix):
                name = subject[len(prefix) :].partition(":")[2] if prefix == EVENT else subject[len(prefix) :]
                for measure in counted.wanted.get((kind, name), ()):
                    times, total = row.events.get(measure, (0, 0.0))
                    row.events[measure] = times + n, total + (value or 0.0)
                    row.is_changed = True
        return
    row.is_changed = True


def _note_steps(row: TrialRow, state: DeviceRecord, bundle: int) -> None:
    bits = row.bits
    if state.ability & _TELLS_CRASHES:
        bits |= _CAN_CRASH
    if state.ability & _TELLS_ERRORS:
        bits |= _CAN_ERR
    step = state.steps.get(bundle)
    if step is not None:
        if step.set_ms >= row.first_ms:
            _install(row, step.set_ms)
        if step.failed_ms >= row.first_ms:
            for told, bit in _FAILURES:
                bits |= bit if step.bits & told else 0
    if bits != row.bits:
        row.bits, row.is_changed = bits, True


def _install(row: TrialRow, at_ms: int) -> None:
    if not row.installed_ms or at_ms < row.installed_ms:
        row.installed_ms, row.is_changed = max(at_ms, row.first_ms), True
