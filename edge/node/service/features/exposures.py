"""Records which device gets which value of the features that are marked, and which arm of an experiment.

Once per device, state of the feature and variant, as far as a worker remembers; figures count devices, so one that
another worker, or the next one, records again changes nothing. A record that is lost is written at the next request.
Of a client whose targeting key is no device's id nothing is kept.
"""

import asyncio
from array import array
from collections.abc import Iterator, Sequence
from functools import partial

from xxhash import xxh3_64_intdigest

from edge.domain.comparing.running import place_of_feature
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.features.evaluation import Evaluation
from edge.domain.model import AppId
from edge.node.service.own_events import OwnEvents, is_lost
from edge.telemetry.spool.app_records import EXPOSURE, Used, encode_used
from edge.wire.actions import EXPERIMENT_OFFER
from edge.wire.app_events import AppEvent
from edge.wire.ofrep.context import AskedContext
from edge.wire.stats import Event

PLACES = 1 << 17  # 1 MiB per worker. Two devices that share a place are recorded in turn, and still counted once


class Exposures:
    """Remembers the devices that were recorded, in fixed memory."""

    def __init__(self, events: OwnEvents) -> None:
        self._events = events
        self._seen = array("Q", bytes(8 * PLACES))  # at a device's place, the hash that was recorded there last

    def note(self, snapshot: AppSnapshot, asked: AskedContext, given: Sequence[Evaluation], now: float) -> None:
        """The device was `given` these values of features that are noted. `now` in seconds since the epoch."""
        if not given or not asked.is_device:
            return
        mark = _mark_of(snapshot.app, asked, given)
        if self._seen[mark % PLACES] == mark:
            return
        self._seen[mark % PLACES] = mark
        for stored in self._write(snapshot, asked, given, now):
            if stored is None:
                self._forget(mark)
            else:
                stored.add_done_callback(partial(self._forget_if_lost, mark))

    def _write(
        self, snapshot: AppSnapshot, asked: AskedContext, given: Sequence[Evaluation], now: float
    ) -> Iterator[asyncio.Future[None] | None]:
        features = snapshot.features.features
        noted = [each for each in given if features[each.key].feature.noted]
        if noted:
            record = encode_used(_used(snapshot.app, asked, noted, int(now * 1000)), now)
            yield self._events.put_record(snapshot.app, record, len(noted))
        for each in given:
            experiment = features[each.key].feature.experiment
            if each.arm and experiment is not None:
                of = {"experiment": experiment.name, "id": experiment.salt, "arm": each.arm}
                yield self._events.put(_arm_event(snapshot.app, asked, each.key, of), now)

    def _forget_if_lost(self, mark: int, stored: asyncio.Future[None]) -> None:
        if is_lost(stored):
            self._forget(mark)

    def _forget(self, mark: int) -> None:
        if self._seen[mark % PLACES] == mark:
            self._seen[mark % PLACES] = 0


def _mark_of(app: AppId, asked: AskedContext, given: Sequence[Evaluation]) -> int:
    said = "\0".join(f"{each.key}\0{each.metadata.get('version')}\0{each.variant}" for each in given)
    return xxh3_64_intdigest(f"{app}\0{asked.device}\0{said}".encode()) or 1


def _used(app: AppId, asked: AskedContext, given: Sequence[Evaluation], at_ms: int) -> Used:
    events = [AppEvent(f"{each.key}/{each.variant}", EXPOSURE, at_ms) for each in given]
    return Used(app, asked.device, events, asked.custom_id, _platform(asked))


def _arm_event(app: AppId, asked: AskedContext, feature: str, of: dict[str, str]) -> Event:
    """As of an experiment on a channel; its bundle is what the device runs."""
    said = asked.attributes
    return Event(
        app=app,
        device=asked.device,
        action=EXPERIMENT_OFFER,
        version=said.version_name,
        platform=_platform(asked),
        old_version=said.version_name,
        plugin=said.plugin_version,
        native=said.version_build,
        is_prod=said.is_prod,
        is_emulator=said.is_emulator,
        custom_id=asked.custom_id,
        metadata={"channel": place_of_feature(feature), **of},
    )


def _platform(asked: AskedContext) -> str:
    platform = asked.attributes.platform
    return platform.value if platform else ""
