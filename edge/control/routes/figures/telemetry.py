"""What devices sent, as this node keeps it: exported, and audited."""

from msgspec import structs

from edge.control.access.roles import Permission
from edge.control.calls import Call, check_app
from edge.control.operations import Operation, parse_number
from edge.control.ports import ExportFormat
from edge.control.routes.devices import WHOLE_TIME, WITHIN
from edge.control.routes.feed.missing_reports import reports_of_nodes
from edge.control.shapes.figures.audit import AuditView, NodeAuditView
from edge.control.shapes.figures.reports import ReportsOfNode
from edge.control.shapes.streamed import Streamed
from edge.domain.errors import Invalid

FORMAT = "format"
OCTETS = "application/octet-stream"
_FORMATS: dict[str, ExportFormat] = {"ndjson": "ndjson", "parquet": "parquet"}


async def handle_export(call: Call[None]) -> Streamed:
    """What was received until the request came."""
    await check_app(call)
    asked = call.request.query.get(FORMAT, "ndjson")
    if asked not in _FORMATS:
        raise Invalid("invalid_format", f"invalid format {asked[:64]!r}: use ndjson or parquet")
    within = parse_number(call.request, WITHIN, WHOLE_TIME, 1, WHOLE_TIME)
    until_ms = int(call.ports.clock.now() * 1000) + 1
    blocks = call.ports.exporting.export(call.app, max(until_ms - within * 1000, 0), until_ms, _FORMATS[asked])
    return Streamed(OCTETS, blocks)


async def handle_audit(call: Call[None]) -> AuditView:
    found = await call.ports.telemetry.audit()
    known = {each.node: each for each in call.ports.fleet.registry.nodes()}

    def named(of: NodeAuditView) -> NodeAuditView:
        node = known.get(of.node)
        region = call.ports.fleet.registry.region_of(of.node)
        return structs.replace(of, region=region, name=node.name if node else "")

    return structs.replace(found, nodes=[named(each) for each in found.nodes])


async def handle_reports(call: Call[None]) -> list[ReportsOfNode]:
    return reports_of_nodes(call.ports)


OPERATIONS = (
    Operation(
        name="audit_telemetry",
        method="GET",
        path="/v1/telemetry/audit",
        summary="Recount what this node acknowledged, and compare it with what it counted",
        permission=Permission.READ_NODE,
        handle=handle_audit,
        answer=AuditView,
    ),
    Operation(
        name="show_reports",
        method="GET",
        path="/v1/telemetry/reports",
        summary="List the nodes that send their reports here, and until when everything of each is here",
        permission=Permission.READ_NODE,
        handle=handle_reports,
        answer=list[ReportsOfNode],
    ),
    Operation(
        name="export_events",
        method="GET",
        path="/v1/apps/{app}/telemetry/export",
        summary="Export the raw events that this node keeps, as lines of JSON or as Parquet",
        permission=Permission.EXPORT_EVENTS,
        handle=handle_export,
        answer=bytes,
        query=(WITHIN, FORMAT),
        content_type=OCTETS,
    ),
)
