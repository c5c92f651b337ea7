"""All nodes; then this one: its workers, the revisions that it serves, its disk, its certificate, its counting, its
webhooks."""

from edge.control.shapes.node import NodeStatus, NodeView
from edge.page.views.node.condition import (
    damage_table,
    disk_of,
    figures_of,
    heads_table,
    lede_of,
    notices_of,
    webhook_table,
    worker_table,
)
from edge.page.views.node.reporting_nodes import NODES_SHOWN, nodes_lede, nodes_summary, nodes_table
from edge.page.views.visit import PageRoute, Shown, Unread, Visit


async def show_nodes(visit: Visit) -> Shown:
    node: NodeStatus = await visit.ask("show_node", {})
    nodes: list[NodeView] = await visit.ask("list_nodes", {})
    notices = notices_of(node, visit.now)
    webhooks = await visit.attempt("list_webhooks", {}) if visit.allows("list_webhooks") else None
    values = {
        "node": node,
        "alone": len(nodes) == 1,
        "lede": lede_of(node, notices) if len(nodes) == 1 else nodes_lede(nodes),
        "nodes": nodes_table(nodes, visit.now),
        "more_nodes": max(0, len(nodes) - NODES_SHOWN),
        "summary": nodes_summary(nodes),
        "notices": notices,
        "workers": worker_table(node.workers),
        "disk": disk_of(node),
        "figures": figures_of(node, visit.now),
        "heads": heads_table(node),
        "more_heads": max(0, len(node.heads) - 100),
        "damaged": damage_table(node.damaged) if node.damaged else None,
        "webhooks": webhook_table(webhooks) if isinstance(webhooks, list) else None,
        "unread": webhooks if isinstance(webhooks, Unread) else None,
    }
    return Shown("nodes.html", "Nodes", values)


ROUTES = (PageRoute("/nodes", "nodes", show_nodes),)
