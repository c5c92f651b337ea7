"""The records of a batch, in the order in which they were received, by app and device."""

import sqlite3
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from edge.domain.facts import DAY_LIMIT
from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.generations import ability_of
from edge.domain.statistics.observation import Cohort
from edge.domain.statistics.subjects import CHECK, DELIVERY, PUSH
from edge.domain.statistics.tally import DAY_MS
from edge.telemetry.folding.batches.app_labels import AppLabels
from edge.telemetry.folding.batches.folded_lines import FoldedLine, ToldEvent, parse_folded
from edge.telemetry.folding.batches.segment_origins import HERE, SegmentOrigin, SegmentOrigins
from edge.telemetry.folding.device_rows import OFFERED_LAST, summarised_bundles
from edge.telemetry.folding.label_numbers import LabelNumbers
from edge.telemetry.folding.labels import LabelBounds, NamesOf
from edge.telemetry.push.push_counting import PushNoted
from edge.telemetry.spool.app_records import Outcomes, Used
from edge.telemetry.spool.push_records import PushRecord
from edge.telemetry.spool.worker_records import Delivered, HeardChecks, HeardCount
from edge.wire.actions import EXPERIMENT_OFFER

LAST_MS = (DAY_LIMIT - 1) * DAY_MS - 1  # days have 16 bits, one of which says something else

Fates = Counter[str]  # of one segment, by "<kind>/<fate>"


class ToldThere(msgspec.Struct, gc=False):
    """Events of the device itself, or of the node about it; `net` is the network from which they came, `region` where
    the node is, `node` which one that is ("" for the one that counts)."""

    at_ms: int
    events: Sequence[ToldEvent]
    fates: Fates
    net: int
    region: str = ""
    node: str = ""


class Checked(NamedTuple):
    """It checked; numbers of its cohort, the bundle that it runs and the one that it was offered, 0 for none; what its
    reports can tell; `told` are the labels of the note, of which `cohort` may have fewer; `node` as of ToldThere."""

    at_ms: int
    cohort: int
    runs: int
    offered: int
    ability: int
    told: Cohort
    node: str


class UsedThere(NamedTuple):
    """Events of the app's own code."""

    at_ms: int
    used: Used
    fates: Fates
    net: int
    region: str


def noted_words(event: ToldEvent) -> dict[str, str]:
    """The metadata of a note of the node. Raises msgspec.DecodeError."""
    metadata = getattr(event, "metadata", None)
    return metadata if isinstance(metadata, dict) else _metadata.decode(metadata or b"{}")


class DeviceWork:
    """What a batch has of one device; `id` is "" if only its key is known. `bundles` are those whose steps it needs."""

    __slots__ = ("bundles", "checks", "id", "items", "key")

    def __init__(self, key: int) -> None:
        self.key = key
        self.id = ""
        self.checks = False  # whether some of the items are checks
        self.items: list[ToldThere | Checked | UsedThere] = []
        self.bundles: set[int] = set()


class AppWork:
    """What a batch has of one app. `ids` are its devices as they were spelled."""

    def __init__(self, labels: AppLabels) -> None:
        self.labels = labels
        self.devices: dict[int, DeviceWork] = {}
        self.ids: dict[str, DeviceWork] = {}

    def of_key(self, key: int) -> DeviceWork:
        found = self.devices.get(key)
        if found is None:
            found = self.devices[key] = DeviceWork(key)
        return found

    def of_id(self, device: str) -> DeviceWork:
        """Of no device at all (""), what counts alone."""
        found = self.ids.get(device)
        if found is None:
            low = device.lower()
            found = self.ids[device] = self.of_key(device_key(self.labels.app, low) if low else 0)
            found.id = low
        return found


class LooseCount(NamedTuple):
    """What happened to no device in particular."""

    at_ms: int
    app: AppLabels
    cohort: int
    bundle: int
    subject: str
    n: int
    value: float | None


class Outcoming(NamedTuple):
    """Outcomes of one line."""

    at_ms: int
    app: AppWork
    outcomes: Outcomes
    fates: Fates


class Gathering:
    """Of one batch. What a clock received later than `latest_ms` counts at that time."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        numbers: LabelNumbers,
        names_of: NamesOf,
        latest_ms: int = LAST_MS,
        origins: SegmentOrigins = HERE,
    ) -> None:
        self.apps: dict[str, AppWork] = {}
        self.counts: list[LooseCount] = []
        self.outcomes: list[Outcoming] = []
        self.pushed: list[PushNoted] = []
        self.exposures: list[tuple[int, int, str, int]] = []  # key, time, app, the event's identity
        self.last_ms = 0  # when the latest record was received
        self.fates: defaultdict[str, Fates] = defaultdict(Counter)
        self._admitted: dict[str, AppWork] = {}
        self._latest_ms = min(latest_ms, LAST_MS)
        self._connection, self._numbers, self._names_of = connection, numbers, names_of
        self._bounds = LabelBounds(connection, names_of)
        self._origins, self._origin, self._node = origins, SegmentOrigin(), ""
        self._sequences: dict[str, tuple[int, int]] = {}

    def read(self, segment: str, records: Iterable[bytes]) -> None:
        fates, self._origin = self.fates[segment], self._origins.of(segment)
        self._node = self._origin.node
        for record in records:
            line = parse_folded(record)
            if line.received_ms > self._latest_ms:  # a clock was wrong
                line.received_ms = self._latest_ms
            if line.received_ms > self.last_ms:
                self.last_ms = line.received_ms
            if line.events:
                self._gather_events(line.received_ms, line.events, fates, line.net)
            else:
                self._gather_other(line, fates)

    def app(self, app: str) -> AppWork:
        found = self.apps.get(app)
        if found is None:
            admitted = self._bounds.admit_app(app)
            found = self._admitted.get(admitted)
            if found is None:
                labels = AppLabels(admitted, self._numbers, self._bounds, self._bounds.own_names(admitted))
                labels.not_followed = summarised_bundles(self._connection, labels.number)
                found = self._admitted[admitted] = AppWork(labels)
            self.apps[app] = found
        return found

    def works(self) -> Iterable[AppWork]:
        return self._admitted.values()

    def store_streams(self) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO streams VALUES (?, ?, ?)",
            ((stream, sequence, at_ms) for stream, (sequence, at_ms) in self._sequences.items()),
        )

    def _gather_events(self, at_ms: int, events: Sequence[ToldEvent], fates: Fates, net: int) -> None:
        first = events[0]
        app = self.apps.get(first.app) or self.app(first.app)
        device = first.device
        work = app.ids.get(device) or app.of_id(device)
        day = at_ms // DAY_MS
        labels = app.labels
        told, version, native = None, first.version, first.native
        for event in events:
            if event.device != device:  # of several, joined on their way: rare
                for each in events:
                    self._gather_events(at_ms, (each,), fates, net)
                return
            if told is None or event.version != version or event.native != native:
                version, native = event.version, event.native
                told = labels.told(version, native, day)
                if told.bundle in labels.own:
                    work.bundles.add(told.bundle)
            if event.action in _NAMES_OTHERS:
                if event.action == _DOWNLOAD_FAIL:
                    work.bundles.add(OFFERED_LAST)
                elif event.old_version:
                    work.bundles.add(labels.bundle(event.old_version, day))
                if event.action == EXPERIMENT_OFFER and not self._note_exposure(event, at_ms):
                    fates["line/malformed"] += 1
                    return
        work.items.append(ToldThere(at_ms, events, fates, net, self._origin.region, self._node))

    def _note_exposure(self, event: ToldEvent, at_ms: int) -> bool:
        """Whether it is such a note: it names a device, an arm's experiment and its id."""
        try:
            noted = noted_words(event)
        except msgspec.DecodeError:
            return False
        if not event.device:
            return False
        words = (event.app, noted.get("experiment", ""), noted.get("id", ""), event.device)
        self.exposures.append((hash_of("\0".join(words)), at_ms, event.app, id(event)))
        return True

    def _gather_other(self, line: FoldedLine, fates: Fates) -> None:
        at_ms = line.received_ms
        if line.heard is not None:
            self._gather_heard(at_ms, line.heard, fates)
        elif line.delivered is not None:
            self._gather_delivered(at_ms, line.delivered, fates)
        elif line.used is not None:
            used = UsedThere(at_ms, line.used, fates, line.net, self._origin.region)
            self.app(line.used.app).of_id(line.used.device).items.append(used)
        elif line.outcomes is not None:
            self._gather_outcomes(at_ms, line.outcomes, fates)
        elif line.push is not None:
            self._gather_push(at_ms, line.push, fates)
        else:
            fates["line/malformed"] += line.unread

    def _is_known(self, stream: str, sequence: int, at_ms: int) -> bool:
        """Whether the stream came as far as that before."""
        stream = self._origin.stream(stream)
        if stream not in self._sequences:
            row = self._connection.execute("SELECT sequence FROM streams WHERE stream = ?", (stream,)).fetchone()
            self._sequences[stream] = (row[0] if row else 0, at_ms)
        if sequence <= self._sequences[stream][0]:
            return True
        self._sequences[stream] = (sequence, at_ms)
        return False

    def _gather_heard(self, at_ms: int, heard: HeardChecks, fates: Fates) -> None:
        checks = sum(each.n for each in heard.of)
        if self._is_known(heard.stream, heard.sequence, at_ms):
            fates["check/duplicate"] += checks
            return
        fates["check/counted"] += checks
        app = self.app(heard.app)
        for each in heard.of:
            self._gather_count(at_ms, app, each)

    def _gather_count(self, at_ms: int, app: AppWork, each: HeardCount) -> None:
        labels, day = app.labels, at_ms // DAY_MS
        told = each.cohort._replace(region=self._origin.region)
        cohort = labels.cohort(told)
        runs = labels.bundle(each.runs, day) if each.runs else 0
        offered = labels.bundle(each.offered, day) if each.offered else 0
        bundle = offered or runs or labels.bundle("", day)
        self.counts.append(LooseCount(at_ms, labels, cohort, bundle, CHECK + each.code, each.n, None))
        ability = ability_of(told.group.platform, told.os, told.plugin)
        checked = Checked(at_ms, cohort, runs, offered, ability, told, self._node)
        steps = {bundle for bundle in (runs, offered) if bundle in labels.own}
        for key in array("q", each.devices):
            work = app.of_key(key)
            work.items.append(checked)
            work.checks = True
            work.bundles |= steps

    def _gather_delivered(self, at_ms: int, delivered: Delivered, fates: Fates) -> None:
        deliveries = sum(each.complete + each.cut for each in delivered.of)
        if self._is_known(delivered.stream, delivered.sequence, at_ms):
            fates["delivery/duplicate"] += deliveries
            return
        fates["delivery/counted"] += deliveries
        labels = self.app(delivered.app).labels
        cohort = labels.cohort(Cohort(region=self._origin.region))
        for each in delivered.of:
            bundle = labels.bundle(each.bundle, at_ms // DAY_MS)
            subject = f"{DELIVERY}{each.form}:{each.encoding}:"
            whole, cut = (float(each.bytes), None) if each.complete else (None, float(each.bytes))
            numbers = [("complete", each.complete, whole), ("cut", each.cut, cut)]
            if each.seconds is not None:
                numbers.append(("seconds", each.complete, each.seconds))
            for name, n, value in numbers:
                if n or value:
                    self.counts.append(LooseCount(at_ms, labels, cohort, bundle, subject + name, n, value))

    def _gather_outcomes(self, at_ms: int, outcomes: Outcomes, fates: Fates) -> None:
        self.outcomes.append(Outcoming(at_ms, self.app(outcomes.app), outcomes, fates))

    def _gather_push(self, at_ms: int, record: PushRecord, fates: Fates) -> None:
        labels = self.app(record.app).labels
        self.pushed.append(PushNoted(at_ms, labels.number, labels.app, record))
        cohort, subject = labels.cohort(Cohort(region=self._origin.region)), PUSH + str(record.__struct_config__.tag)
        bundle = labels.bundle("", at_ms // DAY_MS)
        self.counts.append(LooseCount(at_ms, labels, cohort, bundle, subject, 1, None))
        fates["push/counted"] += 1


def hash_of(text: str) -> int:
    """A signed 64-bit number. No weaker one: with a collision, one could keep another's from being counted."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


_DOWNLOAD_FAIL = "download_fail"  # of the bundle that was offered last, perhaps in a batch before
_NAMES_OTHERS = frozenset({"set", "reset", EXPERIMENT_OFFER, _DOWNLOAD_FAIL})
_metadata: Any = msgspec.json.Decoder(dict[str, str])
