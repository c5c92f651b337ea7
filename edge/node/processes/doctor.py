"""What on a host limits delivery: readings in, findings out, each with its remedy in one line. Pure."""

import errno
from typing import Literal, NamedTuple

from edge.node.observing.python_build import PythonBuild
from edge.node.service.limits.admission import (
    CONNECTIONS_LIMIT,
    DESCRIPTORS_PER_CONNECTION,
    RESERVED_DESCRIPTORS,
    connections_limit,
)

# 30 segments are 43 kB in the first round trip, as CDNs use; with the kernel's 10 (RFC 6928) 5 MB take one or two more.
WINDOW_SEGMENTS = 30
KERNEL_WINDOW_SEGMENTS = 10
# A report waits for one sync, a publish for about ten; a device gives up after 10 s, and a busy node always syncs.
SLOW_SYNC_SECONDS = 0.02
# Heads are signed with the time: other nodes and `expires` need clocks that agree within a fraction of a minute.
CLOCK_ERROR_SECONDS = 1.0

_UNMEASURED = {  # why nothing could be written in the data directory, and the remedy
    errno.ENOSPC: ("is on a full disk", "make room for data_dir: what must be written is refused"),
    errno.EDQUOT: ("is at this user's quota", "raise the quota of the disk, or make room for data_dir"),
    errno.EROFS: ("is on a read-only file system", "mount the file system of data_dir writable"),
    errno.ENOENT: ("does not exist", "start the node once, or set data_dir: it is made then"),
}


class Host(NamedTuple):
    """Readings of this machine; None if one could not be read."""

    descriptors: int | None  # the hard limit of a process; None: unlimited
    backlog: int  # that the node requests
    somaxconn: int | None
    congestion: str | None
    window_segments: int | None  # of the default routes, the smallest
    slow_start_after_idle: bool | None
    clock_synchronised: bool | None
    clock_error_seconds: float
    sync_seconds: float | None  # median of a 4 KiB write with fdatasync in the data directory
    sync_error: int  # the errno that prevented it; 0: none
    free_bytes: int
    spool_limit_bytes: int
    dual_stack: bool
    python: PythonBuild
    tickets_fault: str  # why workers cannot share keys of TLS sessions; "" if they can


class HostFinding(NamedTuple):
    """`seen` is the reading, for a person; `remedy` is "" if there is nothing to do."""

    name: str
    level: Literal["ok", "warn"]
    seen: str
    remedy: str


def examine(host: Host) -> list[HostFinding]:
    """One finding per reading, in a fixed order."""
    return [
        examine_descriptors(host.descriptors),
        _somaxconn(host.somaxconn, host.backlog),
        _congestion(host.congestion),
        _window(host.window_segments),
        _slow_start(host.slow_start_after_idle),
        _clock(host.clock_synchronised, host.clock_error_seconds),
        _sync(host.sync_seconds, host.sync_error),
        _disk(host.free_bytes, host.spool_limit_bytes),
        _finding(
            *("ipv6", host.dual_stack, "IPv6 and IPv4 on one socket" if host.dual_stack else "IPv4 alone"),
            "enable IPv6 (sysctl net.ipv6.conf.all.disable_ipv6=0): many mobile networks prefer IPv6",
        ),
        _finding(
            *("python", host.python.profiled, str(host.python)),
            "make clean, then make: it takes a profiled Python where there is one; "
            "without a profile a check costs 15 to 21 % more CPU",
        ),
        _finding(
            *("tls_sessions", not host.tickets_fault, host.tickets_fault or "resumed by every worker"),
            "make clean, then make with CPython 3.11 to 3.14 linked with the system's OpenSSL: only its own worker"
            " resumes a device's TLS session",
        ),
    ]


def examine_descriptors(limit: int | None) -> HostFinding:
    """`limit` is the hard limit of a process; None: unlimited."""
    needed = RESERVED_DESCRIPTORS + DESCRIPTORS_PER_CONNECTION * CONNECTIONS_LIMIT
    if limit is None or limit >= needed:
        return _finding("descriptors", True, f"{limit or 'unlimited'}: {CONNECTIONS_LIMIT} connections a worker", "")
    seen = f"{limit}: {connections_limit(limit)} of {CONNECTIONS_LIMIT} connections a worker"
    return _finding("descriptors", False, seen, f"LimitNOFILE={needed} in the systemd unit, or ulimit -Hn {needed}")


def _somaxconn(limit: int | None, backlog: int) -> HostFinding:
    remedy = f"sysctl -w net.core.somaxconn={backlog}: beyond it, devices that connect at the same moment are refused"
    return _finding("somaxconn", _known(limit) >= backlog, _seen(limit, f"of {backlog} requested"), remedy)


def _congestion(name: str | None) -> HostFinding:
    remedy = "modprobe tcp_bbr; sysctl -w net.ipv4.tcp_congestion_control=bbr: lossy mobile links keep their speed"
    return _finding("congestion", (name or "").startswith("bbr"), name or "unknown", remedy)


def _window(segments: int | None) -> HostFinding:
    remedy = f"ip route change default via GATEWAY dev DEVICE initcwnd {WINDOW_SEGMENTS}: saves downloads a round trip"
    return _finding("initial_window", _known(segments) >= WINDOW_SEGMENTS, _seen(segments, "segments"), remedy)


def _slow_start(on: bool | None) -> HostFinding:
    seen = "unknown" if on is None else "on" if on else "off"
    remedy = "sysctl -w net.ipv4.tcp_slow_start_after_idle=0: an idle connection keeps its window"
    return _finding("slow_start_after_idle", on is False, seen, remedy)


def _clock(synchronised: bool | None, error_seconds: float) -> HostFinding:
    good = synchronised is True and error_seconds <= CLOCK_ERROR_SECONDS
    seen = "unknown" if synchronised is None else "synchronised" if synchronised else "not synchronised"
    remedy = "run chrony or systemd-timesyncd: heads are signed with the time, and events counted by it"
    return _finding("clock", good, f"{seen}, error at most {error_seconds:.3f} s" if synchronised else seen, remedy)


def _sync(seconds: float | None, error: int) -> HostFinding:
    if seconds is None:
        why, remedy = _UNMEASURED.get(error, ("cannot be written", "let this user write to the data directory"))
        return _finding("disk_sync", False, f"not measured: data_dir {why}", remedy)
    remedy = "put data_dir on an SSD with a write cache that survives a power cut: each report waits for a sync"
    return _finding("disk_sync", seconds <= SLOW_SYNC_SECONDS, f"{seconds * 1000:.2f} ms", remedy)


def _disk(free_bytes: int, spool_limit_bytes: int) -> HostFinding:
    seen = f"{free_bytes / 2**30:.1f} GiB free, events may take {spool_limit_bytes / 2**30:.1f} GiB"
    remedy = "make room for data_dir, or lower telemetry.spool_limit_bytes"
    return _finding("disk_space", free_bytes >= spool_limit_bytes, seen, remedy)


def _finding(name: str, good: bool, seen: str, remedy: str) -> HostFinding:
    return HostFinding(name, "ok" if good else "warn", seen, "" if good else remedy)


def _known(number: int | None) -> int:
    return -1 if number is None else number


def _seen(number: int | None, of: str) -> str:
    return "unknown" if number is None else f"{number} {of}"
