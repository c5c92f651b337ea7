"""The machine under the figures: they mean nothing without it."""

import os
import platform
import re
import ssl
import subprocess
from importlib.metadata import version
from pathlib import Path

from benchmarks.programs import find_program
from edge.node.observing.python_build import read_build

LIBRARIES = ("aiohttp", "uvloop", "httptools", "msgspec", "orjson")


def describe_machine(pinned: bool) -> dict[str, str]:
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "kernel": platform.release(),
        "python": str(read_build()),
        **{name: version(name) for name in LIBRARIES if _is_installed(name)},
        "openssl of python": ssl.OPENSSL_VERSION.split()[1],
        "nginx": _program_version("nginx", "-v"),
        "caddy": _program_version("caddy", "version"),
        "wrk": _program_version("wrk", "-v"),
        "pinned": "servers on the first core, load generators on the second" if pinned else "no",
        "load average at start": f"{os.getloadavg()[0]:.1f}",
    }


def _cpu_model() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except ModuleNotFoundError:
        return False
    return True


def _program_version(name: str, flag: str) -> str:
    path = find_program(name)
    if path is None:
        return "not installed"
    done = subprocess.run([path, flag], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(?:\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else "unknown"
