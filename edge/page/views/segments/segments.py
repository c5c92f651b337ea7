"""The segments of an app: who is in, what they run and do; an expression is tried before it is saved."""

import asyncio
from typing import Any

import msgspec

from edge.control.shapes.apps import AppView
from edge.control.shapes.devices import Explanation
from edge.control.shapes.insight.segment_reach import SegmentCounted, SegmentCountRequest, SegmentsReach
from edge.control.shapes.targeting import SegmentTested, SegmentTestRequest
from edge.domain.errors import EdgeError
from edge.page.views.device.finding import device_id
from edge.page.views.device.known import body_of
from edge.page.views.segments.shown import (
    both_of,
    counted_words,
    language,
    lede_of,
    table_of,
    unjudged_words,
    words_of_test,
)
from edge.page.views.visit import PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import cleaned, named

TRIED = "tried"  # a segment's name that is asked with an expression, and need not exist
WHERE_LIMIT = 1_500  # characters of an expression in an address


async def show_segments(visit: Visit) -> Shown:
    app: AppView = await visit.ask("show_app")
    answers: tuple[Any, Any] = await asyncio.gather(visit.ask("list_segments"), visit.attempt("show_segments_reach"))
    segments, found = answers
    reach = found if isinstance(found, SegmentsReach) else None
    where, device = visit.query.get("where", "")[:WHERE_LIMIT].strip(), visit.query.get("device", "")[:64].strip()
    values = {
        "lede": lede_of(segments, reach),
        "table": table_of(app.app, segments, reach, app.channels, may=visit.allows("delete_segment")),
        "unread": found if isinstance(found, Unread) else None,
        "both": both_of(reach),
        "unjudged": unjudged_words(reach),
        "where": where,
        "device": device,
        "words": language(),
        "command": f"edge segment set {app.app} NAME --where EXPRESSION",
        "tried": await _tried(visit, where, device) if where else None,
    }
    return Shown("segments.html", f"Segments · {named(app.app)}", values)


async def _tried(visit: Visit, where: str, device: str) -> dict[str, Any]:
    """What came of the expression: `fault`, or what matches."""
    parts = {"app": visit.parts["app"], "name": TRIED}
    try:
        counted: SegmentCounted = await visit.ask("count_segment", parts, body=SegmentCountRequest(where=where))
        lead, beside = counted_words(counted, visit.now)
        told = await _tested(visit, where, device) if device else ""
    except EdgeError as error:
        return {"fault": cleaned(error.message)[:1_000], "code": error.code}
    return {"fault": "", "lead": lead, "beside": beside, "device": told}


async def _tested(visit: Visit, where: str, device: str) -> str:
    """Whether one device matches, as it last reported. Raises EdgeError."""
    app, known = visit.parts["app"], device_id(device)
    if not known:
        return f"{named(device)} is no device id: give all 36 characters of it."
    explained: Explanation = await visit.ask("explain_device", {"app": app}, {"device_id": known})
    body = SegmentTestRequest(
        device=msgspec.Raw(msgspec.json.encode(body_of(app, explained))),
        where=where,
        country=str(explained.asked.get("country", "")),
    )
    tested: SegmentTested = await visit.ask("test_segment", {"app": app, "name": TRIED}, body=body)
    guessed = "" if explained.reported is not None else " It has no report here: tried as a fresh installation."
    return words_of_test(tested, known) + guessed


ROUTES = (PageRoute("/apps/{app}/segments", "segments", show_segments),)
