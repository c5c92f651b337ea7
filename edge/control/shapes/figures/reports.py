"""Answers about reports of devices that are not here yet."""

from edge.control.shapes.common import AnswerBody


class MissingReports(AnswerBody, frozen=True, kw_only=True):
    """Of the node `name` everything is here that its devices reported before `until` (seconds since the epoch; null:
    nobody knows yet); its clock is `clock_off_seconds` ahead of this node's."""

    name: str
    region: str
    until: float | None
    clock_off_seconds: float = 0.0
