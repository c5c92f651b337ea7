"""Bodies and answers about outcomes, what the team's own systems say of devices, and which of them are in order."""

from typing import Annotated

import msgspec

from edge.control.shapes.common import AnswerBody, RequestBody
from edge.domain.errors import Invalid
from edge.domain.model import parse_device_id
from edge.telemetry.spool.app_records import Outcome
from edge.wire.app_events import EVENT_NAME_LIMIT, VALUE_LIMIT, parse_event_name
from edge.wire.fields import CUSTOM_ID_LIMIT, DEVICE_ID_LIMIT

OUTCOMES_BATCH_LIMIT = 1_000  # some 200 kB; a request is stored in one step
OUTCOME_ID_LIMIT = 64  # characters; the number of a ticket or a payment, or a UUID
PAST_LIMIT_SECONDS = 90 * 86_400  # as long as hours are kept: what is older changes figures that people have read
MILLISECONDS_FROM = 100  # times now: no seconds are so far ahead
AHEAD_LIMIT_SECONDS = 86_400  # clocks that are wrong, and dates without a zone


class OutcomeRequest(RequestBody, frozen=True, kw_only=True):
    """`name` is what happened (`ticket`, `rating`, `revenue`), `id` its id in the system that says so: a repeat with
    the same name and id counts once. It is about one `device`, or about the devices with one `custom_id`: give one of
    both. `at` is when it happened, in seconds since the epoch, at most 90 days ago. `value` is summed.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=EVENT_NAME_LIMIT)]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=OUTCOME_ID_LIMIT)]
    at: Annotated[float, msgspec.Meta(ge=0)]
    device: Annotated[str, msgspec.Meta(min_length=DEVICE_ID_LIMIT, max_length=DEVICE_ID_LIMIT)] | None = None
    custom_id: Annotated[str, msgspec.Meta(min_length=1, max_length=CUSTOM_ID_LIMIT)] | None = None
    value: Annotated[float, msgspec.Meta(ge=-VALUE_LIMIT, le=VALUE_LIMIT)] | None = None


class OutcomesRequest(RequestBody, frozen=True, kw_only=True):
    """All of them are stored, or none."""

    outcomes: Annotated[list[OutcomeRequest], msgspec.Meta(min_length=1, max_length=OUTCOMES_BATCH_LIMIT)]


class OutcomesStored(AnswerBody, frozen=True, kw_only=True):
    """`stored` counts those that are new. `repeated` have the name and id of one that was stated before, and do not
    count again. `unmatched` are those of the new ones that are of no device which this node has heard of: they are in
    no rate. Both are null where the figures cannot be asked; then `stored` may have repeated ones."""

    app: str
    stored: int
    repeated: int | None
    unmatched: int | None


def read_outcome(given: OutcomeRequest, now: float) -> Outcome:
    """`now` is in seconds since the epoch. Raises Invalid `invalid_name`, `invalid_device_id`, `invalid_outcome_id`,
    `invalid_outcome_device`, `invalid_outcome_time`."""
    if not given.id.isprintable() or (given.custom_id is not None and not given.custom_id.isprintable()):
        raise Invalid("invalid_outcome_id", "an id has no control characters")
    if (given.device is None) == (given.custom_id is None):
        raise Invalid("invalid_outcome_device", "give either a device or a custom_id")
    if not now - PAST_LIMIT_SECONDS <= given.at <= now + AHEAD_LIMIT_SECONDS:
        raise Invalid(
            "invalid_outcome_time",
            f"the time must be within the last {PAST_LIMIT_SECONDS // 86_400} days, and at most 1 day ahead"
            + ("; it is in seconds, not milliseconds" if given.at > now * MILLISECONDS_FROM else ""),
        )
    return Outcome(
        parse_event_name(given.name),
        given.id,
        int(given.at * 1000),
        parse_device_id(given.device) if given.device is not None else "",
        given.custom_id or "",
        given.value,
    )
