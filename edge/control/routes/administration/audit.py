"""The audit: listed by pages, and exported with a signature; of this node, or of one app."""

from typing import Any

import msgspec

from edge.control.access.roles import Permission
from edge.control.audit.asking import AuditQuery, ListedAct
from edge.control.calls import Call
from edge.control.operations import Operation, parse_flag, parse_number
from edge.control.routes.apps import HISTORY_DEFAULT, HISTORY_LIMIT
from edge.control.shapes.common import WHOLE_LIMIT
from edge.control.shapes.insight.audit_page import AuditEntryView, AuditPageView
from edge.control.shapes.streamed import Streamed
from edge.domain.errors import Invalid

LINES = "application/x-ndjson"
TEXT_LIMIT = 256  # characters of what is asked for
FILTERS = ("since_ms", "until_ms", "who", "what", "refused")


async def handle_show(call: Call[None]) -> AuditPageView:
    limit = parse_number(call.request, "limit", HISTORY_DEFAULT, 1, HISTORY_LIMIT)
    cursor = call.request.query.get("cursor", "")
    ports = call.ports
    page = await ports.audit.page(ports.timelines, _query(call), limit, cursor)
    return AuditPageView(
        entries=[_view(each) for each in page.entries], next_page=page.next_page, unmerged_apps=page.unmerged_apps
    )


async def handle_export(call: Call[None]) -> Streamed:
    """Newest first, as of now."""
    ports = call.ports
    return Streamed(LINES, ports.audit.export(ports.timelines, _query(call), call.grant.name))


def _query(call: Call[Any]) -> AuditQuery:
    """Raises Invalid."""
    asked = call.request.query
    since, until = (parse_number(call.request, name, 0, 0, WHOLE_LIMIT) for name in ("since_ms", "until_ms"))
    who, what = asked.get("who", ""), asked.get("what", "")
    if len(who) > TEXT_LIMIT or len(what) > TEXT_LIMIT:
        raise Invalid("invalid_filter", f"who and what have at most {TEXT_LIMIT} characters each")
    return AuditQuery(
        since=since / 1000,
        until=until / 1000 if until else call.ports.audit.now + 1,
        who=who,
        what=frozenset(part.strip() for part in what.split(",") if part.strip()),
        app=call.request.match_info.get("app", ""),
        refused=parse_flag(call.request, "refused"),
    )


def _view(listed: ListedAct) -> AuditEntryView:
    return AuditEntryView(**msgspec.structs.asdict(listed))


OPERATIONS = (
    Operation(
        name="show_audit",
        method="GET",
        path="/v1/audit",
        summary="List who did, tried or read what, newest first: this node's records and the revisions of all apps",
        permission=Permission.READ_AUDIT,
        handle=handle_show,
        answer=AuditPageView,
        query=(*FILTERS, "limit", "cursor"),
    ),
    Operation(
        name="show_app_audit",
        method="GET",
        path="/v1/apps/{app}/audit",
        summary="List who did, tried or read what in this app, newest first",
        permission=Permission.READ_AUDIT,
        handle=handle_show,
        answer=AuditPageView,
        query=(*FILTERS, "limit", "cursor"),
    ),
    Operation(
        name="export_audit",
        method="GET",
        path="/v1/audit/export",
        summary="Export the audit as lines of JSON, the last of which is this node's signature",
        permission=Permission.READ_AUDIT,
        handle=handle_export,
        answer=bytes,
        query=FILTERS,
        content_type=LINES,
        refusals=(409,),
    ),
    Operation(
        name="export_app_audit",
        method="GET",
        path="/v1/apps/{app}/audit/export",
        summary="Export the audit of this app as lines of JSON, the last of which is this node's signature",
        permission=Permission.READ_AUDIT,
        handle=handle_export,
        answer=bytes,
        query=FILTERS,
        content_type=LINES,
        refusals=(409,),
    ),
)
