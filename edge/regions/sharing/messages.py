"""What home and a region tell each other about devices, in msgpack. Home checks all that a region sends."""

import msgspec

from edge.domain.errors import Malformed
from edge.domain.sharing.state import SharedFacts
from edge.facts.changes import Elsewhere

FACTS_MEDIA = "application/msgpack"
BATCH_LIMIT_BYTES = 4 * 2**20  # of a region's post: twice what one holds
PAGE_LIMIT_BYTES = 4 * 2**20
ROWS_LIMIT = 2_000  # in one page or batch: some 400 kB
EVIDENCE_LIMIT = 20_000  # in one batch
EPOCH_LIMIT = 64  # characters
NUMBER_LIMIT = 2**53 - 1  # the largest whole number that every reader of JSON holds exactly


class SharedDevice(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a device. `prefix` is of the address whose report changed it last."""

    app: str
    device: str
    state: SharedFacts
    prefix: str = ""


class FactsBatch(msgspec.Struct, frozen=True, array_like=True):
    """What a node tells home: rows, and evidence in order, the first of number `first` in `epoch`. `sent_at` is now by
    the node's clock; `dropped` is how much evidence it lost since its start, for want of room. `start` names that."""

    rows: list[SharedDevice]
    epoch: str
    first: int
    evidence: list[Elsewhere]
    sent_at: float
    dropped: int = 0
    start: str = ""


class FactsTaken(msgspec.Struct, frozen=True, array_like=True):
    """All of the batch is durable, but for `refused` of it, which is above the limits of the node or wrong."""

    refused: int


class FactsPage(msgspec.Struct, frozen=True, array_like=True):
    """What changed until `number` of `session`, which the node names when it asks for more. `again`: its place is not
    one of this home's, which was restored or replaced: this begins from the beginning, and the node tells all it knows.
    `more`: there is more now."""

    session: str
    number: int
    again: bool
    more: bool
    rows: list[SharedDevice]


_batch = msgspec.msgpack.Decoder(FactsBatch)
_page = msgspec.msgpack.Decoder(FactsPage)
_taken = msgspec.msgpack.Decoder(FactsTaken)
encode_facts = msgspec.msgpack.encode


def parse_batch(body: bytes) -> FactsBatch:
    """Raises Malformed `invalid_facts`."""
    try:
        batch = _batch.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("invalid_facts", f"invalid facts: {error}") from error
    if len(batch.rows) > ROWS_LIMIT or len(batch.evidence) > EVIDENCE_LIMIT:
        reason = f"{len(batch.rows)} rows and {len(batch.evidence)} pieces of evidence are too many at once"
        raise Malformed("invalid_facts", f"{reason}: send at most {ROWS_LIMIT} and {EVIDENCE_LIMIT}")
    if (
        max(len(batch.epoch), len(batch.start)) > EPOCH_LIMIT
        or not 0 <= batch.first < NUMBER_LIMIT
        or not abs(batch.sent_at) < NUMBER_LIMIT
    ):
        raise Malformed(
            "invalid_facts", "invalid facts: the epoch, the start, the first number or the time is out of range"
        )
    return batch


def parse_page(body: bytes) -> FactsPage:
    """Raises Malformed `invalid_facts`."""
    try:
        return _page.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("invalid_facts", f"the node above sent invalid facts: {error}") from error


def parse_taken(body: bytes) -> FactsTaken:
    """Raises Malformed `invalid_facts`."""
    try:
        return _taken.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("invalid_facts", f"the node above sent an invalid answer: {error}") from error
