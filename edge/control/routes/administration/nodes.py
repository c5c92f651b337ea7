"""The nodes: what each said last, and the route by which they say it."""

from edge.control.access.roles import Permission
from edge.control.calls import Call
from edge.control.operations import Operation
from edge.control.shapes.node import NodeForgotten, NodeView, view_node
from edge.regions.fleet.node_report import NODE_REPORT_LIMIT_BYTES, NodeReport, NodeWelcome


async def handle_list(call: Call[None]) -> list[NodeView]:
    """This node first, then by name."""
    now = call.ports.clock.now()
    return [view_node(row, now) for row in await call.ports.fleet.rows()]


async def handle_show(call: Call[None]) -> NodeView:
    row = await call.ports.fleet.row(call.part("name"))
    return view_node(row, call.ports.clock.now())


async def handle_forget(call: Call[None]) -> NodeForgotten:
    gone = await call.ports.fleet.forget(call.part("name"))
    if call.ports.receiving is not None:
        await call.ports.receiving.forget(gone.node)
    return NodeForgotten(node=gone.node, name=gone.name, forgotten=True)


async def handle_report(call: Call[NodeReport]) -> NodeWelcome:
    return await call.ports.fleet.hear(call.grant.name, call.part("node"), call.body)


OPERATIONS = (
    Operation(
        name="list_nodes",
        method="GET",
        path="/v1/nodes",
        summary="List this node and those that report to it, each with its last report",
        permission=Permission.READ_NODE,
        handle=handle_list,
        answer=list[NodeView],
    ),
    Operation(
        name="show_reporting_node",
        method="GET",
        path="/v1/nodes/{name}",
        summary="Show what one node, by its name or id, reported last",
        permission=Permission.READ_NODE,
        handle=handle_show,
        answer=NodeView,
    ),
    Operation(
        name="forget_node",
        method="DELETE",
        path="/v1/nodes/{name}",
        summary="Forget a node that is gone; its token may speak for another one then",
        permission=Permission.MANAGE_STORE,
        handle=handle_forget,
        answer=NodeForgotten,
        refusals=(503,),
    ),
    Operation(
        name="report_node",
        method="POST",
        path="/v1/feed/nodes/{node}",
        summary="Say how this node is doing; for nodes, every few seconds",
        permission=Permission.SEND_HOME,
        handle=handle_report,
        answer=NodeWelcome,
        body=NodeReport,
        body_limit_bytes=NODE_REPORT_LIMIT_BYTES,
        refusals=(409, 503),
    ),
)
