"""What processes cost, from the operating system: CPU time in nanoseconds, resident memory in bytes.

CPU time is the kernel's clock of a whole process, with all its threads, ended ones too: the source of utime + stime in
/proc/<pid>/stat, without their steps of 10 ms. A process that ends between two readings is lost, so servers are
measured while they run.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROCESS_CLOCK = 2  # CPUCLOCK_SCHED: the scheduler's own sum, in nanoseconds


class ProcessMemory(NamedTuple):
    """`resident_bytes` now; `peak_bytes` since the process started."""

    resident_bytes: int
    peak_bytes: int


def family_of(root: int) -> list[int]:
    """The process and all its descendants, parents first."""
    found = [root]
    for pid in found:  # grows while it is walked
        for listing in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in listing.read_text().split()]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    return sum(time.clock_gettime((~pid << 3) | _PROCESS_CLOCK) for pid in pids)


def cpu_seconds_in_ticks(pid: int) -> float:
    """The CPU time of one process by /proc/<pid>/stat, in clock ticks: a check on `cpu_seconds`."""
    return parse_stat_ticks(Path(f"/proc/{pid}/stat").read_text()) / TICKS_PER_SECOND


def parse_stat_ticks(line: str) -> int:
    """utime + stime of a /proc/<pid>/stat line; the name in parentheses may hold anything."""
    fields = line.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def memory_of(pid: int) -> ProcessMemory:
    return parse_status_memory(Path(f"/proc/{pid}/status").read_text())


def parse_status_memory(status: str) -> ProcessMemory:
    kilobytes = {
        name: int(rest.split()[0])
        for name, _, rest in (line.partition(":") for line in status.splitlines())
        if name in _NAMES
    }
    return ProcessMemory(kilobytes["VmRSS"] * 1024, kilobytes["VmHWM"] * 1024)


_NAMES = frozenset({"VmRSS", "VmHWM"})
