"""A flood of what is not wanted hides what is wanted only beyond a limit of its own."""

import pytest
from telemetry_lines import NOW, write_segment

from edge.domain.model import AppId, DeviceId
from edge.telemetry.recent_events import RecentEvents
from edge.telemetry.record import encode_record
from edge.wire.stats import Event

APP, OTHER_APP = AppId("com.acme.shop"), AppId("com.flooded")
PHONE, MADE_UP = (DeviceId(f"{number:08x}-eefe-490a-9c60-8e965132ae51") for number in (1, 2))


def a_line(app, device, at):
    event = Event(
        app=app, device=device, action="set", version="1.0.1", platform="android", plugin="8.51.14", native="1"
    )
    return encode_record(event, at)


OURS = a_line(APP, PHONE, NOW)


@pytest.mark.parametrize(("app", "device"), [(OTHER_APP, None), (OTHER_APP, PHONE), (APP, PHONE)])
def test_a_flood_of_others_takes_no_room_of_what_is_wanted(tmp_path, app, device):
    flood = [a_line(app, MADE_UP, NOW + 1)] * 50
    write_segment(tmp_path, [OURS], *([line] for line in flood))
    passed = sum(map(len, flood))
    events = RecentEvents(tmp_path, APP, device=device, read_limit_bytes=len(OURS), passed_limit_bytes=passed)
    assert [event.device for _, event in events] == [PHONE] and not events.cut
    events = RecentEvents(tmp_path, APP, device=device, read_limit_bytes=len(OURS), passed_limit_bytes=passed - 1)
    assert list(events) == [] and events.cut
