"""Reads a host's limits for `doctor`. Writes, times and removes one small file in the data directory.

Linux only. What cannot be read is None, never an error.
"""

import ctypes
import os
import re
import resource
import secrets
import shutil
import socket
import statistics
import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge.node.observing.python_build import read_build
from edge.node.processes.doctor import KERNEL_WINDOW_SEGMENTS, Host
from edge.node.tls.tickets import why_not_shared

SYNCS = 15  # enough for a median; a slow disk takes a second for them
SYNC_BYTES = 4096
COMMAND_SECONDS = 5.0

_SYSCTL = Path("/proc/sys")
_TIMEX = struct.Struct("@Iqqqqi")  # the beginning of struct timex (adjtimex(2)): modes, offset, freq, maxerror, ...
_TIMEX_BYTES = 256  # the whole has 208
_TIME_ERROR = 5  # the clock is not synchronised


def read_host(data_dir: Path, backlog: int, spool_limit_bytes: int) -> Host:
    """Blocks for as long as some syncs of the disk take."""
    clock, sync = read_clock(), measure_sync(data_dir)
    return Host(
        descriptors=read_descriptors(),
        backlog=backlog,
        somaxconn=_number(_sysctl("net/core/somaxconn")),
        congestion=_sysctl("net/ipv4/tcp_congestion_control"),
        window_segments=read_window(),
        slow_start_after_idle=_flag(_sysctl("net/ipv4/tcp_slow_start_after_idle")),
        clock_synchronised=clock.synchronised,
        clock_error_seconds=clock.error_seconds,
        sync_seconds=sync.seconds,
        sync_error=sync.error,
        free_bytes=shutil.disk_usage(_existing(data_dir)).free,
        spool_limit_bytes=spool_limit_bytes,
        dual_stack=socket.has_dualstack_ipv6(),
        tickets_fault=why_not_shared(),
        python=read_build(),
    )


def read_descriptors() -> int | None:
    """The hard limit of this process's open files; None: unlimited."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit


class ClockReading(NamedTuple):
    """Whether the kernel's clock is synchronised, None if unknown, and its own estimate of the largest error."""

    synchronised: bool | None
    error_seconds: float


def read_clock() -> ClockReading:
    """From adjtimex(2)."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes 0: only read
    state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    if state < 0:
        return ClockReading(None, 0.0)
    maximum_error_us = _TIMEX.unpack_from(timex.raw)[3]
    return ClockReading(state != _TIME_ERROR, maximum_error_us / 1e6)


def read_window() -> int | None:
    """Segments that a new connection may send at once, over the worst default route; None if no route was read."""
    windows = []
    for family in ("-4", "-6"):
        with suppress(OSError, subprocess.SubprocessError):
            listed = subprocess.run(  # noqa: S603
                ["ip", family, "route", "show", "default"],  # noqa: S607
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=True,
            )
            windows += parse_windows(listed.stdout)
    return min(windows, default=None)


def parse_windows(routes: str) -> list[int]:
    """For each line of `ip route`, its initcwnd, or the kernel's default."""
    found = [re.search(r"\binitcwnd (\d+)", line) for line in routes.splitlines() if line.strip()]
    return [int(window[1]) if window else KERNEL_WINDOW_SEGMENTS for window in found]


class SyncReading(NamedTuple):
    """The median seconds of a small synced write; None if it failed, with the errno."""

    seconds: float | None
    error: int = 0


def measure_sync(data_dir: Path) -> SyncReading:
    """Leaves nothing behind."""
    path = data_dir / f".doctor-{secrets.token_hex(8)}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        return SyncReading(None, error.errno or 0)
    try:
        return SyncReading(statistics.median(_sync(descriptor) for _ in range(SYNCS)))
    except OSError as error:
        return SyncReading(None, error.errno or 0)
    finally:
        os.close(descriptor)
        path.unlink()


def _sync(descriptor: int) -> float:
    begun = time.perf_counter()
    os.write(descriptor, bytes(SYNC_BYTES))
    os.fdatasync(descriptor)
    return time.perf_counter() - begun


def _existing(path: Path) -> Path:
    """The directory, or its nearest existing parent: the same file system."""
    absolute = path.absolute()
    return next(folder for folder in (absolute, *absolute.parents) if folder.exists())


def _sysctl(name: str) -> str | None:
    try:
        return (_SYSCTL / name).read_text().strip()
    except OSError:
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _flag(text: str | None) -> bool | None:
    return None if text is None else text != "0"
