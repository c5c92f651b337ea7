"""This node: its workers, the revisions that it serves, its disk, its certificate, its counting, its webhooks."""

from edge.control.shapes.node import NodeStatus
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
from edge.page.views.visit import PageRoute, Shown, Unread, Visit


async def show_nodes(visit: Visit) -> Shown:
    node: NodeStatus = await visit.ask("show_node", {})
    notices = notices_of(node, visit.now)
    webhooks = await visit.attempt("list_webhooks", {}) if visit.allows("list_webhooks") else None
    values = {
        "node": node,
        "lede": lede_of(node, notices),
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
