"""An app's revisions for followers, newest first, as one compressed stream."""

from edge.control.access.roles import Permission
from edge.control.calls import REVISION_DIGITS, Call
from edge.control.operations import Operation, parse_number
from edge.control.shapes.common import WHOLE_LIMIT
from edge.control.shapes.streamed import Streamed
from edge.domain.errors import Invalid
from edge.domain.model import parse_digest
from edge.store.heads import Head

UNTIL, DIGEST, AFTER = "until", "digest", "after"
ZSTD = "application/zstd"


async def handle_revisions(call: Call[None]) -> Streamed:
    """From the revision `until`, whose digest has to be known, down to the one above `after`."""
    query = call.request.query
    if UNTIL not in query or DIGEST not in query or len(query[UNTIL]) > REVISION_DIGITS:
        raise Invalid("invalid_until", "give the number of the newest revision as until, and its digest")
    number = parse_number(call.request, UNTIL, 1, 1, WHOLE_LIMIT)
    after = parse_number(call.request, AFTER, 0, 0, WHOLE_LIMIT)
    if after >= number:
        raise Invalid("invalid_after", f"invalid after: no revision up to {number} is above {after}")
    head = Head(number, parse_digest(query[DIGEST]))
    return Streamed(ZSTD, call.ports.feed.revisions.blocks(call.app, head, after))


OPERATIONS = (
    Operation(
        name="follow_revisions",
        method="GET",
        path="/v1/feed/apps/{app}/revisions",
        summary="Stream revisions of an app as they are stored, newest first, each behind its length in four bytes",
        permission=Permission.FOLLOW,
        handle=handle_revisions,
        answer=bytes,
        query=(UNTIL, DIGEST, AFTER),
        content_type=ZSTD,
    ),
)
