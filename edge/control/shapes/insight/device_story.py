"""The answer with what a device reported."""

from edge.control.shapes.common import AnswerBody


class StoryEventView(AnswerBody, frozen=True, kw_only=True):
    """An event, received `at` (seconds since the epoch). `action` is one of PROTOCOL.md §4.3, or the node's own.
    `bundle` is what it is about, `file` the file of it, `was` the bundle before. `metadata` has what the device said
    besides, or the arm that it was offered. Anyone who reaches the device port can send a report in any device's
    name."""

    at: float
    action: str
    bundle: str
    file: str
    was: str
    native: str
    plugin: str
    os: str
    metadata: dict[str, str]


class DeviceStory(AnswerBody, frozen=True, kw_only=True):
    """Newest first, from the reports that this node still holds. `next_page` is the `before_ms` of the next page, null
    on the last. `cut`: older reports were not read. Checks are counted, not kept by device, so they are not among the
    events."""

    app: str
    device: str
    events: list[StoryEventView]
    next_page: int | None
    cut: bool
