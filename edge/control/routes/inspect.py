"""Reading the node: its status and metrics."""

from edge.control.access.roles import Permission
from edge.control.calls import Call
from edge.control.operations import Operation
from edge.control.shapes.node import NodeStatus
from edge.wire.exposition import CONTENT_TYPE


async def handle_node(call: Call[None]) -> NodeStatus:
    return await call.ports.node.status()


async def handle_metrics(call: Call[None]) -> bytes:
    return await call.ports.node.metrics()


OPERATIONS = (
    Operation(
        name="show_node",
        method="GET",
        path="/v1/node",
        summary="Show this node's status",
        permission=Permission.READ_NODE,
        handle=handle_node,
        answer=NodeStatus,
    ),
    Operation(
        name="show_metrics",
        method="GET",
        path="/v1/metrics",
        summary="Show this node's metrics in the Prometheus text format",
        permission=Permission.READ_NODE,
        handle=handle_metrics,
        answer=str,
        content_type=CONTENT_TYPE,
    ),
)
