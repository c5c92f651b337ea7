"""Looking without changing: the node's status, why a device gets what it gets, and the counts."""

from typing import Any

import msgspec

from edge.control.operations import Call, Operation, check_app, decode_body
from edge.control.roles import Permission
from edge.control.shapes import AppStats, Explanation, NodeStatus
from edge.domain.errors import Invalid
from edge.node.exposition import CONTENT_TYPE


class _Asks(msgspec.Struct):
    app_id: str = ""


async def handle_node(call: Call[None]) -> Any:
    return await call.ports.node_status()


async def handle_metrics(call: Call[None]) -> bytes:
    return await call.ports.metrics()


async def handle_explain(call: Call[msgspec.Raw]) -> Any:
    """Raises Invalid `app_mismatch` when the device's body is about another app than the address."""
    await check_app(call)
    body = bytes(call.body)
    _check_app(call.app, body)
    return await call.ports.explain(call.app, body)


async def handle_stats(call: Call[None]) -> Any:
    await check_app(call)
    return await call.ports.stats(call.app)


def _check_app(app: str, body: bytes) -> None:
    """A token for one app must not ask about another through the body."""
    asked = decode_body(body, _Asks).app_id
    if asked != app:
        raise Invalid("app_mismatch", f"the device asks about app {asked[:128]!r}, the address is about {app!r}")


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
        summary="Show this node's counters for Prometheus",
        permission=Permission.READ_NODE,
        handle=handle_metrics,
        answer=str,
        content_type=CONTENT_TYPE,
    ),
    Operation(
        name="explain",
        method="POST",
        path="/v1/apps/{app}/explain",
        summary="Show every rule that a device's question to /updates meets, and the answer",
        permission=Permission.READ_APP,
        handle=handle_explain,
        answer=Explanation,
        body=msgspec.Raw,
        refusals=(400,),
    ),
    Operation(
        name="show_stats",
        method="GET",
        path="/v1/apps/{app}/stats",
        summary="Show plain counts of events per bundle and action",
        permission=Permission.READ_APP,
        handle=handle_stats,
        answer=AppStats,
    ),
)
