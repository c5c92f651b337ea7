"""Metrics of what the node says by itself. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from edge.wire.exposition import Family, Sample

OUTCOMES = ("delivered", "failed", "given_up")


class MessagesSeen(NamedTuple):
    """`outcomes` count attempts since the start. What waits and who fails is None if the outbox cannot be read."""

    outcomes: Mapping[str, int] = {}
    waiting: int | None = 0
    failing: int | None = 0


def build_message_metrics(seen: MessagesSeen) -> list[Family]:
    """In a fixed order."""
    up = "1 while notices can be kept and delivered."
    failing = "Webhooks whose latest attempt failed."
    waiting = "Notices that wait for a webhook, once for each."
    attempts = "Attempts to deliver a notice: delivered, failed; given_up counts notices that are not tried again."
    outcomes = [Sample({"outcome": each}, seen.outcomes.get(each, 0)) for each in OUTCOMES]
    return [
        Family("edge_outbox_up", "gauge", up, [Sample({}, seen.waiting is not None)]),
        Family("edge_webhooks_failing", "gauge", failing, _known(seen.failing)),
        Family("edge_notices_waiting", "gauge", waiting, _known(seen.waiting)),
        Family("edge_webhook_attempts_total", "counter", attempts, outcomes),
    ]


def _known(value: int | None) -> list[Sample]:
    return [] if value is None else [Sample({}, value)]
