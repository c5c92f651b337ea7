"""A node in the list of nodes: what it said last, and what home knows of it. Pure."""

from typing import NamedTuple

from edge.regions.fleet.node_report import NodeReport
from edge.regions.fleet.registry import RegisteredNode


class NodeRow(NamedTuple):
    """A node as its last report shows it. `report` is None where none was kept. `heard` is when it came, in seconds
    since the epoch by this node's clock; `behind` are changes that it lacked then, `behind_seconds` since when this
    node has the first of those. `own`: it is this node; `shut_out`: its token was revoked; `of_two`: two
    nodes report with its id."""

    known: RegisteredNode
    report: NodeReport | None
    heard: float | None
    behind: int = 0
    behind_seconds: float = 0.0
    own: bool = False
    shut_out: bool = False
    of_two: bool = False

    @property
    def clock_off_seconds(self) -> float:
        """How far its clock was ahead of this node's when it reported, less the way of the report; 0: nobody knows."""
        return self.report.clock - self.heard if self.report and self.report.clock and self.heard else 0.0
