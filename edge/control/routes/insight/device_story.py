"""What one device reported to this node, newest first."""

from edge.control.access.roles import Permission
from edge.control.calls import Call, check_app
from edge.control.operations import Operation, parse_number
from edge.control.routes.apps import HISTORY_DEFAULT, HISTORY_LIMIT
from edge.control.shapes.common import WHOLE_LIMIT
from edge.control.shapes.insight.device_story import DeviceStory, StoryEventView
from edge.domain.model import parse_device_id
from edge.telemetry.devices.device_story import StoryEvent
from edge.wire.stats import bundle_of


async def handle_story(call: Call[None]) -> DeviceStory:
    """Raises Unavailable `busy`."""
    await check_app(call)
    device = parse_device_id(call.part("device"))
    limit = parse_number(call.request, "limit", HISTORY_DEFAULT, 1, HISTORY_LIMIT)
    before_ms = parse_number(call.request, "before_ms", WHOLE_LIMIT, 1, WHOLE_LIMIT)
    page = await call.ports.known_devices.story(call.app, device, limit, before_ms)
    return DeviceStory(
        app=call.app,
        device=device,
        events=[_view(each) for each in page.events],
        next_page=page.events[-1].received_ms if page.more else None,
        cut=page.cut,
    )


def _view(each: StoryEvent) -> StoryEventView:
    event, bundle = each.event, bundle_of(each.event.version)
    return StoryEventView(
        at=each.received_ms / 1000,
        action=event.action,
        bundle=bundle,
        file=event.version[len(bundle) + 1 :],
        was=event.old_version,
        native=event.native,
        plugin=event.plugin,
        os=event.os,
        metadata=event.metadata,
    )


OPERATIONS = (
    Operation(
        name="show_device_story",
        method="GET",
        path="/v1/apps/{app}/devices/{device}/story",
        summary="Show what a device reported to this node, newest first",
        permission=Permission.LOOK_UP_DEVICES,
        handle=handle_story,
        answer=DeviceStory,
        query=("limit", "before_ms"),
        refusals=(503,),
    ),
)
