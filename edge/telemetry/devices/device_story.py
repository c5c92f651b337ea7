"""What one device reported, newest first, from the events that this node still holds; in pages. Blocks while it reads.

A page never splits the events of one millisecond: the next one begins before the time of the last event.
"""

from collections.abc import Iterable
from typing import NamedTuple

from edge.wire.stats import Event


class StoryEvent(NamedTuple):
    """An event and when it was received, in epoch milliseconds."""

    received_ms: int
    event: Event


class StoryPage(NamedTuple):
    """`more`: there are older events. `cut` states whether a limit was reached before the end of the spool."""

    events: list[StoryEvent]
    more: bool
    cut: bool = False


def take_page(events: Iterable[tuple[int, Event]], limit: int, before_ms: int, erased_ms: int) -> StoryPage:
    """At most `limit` events received before `before_ms`, and those that share the last one's millisecond. What was
    received by `erased_ms` does not count."""
    found: list[StoryEvent] = []
    for received_ms, event in events:
        if received_ms <= erased_ms:
            break
        if received_ms >= before_ms:
            continue
        if len(found) >= limit and found[-1].received_ms != received_ms:
            return StoryPage(found, more=True)
        found.append(StoryEvent(received_ms, event))
    return StoryPage(found, more=False)
