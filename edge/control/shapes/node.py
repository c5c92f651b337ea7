"""What the control API answers about the node itself."""

from typing import Any

from edge.control.shapes.common import Answer


class NodeStatus(Answer, frozen=True, kw_only=True):
    version: str
    apps: int
    workers: list[dict[str, Any]]
    heads: dict[str, Any]
    refused: dict[str, Any]
