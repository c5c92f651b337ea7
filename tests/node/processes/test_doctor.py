"""What the doctor makes of a host, as tables; and that its readers read this one and leave nothing behind."""

import errno

import pytest
from small_disk import a_small_disk

from edge.node.observing.python_build import PythonBuild
from edge.node.processes.doctor import CLOCK_ERROR_SECONDS, SLOW_SYNC_SECONDS, WINDOW_SEGMENTS, Host, examine
from edge.node.processes.host import measure_sync, parse_windows, read_clock, read_host

GOOD = Host(
    descriptors=1_048_576,
    backlog=4_096,
    somaxconn=4_096,
    congestion="bbr",
    window_segments=WINDOW_SEGMENTS,
    slow_start_after_idle=False,
    clock_synchronised=True,
    clock_error_seconds=0.01,
    sync_seconds=0.001,
    sync_error=0,
    free_bytes=9 << 30,
    spool_limit_bytes=8 << 30,
    dual_stack=True,
    python=PythonBuild("3.11.2", profiled=True, flags="-O2"),
    tickets_fault="",
)


def finding(name, **changed):
    return next(each for each in examine(GOOD._replace(**changed)) if each.name == name)


def test_nothing_is_wrong_with_a_good_host():
    assert {(each.level, each.remedy) for each in examine(GOOD)} == {("ok", "")}
    assert len({each.name for each in examine(GOOD)}) == len(examine(GOOD)) == 11


@pytest.mark.parametrize(
    ("name", "field", "good", "bad"),
    [
        ("descriptors", "descriptors", (None, 100_640), (1_024, 100_639)),
        ("somaxconn", "somaxconn", (4_096, 65_535), (128, 4_095, None)),
        ("congestion", "congestion", ("bbr", "bbr2"), ("cubic", "reno", None, "")),
        ("initial_window", "window_segments", (WINDOW_SEGMENTS, 100), (10, WINDOW_SEGMENTS - 1, None)),
        ("slow_start_after_idle", "slow_start_after_idle", (False,), (True, None)),
        ("clock", "clock_synchronised", (True,), (False, None)),
        ("clock", "clock_error_seconds", (0.0, CLOCK_ERROR_SECONDS), (CLOCK_ERROR_SECONDS + 0.001, 16.0)),
        ("disk_sync", "sync_seconds", (0.0001, SLOW_SYNC_SECONDS), (SLOW_SYNC_SECONDS + 0.001, None)),
        ("disk_space", "free_bytes", (8 << 30,), ((8 << 30) - 1, 0)),
        ("ipv6", "dual_stack", (True,), (False,)),
        ("tls_sessions", "tickets_fault", ("",), ("not known for pypy 3.11",)),
        ("python", "python", (GOOD.python,), (GOOD.python._replace(profiled=False),)),
    ],
)
def test_each_limit_is_warned_about_alone_and_with_its_remedy(name, field, good, bad):
    for value in good:
        assert finding(name, **{field: value}).level == "ok", value
    for value in bad:
        found = finding(name, **{field: value})
        assert found.level == "warn" and found.remedy and "\n" not in found.remedy, value
        others = [each for each in examine(GOOD._replace(**{field: value})) if each.name != name]
        assert {each.level for each in others} == {"ok"}


def test_a_descriptor_limit_is_told_in_connections():
    assert finding("descriptors", descriptors=1_024).seen == "1024: 192 of 50000 connections a worker"


@pytest.mark.parametrize(
    ("routes", "windows"),
    [
        ("", []),
        ("default via 192.0.2.1 dev eth0 proto dhcp metric 100 \n", [10]),
        ("default via 192.0.2.1 dev eth0 initcwnd 30 initrwnd 30\n", [30]),
        ("default via fe80::1 dev eth0\ndefault via fe80::2 dev eth1 initcwnd 20\n", [10, 20]),
    ],
)
def test_the_initial_window_of_routes(routes, windows):
    assert parse_windows(routes) == windows


def test_this_host_can_be_read_and_the_directory_is_left_as_it_was(tmp_path):
    host = read_host(tmp_path, 4_096, 8 << 30)
    assert host.free_bytes > 0 and host.sync_seconds > 0 and host.somaxconn > 0
    assert len(examine(host)) == 11
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_is_not_made(tmp_path):
    missing = tmp_path / "none" / "yet"
    host = read_host(missing, 4_096, 8 << 30)
    assert host.sync_seconds is None is measure_sync(missing).seconds
    (sync,) = (each for each in examine(host) if each.name == "disk_sync")
    assert "does not exist" in sync.seen
    assert host.free_bytes > 0 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "seen", "remedy"), [("fill", "full disk", "make room"), ("seal", "read-only", "writable")]
)
def test_a_disk_that_cannot_be_written_is_named_as_the_cause(tmp_path, spoil, seen, remedy):
    with a_small_disk(tmp_path / "disk") as disk:
        (disk.path / "data").mkdir()
        getattr(disk, spoil)()
        host = read_host(disk.path / "data", 4_096, 8 << 30)
        assert not any((disk.path / "data").iterdir())
    (sync,) = (each for each in examine(host) if each.name == "disk_sync")
    assert (sync.level, host.sync_seconds) == ("warn", None)
    assert seen in sync.seen and remedy in sync.remedy


def test_a_directory_of_another_user_is_named_as_the_cause():
    sync = finding("disk_sync", sync_seconds=None, sync_error=errno.EACCES)
    assert (sync.seen, sync.remedy) == (
        "not measured: data_dir cannot be written",
        "let this user write to the data directory",
    )


def test_the_clock_is_only_read():
    synchronised, error_seconds = read_clock()
    assert synchronised in {True, False, None} and 0 <= error_seconds < 3600
