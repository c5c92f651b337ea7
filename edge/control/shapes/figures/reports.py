"""Answers about reports of devices that are not here yet."""

from edge.control.shapes.common import AnswerBody


class ReportsOfNode(AnswerBody, frozen=True, kw_only=True):
    """Everything is here that devices of the node reported before `until` (seconds since the epoch; null: nobody knows
    yet), `behind_seconds` ago. At its last word `waiting_bytes` were still to be sent, and `refused` reports had found
    no room there since it started."""

    node: str
    name: str
    region: str
    until: float | None
    behind_seconds: float | None
    clock_off_seconds: float
    waiting_bytes: int
    refused: int


class MissingReports(AnswerBody, frozen=True, kw_only=True):
    """Of the node `name` everything is here that its devices reported before `until` (seconds since the epoch; null:
    nobody knows yet); its clock is `clock_off_seconds` ahead of this node's."""

    name: str
    region: str
    until: float | None
    clock_off_seconds: float = 0.0
