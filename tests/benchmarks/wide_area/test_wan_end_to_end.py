"""A real link of 20 ms, one check, and nothing left behind. Needs root, TUN devices and nginx; skipped without."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from benchmarks.output.report import Missing
from benchmarks.programs import find_program
from benchmarks.wan import WanPlan, bench
from benchmarks.wide_area.link import WanLink
from benchmarks.wide_area.space import PREFIX, check_machine, space, sweep

ROUND_TRIP = 0.020
END_SECONDS = 60.0  # to take two namespaces away
AS_UNPRIVILEGED = """
import os, sys
import benchmarks.wan
from benchmarks.__main__ import main
if os.geteuid() == 0:
    os.setuid(65534)
sys.argv = ["benchmarks", "wan", "--quick", "--cache-dir", sys.argv[1]]
sys.exit(main())
"""
STAYS = """
import sys
from benchmarks.wide_area.space import space
with space():
    print("here", flush=True)
    sys.stdin.read()
"""


def fault() -> str:
    try:
        check_machine()
    except Missing as error:
        return str(error)
    return "" if find_program("nginx") else "nginx is not installed"


needs_link = pytest.mark.skipif(bool(fault()), reason=f"no link can be emulated here: {fault()}")


def left_by(pid: int) -> str:
    """The namespaces of a process that ran a bench."""
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    return "".join(line for line in listed.splitlines() if line.startswith(f"{PREFIX}-{pid}-"))


@contextlib.contextmanager
def another_run():
    """A process that has a link and stays in it."""
    command = [sys.executable, "-c", STAYS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout.readline() == b"here\n"
        assert left_by(run.pid)
        yield run


@pytest.mark.long
@needs_link
def test_a_check_over_twenty_milliseconds_takes_its_round_trips(tmp_path):
    once = WanPlan(rates_bps=(), round_trips_seconds=(), rounds=1, update_rounds=0, packages=())

    with bench() as measuring:
        measuring.prepare((), tmp_path)
        cell = measuring.measure(WanLink(ROUND_TRIP, 200e6), once)

    assert cell.median("check_new") >= 2 * ROUND_TRIP
    assert cell.median("check_kept") >= ROUND_TRIP
    assert cell.median("check_kept") < cell.median("check_new")
    assert min(cell.median("zip_edge"), cell.median("zip_nginx")) >= cell.model("zip_edge", measuring.zip_bytes)
    assert cell.counts["passed_bytes"] > 2 * measuring.zip_bytes
    assert left_by(os.getpid()) == ""


@needs_link
def test_a_failure_inside_leaves_no_namespace():
    with pytest.raises(ZeroDivisionError), space() as place:
        assert place.server.namespace in left_by(os.getpid())
        raise ZeroDivisionError

    assert left_by(os.getpid()) == ""


@needs_link
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_leaves_no_namespace(number):
    with another_run() as run:
        run.send_signal(number)
        assert run.wait(END_SECONDS) != 0

    assert left_by(run.pid) == ""


@needs_link
def test_what_a_killed_run_left_is_swept_by_the_next():
    with another_run() as run:
        run.kill()
    assert left_by(run.pid)

    sweep()

    assert left_by(run.pid) == ""


@needs_link
def test_an_unknown_congestion_control_is_refused_by_name():
    with space() as place, pytest.raises(Missing, match="nonesuch"):
        place.set(WanLink(ROUND_TRIP, 200e6), "nonesuch")


def test_without_root_the_command_says_why_and_exits_2():
    with tempfile.TemporaryDirectory() as cache:  # not in `tmp_path`, which other users may not enter
        Path(cache).chmod(0o777)
        done = subprocess.run([sys.executable, "-c", AS_UNPRIVILEGED, cache], capture_output=True, text=True)

    assert done.returncode == 2, done.stderr
    assert "need root" in done.stderr
