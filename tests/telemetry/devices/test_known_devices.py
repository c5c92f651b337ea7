"""Known devices: the latest report of each, newest first over all segments, bounded, and only what can ask."""

import os
import uuid
from collections import OrderedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry_lines import APP, NOW, write_segment

from edge.domain.model import Platform
from edge.domain.versions import UNNUMBERED, Version
from edge.telemetry.devices.known_devices import KnownDevices, check_of
from edge.telemetry.spool.record import encode_record
from edge.telemetry.spool.segment import list_segments
from edge.wire.stats import Event

DEVICE = str(uuid.UUID(int=1))


def an_event(device=1, **changes) -> Event:
    values = {
        "app": APP,
        "device": str(uuid.UUID(int=device)),
        "action": "app_moved_to_foreground",
        "version": "1.0.1",
        "platform": "ios",
        "plugin": "8.51.14",
        "native": "1.0.0",
    }
    return Event(**(values | changes))


def a_line(device=1, at=NOW, **changes) -> bytes:
    return encode_record(an_event(device, **changes), at)


def written(directory, *groups, at, **options):
    """A segment whose last record was written at that time."""
    segment = write_segment(directory, *groups, **options)
    path = segment.path if options.get("seal") is False else segment.path.with_suffix(".sealed")
    os.utime(path, (at, at))
    return segment


def found(directory, **options):
    known = KnownDevices(directory, APP, **options)
    return [(uuid.UUID(each.check.device).int, each.check.version_name, each.reported) for each in known], known


def test_a_device_counts_by_its_latest_report_in_the_order_of_reports(tmp_path):
    lines = [a_line(1, NOW), a_line(2, NOW + 1), a_line(1, NOW + 2, version="1.0.2"), a_line(3, NOW + 3)]
    written(tmp_path, lines[:2], lines[2:], at=NOW + 3)
    devices, known = found(tmp_path)
    assert devices == [(3, "1.0.1", NOW + 3), (1, "1.0.2", NOW + 2), (2, "1.0.1", NOW + 1)]
    assert (known.devices, known.since, known.cut) == (3, NOW + 1, False)


def test_a_device_that_is_being_erased_counts_by_what_it_said_since(tmp_path):
    lines = [a_line(1, NOW), a_line(2, NOW), a_line(3, NOW), a_line(2, NOW + 9, version="1.0.2")]
    written(tmp_path, lines, at=NOW + 9, seal=False)
    until = int((NOW + 5) * 1000)
    devices, _ = found(tmp_path, erased={str(uuid.UUID(int=1)): until, str(uuid.UUID(int=2)): until})
    assert devices == [(2, "1.0.2", NOW + 9), (3, "1.0.1", NOW)]


def test_segments_of_several_workers_are_read_as_one(tmp_path):
    written(tmp_path, [a_line(1, NOW)], [a_line(2, NOW + 20)], [a_line(3, NOW + 40)], at=NOW + 40, worker=0)
    written(tmp_path, [a_line(1, NOW + 10, version="2.0.0")], [a_line(4, NOW + 30)], at=NOW + 30, worker=1)
    written(tmp_path, [a_line(5, NOW - 100), a_line(3, NOW - 50)], at=NOW - 50, worker=0, now=NOW - 100)
    devices, _ = found(tmp_path)
    assert [(device, version) for device, version, _ in devices] == [
        (3, "1.0.1"),
        (4, "1.0.1"),
        (2, "1.0.1"),
        (1, "2.0.0"),
        (5, "1.0.1"),
    ]


def test_a_segment_that_is_being_written_is_read_up_to_its_last_whole_group(tmp_path):
    writer = written(tmp_path, [a_line(1)], [a_line(2, NOW + 1)], at=NOW, seal=False)
    with writer.path.open("ab") as file:
        file.write(b"\xff\x00\x00\x00half of a frame")
    assert [device for device, _, _ in found(tmp_path)[0]] == [2, 1]
    writer.seal()


def test_a_damaged_group_is_left_out_and_those_before_it_are_not(tmp_path):
    written(tmp_path, [a_line(1)], [a_line(2, NOW + 1)], at=NOW + 1)
    (path,) = list_segments(tmp_path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert [device for device, _, _ in found(tmp_path)[0]] == [1]


def test_what_is_no_segment_or_of_a_newer_format_is_passed_over(tmp_path):
    written(tmp_path, [a_line(1)], at=NOW)
    (tmp_path / "x-0-1-a.sealed").write_bytes(b'{"format":4,"node":"x","worker":0,"started_ms":1}\n')
    (tmp_path / "y-0-1-b.sealed").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    assert [device for device, _, _ in found(tmp_path)[0]] == [1]


def test_nobody_is_known_without_a_spool(tmp_path):
    devices, known = found(tmp_path / "nowhere")
    assert (devices, known.devices, known.since, known.cut) == ([], 0, None, False)


def test_other_apps_and_odd_lines_are_not_counted(tmp_path):
    odd = [b'{"event":"com.acme.shop"}', b"com.acme.shop\xff", a_line(2, app="com.acme.shop.beta")]
    written(tmp_path, [a_line(1), *odd, a_line(3, app="com.other.app", custom_id=APP)], at=NOW)
    assert [device for device, _, _ in found(tmp_path)[0]] == [1]


def test_the_limit_of_devices_keeps_the_newest_and_is_told(tmp_path):
    written(tmp_path, [a_line(n, NOW + n) for n in range(1, 6)], at=NOW + 5)
    devices, known = found(tmp_path, devices_limit=2)
    assert [device for device, _, _ in devices] == [5, 4] and known.cut
    assert not found(tmp_path, devices_limit=5)[1].cut


def test_the_limit_of_bytes_ends_it_before_the_older_ones_and_is_told(tmp_path):
    written(tmp_path, *([a_line(n, NOW + n)] for n in range(1, 6)), at=NOW + 5)
    size = len(a_line(5, NOW + 5))
    devices, known = found(tmp_path, read_limit_bytes=2 * size)
    assert [device for device, _, _ in devices] == [5, 4] and known.cut
    assert not found(tmp_path, read_limit_bytes=5 * size)[1].cut


def test_what_is_beyond_the_limit_of_bytes_is_not_opened(tmp_path):
    written(tmp_path, [a_line(1, NOW + 20)], [a_line(2, NOW + 21)], at=NOW + 21)
    never = tmp_path / "node-0-1-older.sealed"
    never.mkdir()  # opening it would raise
    os.utime(never, (NOW, NOW))
    devices, known = found(tmp_path, read_limit_bytes=len(a_line(2, NOW + 21)))
    assert ([device for device, _, _ in devices], known.cut) == ([2], True)


def test_one_device_is_found_among_others(tmp_path):
    written(tmp_path, [a_line(n, NOW + n, custom_id=DEVICE) for n in range(1, 6)], at=NOW + 5)
    assert [device for device, _, _ in found(tmp_path, device=DEVICE)[0]] == [1]


@pytest.mark.parametrize(
    ("event", "runs"),
    [
        (an_event(), "1.0.1"),
        (an_event(action="set", version="1.0.2"), "1.0.2"),
        (an_event(action="webview_resource_error", version="1.0.2"), "1.0.2"),
        (an_event(version="builtin"), "1.0.0"),
        (an_event(version=""), "1.0.0"),
        (an_event(action="reset", version="1.0.1"), "1.0.0"),
        (an_event(version="1.0.1:assets/app.js"), "1.0.1"),
    ],
)
def test_what_a_device_runs(event, runs):
    assert check_of(event).version_name == runs


@pytest.mark.parametrize("action", ["download_fail", "update_fail", "set_next", "delete", "get", "experiment_offer"])
def test_a_report_about_another_bundle_does_not_say_what_it_runs(tmp_path, action):
    written(tmp_path, [a_line(1), a_line(1, NOW + 1, version="9.9.9", action=action)], at=NOW + 1)
    assert found(tmp_path)[0] == [(1, "1.0.1", NOW)]


@pytest.mark.parametrize("missing", [{"platform": "windows"}, {"plugin": ""}])
def test_who_could_not_ask_is_not_known(tmp_path, missing):
    written(tmp_path, [a_line(1), a_line(2, NOW + 1, **missing)], at=NOW + 1)
    assert [device for device, _, _ in found(tmp_path)[0]] == [1]


def test_a_native_version_without_a_number_is_known_as_such():
    natives = [check_of(an_event(native=native)).native for native in ("", "dev", "1")]
    assert natives == [UNNUMBERED, UNNUMBERED, Version(1, 0, 0)]


@pytest.mark.parametrize(("version", "own_name"), [("builtin", "builtin"), ("1.0.0", "1.0.0"), ("1.0.1", "1.0.1")])
def test_a_device_is_asked_for_in_its_own_word_for_what_it_runs(version, own_name):
    assert check_of(an_event(version=version, native="1.0.0")).own_name == own_name


def test_the_electron_package_is_known_as_such_whatever_it_calls_its_platform():
    assert check_of(an_event(platform="android", plugin="0.0.1")).platform is Platform.ELECTRON


def test_a_check_says_everything_that_the_report_said():
    said = {
        "is_prod": False,
        "is_emulator": True,
        "custom_id": "vip",
        "default_channel": "beta",
        "key_id": "abcd",
        "os": "17.4",
        "install_source": "testflight",
    }
    check = check_of(an_event(**said))
    assert (check.app, check.device, check.platform, check.version_build) == (APP, DEVICE, Platform.IOS, "1.0.0")
    assert (check.native.major, check.plugin.version, check.country) == (1, "8.51.14", "")
    named = said | {"version_os": said["os"]}
    assert all(getattr(check, name) == value for name, value in named.items() if name != "os")


def test_a_report_of_an_older_release_lacks_fields_and_counts(tmp_path):
    event = {"app": APP, "device": DEVICE, "action": "set", "version": "1.0.1", "platform": "ios"}
    old = msgspec.json.encode({"received_ms": int(NOW * 1000), "event": event | {"native": "1.0.0", "plugin": "5.0.0"}})
    written(tmp_path, [old], at=NOW)
    assert found(tmp_path)[0] == [(1, "1.0.1", NOW)]


reports = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6), st.integers(1, 3)), max_size=30)


@given(reports)
def test_any_spread_over_segments_gives_what_one_ordered_list_would(tmp_path_factory, reports):
    """Each report: which worker took it, of which device, and how many seconds after the one before."""
    directory = tmp_path_factory.mktemp("spool")
    latest, lines, ends, now = OrderedDict(), {}, {}, NOW
    for number, (worker, device, pause) in enumerate(reports):
        now += pause
        lines.setdefault(worker, []).append([a_line(device, now, version=f"1.0.{number}")])
        ends[worker] = now
        latest.pop(device, None)
        latest[device] = (device, f"1.0.{number}", now)
    for worker, groups in lines.items():
        written(directory, *groups, at=ends[worker], worker=worker)
    assert found(directory)[0] == list(reversed(latest.values()))
