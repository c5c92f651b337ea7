"""Metrics of messages to devices. Pure."""

from typing import NamedTuple

from edge.wire.exposition import Family, Sample


class SendingSeen(NamedTuple):
    """`active` messages are planned or sent; `halted` credentials are refused by their provider; `restarts` of the
    process that sends, since the start. `unreadable` credentials are sealed with a key that is not here."""

    is_up: bool
    active: int
    halted: int
    restarts: int
    unreadable: int


def build_sending_metrics(seen: SendingSeen) -> list[Family]:
    """In a fixed order."""
    up = "1 while the process that sends messages runs and its last look succeeded."
    active = "Messages that are being planned or sent."
    halted = "Credentials of apps that a push provider refuses: nothing goes through them."
    unreadable = "Credentials of apps that are sealed with a key that this node lacks: nothing goes through them."
    restarts = "Starts of the process that sends messages after it ended."
    return [
        Family("edge_messages_up", "gauge", up, [Sample({}, seen.is_up)]),
        Family("edge_messages_active", "gauge", active, [Sample({}, seen.active)]),
        Family("edge_push_halted", "gauge", halted, [Sample({}, seen.halted)]),
        Family("edge_push_unreadable", "gauge", unreadable, [Sample({}, seen.unreadable)]),
        Family("edge_messages_restarts_total", "counter", restarts, [Sample({}, seen.restarts)]),
    ]
