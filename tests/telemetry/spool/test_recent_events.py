"""What is wanted is found in any line; a flood of what is not hides it only beyond a limit of its own."""

import pytest
from report_bodies import SENT
from telemetry_lines import NOW, report_line, write_segment

from edge.domain.model import AppId, DeviceId
from edge.telemetry.spool.recent_events import RecentEvents
from edge.telemetry.spool.record import encode_record
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


@pytest.mark.parametrize("spelled", [PHONE, PHONE.upper()])
def test_a_device_is_found_within_reports_of_several_the_latest_first(tmp_path, spelled):
    said = [(spelled, "1.0.1"), (MADE_UP, "1.0.9"), (spelled, "1.0.2")]
    sent = [SENT | {"device_id": device, "version_name": version} for device, version in said]
    write_segment(tmp_path, [OURS], [report_line(sent, NOW + 1)], [report_line(sent[1], NOW + 2)])
    events = list(RecentEvents(tmp_path, APP, device=PHONE))
    assert [(at, event.version) for at, event in events] == [
        (NOW * 1000 + 1000, "1.0.2"),
        (NOW * 1000 + 1000, "1.0.1"),
        (NOW * 1000, "1.0.1"),
    ]
    assert len(list(RecentEvents(tmp_path, APP))) == 5
