"""Makes the plan of one message: page by page, for a preview or into the outbox. Blocks, for minutes with a million
devices; memory is that of a page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from edge.domain.app_parts.stored_messages import SendTime, StoredMessage
from edge.domain.messaging.planning import (
    BEST_HOUR,
    HELD_OUT,
    NotPlanned,
    PlanCounts,
    PlannedDevice,
    PlannedSend,
    PlanTerms,
    count_device,
    plan_device,
)
from edge.domain.messaging.usual_hours import usual_hour
from edge.push.audience import Audience
from edge.push.registered import RegisteredDevice, RegisteredDevices

SURPRISE_SHARE, SURPRISE_LEAST = 0.5, 100  # more devices than its preview stated: nothing of such a plan is sent

NearSends = Callable[[Sequence[int], str], Mapping[int, Sequence[int]]]


class PlanPage(NamedTuple):
    """Up to the device `cursor`, with all that was counted until then."""

    sends: list[PlannedSend]
    providers: dict[int, str]  # by key
    cursor: int
    counts: PlanCounts


class PlanRun:
    """`near_sends`: when devices get other messages than one."""

    def __init__(self, registered: RegisteredDevices, near_sends: NearSends) -> None:
        self._registered, self._near_sends = registered, near_sends

    def pages(
        self, terms: PlanTerms, audience: Audience, counts: PlanCounts, after: int | None = None
    ) -> Iterator[PlanPage]:
        """Adds to `counts`; from the device behind `after` on."""
        capped = terms.message.cap is not None or terms.caps.device is not None
        for page in self._registered.pages(audience.app, after):
            keys = [each.key for each in page]
            near = self._near_sends(keys, terms.message.id) if capped else {}
            sends, providers = [], {}
            for each in page:
                device = _device(each, audience, near.get(each.key, ()))
                planned = plan_device(terms, device)
                count_device(counts, terms, device, planned)
                if not isinstance(planned, NotPlanned):
                    sends.append(planned)
                    providers[each.key] = each.provider
            yield PlanPage(sends, providers, keys[-1], counts)

    def best_hour(self, app: str) -> int:
        """The app's own usual hour, for devices of which too little is known."""
        found = usual_hour(self._registered.usual_hours(app))
        return BEST_HOUR if found is None else found


def _device(each: RegisteredDevice, audience: Audience, sends: Sequence[int]) -> PlannedDevice:
    return PlannedDevice(each.key, each.device, each.zone, each.hours, audience.has(each), sends)


def is_surprising(planned: int, message: StoredMessage) -> bool:
    """Whether a plan has so many more devices than its preview that a person has to look again. What was to begin at
    once for nobody is not for whoever registers later."""
    expected = message.expected
    if not expected and message.time in (SendTime.NOW, SendTime.BEST):
        return planned > 0
    return planned > expected + max(SURPRISE_LEAST, SURPRISE_SHARE * expected)


class StoredCounts(msgspec.Struct):
    """`PlanCounts`, as they are kept and shown."""

    devices: int = 0
    sends: dict[str, int] = {}
    left_out: dict[str, int] = {}
    by_hour: dict[int, int] = {}
    by_day: dict[int, int] = {}
    unknown_zones: int = 0
    unknown_hours: int = 0
    first_due: int = 0
    last_due: int = 0

    @property
    def planned(self) -> int:
        return sum(n for arm, n in self.sends.items() if arm != HELD_OUT)

    @property
    def held_out(self) -> int:
        return self.sends.get(HELD_OUT, 0)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(StoredCounts)


def encode_counts(counts: PlanCounts) -> bytes:
    return _encoder.encode(view_counts(counts))


def view_counts(counts: PlanCounts) -> StoredCounts:
    return StoredCounts(
        *(counts.devices, dict(counts.sends), dict(counts.left_out), dict(counts.by_hour), dict(counts.by_day)),
        *(counts.unknown_zones, counts.unknown_hours, counts.first_due, counts.last_due),
    )


def decode_counts(content: bytes) -> StoredCounts:
    """b"" is nothing yet."""
    return _decoder.decode(content) if content else StoredCounts()


def counts_from(stored: StoredCounts) -> PlanCounts:
    """To count on."""
    counts = PlanCounts(
        devices=stored.devices,
        unknown_zones=stored.unknown_zones,
        unknown_hours=stored.unknown_hours,
        first_due=stored.first_due,
        last_due=stored.last_due,
    )
    counts.sends.update(stored.sends)
    counts.left_out.update(stored.left_out)
    counts.by_hour.update(stored.by_hour)
    counts.by_day.update(stored.by_day)
    return counts
