"""Raw events as rows: all kinds of lines, of one app and time, in any form of segment."""

import json

import pytest
from telemetry_lines import APP, NOW, line, report_line, write_segment

from edge.telemetry.spool.app_records import AppEvent, Outcome, Outcomes, Used, encode_outcomes, encode_used
from edge.telemetry.spool.kept_segment import compress_segment
from edge.telemetry.spool.segment import SEALED
from edge.telemetry.upkeep.erasures import erased_until, note_erasure
from edge.telemetry.upkeep.raw_events import read_raw_events

DEVICE = "1b9c6ad5-0b5e-4c4c-9c0e-6a1f6d0f2a11"


def rows(directory, since=0.0, until=NOW + 1e6):
    return list(read_raw_events(directory, APP, int(since * 1000), int(until * 1000)))


def an_app_event(received=NOW):
    of = [AppEvent("checkout", "purchase", 5_000, 9.5, {"currency": "EUR"})]
    return encode_used(Used(APP, DEVICE, of, "c-1", "ios"), received)


def an_outcome(received=NOW):
    return encode_outcomes(Outcomes(APP, [Outcome("ticket", "T-1", 7_000, custom_id="c-1", value=1.0)]), received)


def test_every_kind_of_line_is_rows_and_what_was_not_said_is_left_out(tmp_path):
    own = line(action="withheld_set_fail")
    write_segment(tmp_path, [own, an_app_event(), an_outcome(), b"no record of " + APP.encode()])
    node, app, outcome = rows(tmp_path)
    assert (node.kind, node.name, node.version) == ("node", "withheld_set_fail", "1.0.0")
    assert (app.kind, app.app_kind, app.name, app.value) == ("app", "purchase", "checkout", 9.5)
    assert (app.labels, app.device, app.custom_id, app.device_ms) == ({"currency": "EUR"}, DEVICE, "c-1", 5_000)
    assert (outcome.kind, outcome.name, outcome.id, outcome.device) == ("outcome", "ticket", "T-1", "")


def test_all_events_of_a_report_are_rows(tmp_path):
    event = {
        "platform": "android",
        "device_id": DEVICE,
        "version_name": "1.0.0",
        "version_build": "1.0.0",
        "version_os": "14",
        "plugin_version": "8.51.14",
        "is_emulator": False,
        "is_prod": True,
    }
    write_segment(tmp_path, [report_line([event | {"action": "set"}, event | {"action": "app_launch_ready"}])])
    found = rows(tmp_path)
    assert [(each.kind, each.name, each.os) for each in found] == [
        ("report", "set", "14"),
        ("report", "app_launch_ready", "14"),
    ]


def test_a_device_that_is_being_erased_is_left_out_up_to_then(tmp_path):
    write_segment(tmp_path, [an_app_event(NOW), an_app_event(NOW + 60), line(received=NOW)], seal=False)
    note_erasure(tmp_path / "erasures", APP, DEVICE, NOW + 1)
    note_erasure(tmp_path / "erasures", "com.else", DEVICE, NOW + 100)
    erased = erased_until(tmp_path / "erasures", APP)
    found = list(read_raw_events(tmp_path, APP, 0, int((NOW + 1e6) * 1000), erased))
    assert [(each.kind, each.received_ms) for each in found] == [
        ("app", int((NOW + 60) * 1000)),
        ("report", int(NOW * 1000)),
    ]


def test_another_app_and_another_time_are_left_out(tmp_path):
    write_segment(tmp_path, [line(received=NOW - 1), line(received=NOW), line(received=NOW + 1)])
    write_segment(tmp_path, [line(app="com.else"), an_app_event().replace(APP.encode(), b"com.else")], worker=1)
    assert [each.received_ms for each in rows(tmp_path, NOW, NOW + 1)] == [int(NOW * 1000)]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_kept_segment_gives_the_same_rows(tmp_path, compressed):
    path = write_segment(tmp_path, [line(version=f"1.0.{n}") for n in range(100)]).path.with_suffix(SEALED)
    if compressed:
        compress_segment(path)
    assert [each.version for each in rows(tmp_path)] == [f"1.0.{n}" for n in range(100)]
    assert json.dumps([each.name for each in rows(tmp_path)][:1]) == '["set"]'
