"""From where a segment's records come: which node's they are, and in which region that node is. Pure.

What a node says counts for its own devices alone: a stream of another node's worker is not its to go on with.
"""

from collections.abc import Mapping
from typing import NamedTuple

from edge.telemetry.spool.segment import node_of


class SegmentOrigin(NamedTuple):
    """`scope` is what names of the node's streams begin with; "" for this node's own."""

    region: str = ""
    scope: str = ""

    @property
    def node(self) -> str:
        """ "" for this one."""
        return self.scope[:-1]

    def stream(self, name: str) -> str:
        """A stream by the name that it counts under."""
        return name if name.startswith(self.scope) else f"{self.scope}{name}"


class SegmentOrigins(NamedTuple):
    """`node` is this one, in `region`; `regions` are those of the others, by node."""

    node: str = ""
    region: str = ""
    regions: Mapping[str, str] = {}

    def of(self, segment: str) -> SegmentOrigin:
        node = node_of(segment)
        if not self.node or not node or node == self.node:
            return SegmentOrigin(self.region)
        return SegmentOrigin(self.regions.get(node, ""), f"{node}-")


HERE = SegmentOrigins()  # all of this node, without a region
