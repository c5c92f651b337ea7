"""Collects garbage once a day, in a process of its own: `edge store gc`, the command that an operator has.

So its memory and its CPU time are nobody else's. What it did is in the log and the metrics. When it ran last is
remembered in the node's directory, so a node that is restarted each night collects too.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.domain.schedule.durations import rough_size
from edge.node.processes.data_paths import DataPaths

DAY_SECONDS = 86_400.0
FIRST_SECONDS = 600.0  # after a start: devices and changes come first
RUN_LIMIT_SECONDS = 6 * 3600.0  # a disk that is this slow needs a person
NICENESS = 10
DONE_FILE = "collected"  # its time is that of the last collection
OUTPUT_LIMIT = 2_000  # characters of an error that are logged

log = logging.getLogger("edge.store")


class CollectedSum(NamedTuple):
    """Since the start; `last` is in seconds since the epoch, 0.0 before the first."""

    blobs: int = 0
    bytes: int = 0
    failures: int = 0
    last: float = 0.0


class _Removed(msgspec.Struct):
    files: int
    bytes: int


class _Answer(msgspec.Struct):
    removed: _Removed


class Collecting:
    """`total` is what it has done."""

    def __init__(self, paths: DataPaths, retention_days: int, bucket: Mapping[str, str] | None = None) -> None:
        """`bucket` has the options of one as variables, where the truth is in it."""
        self._paths = paths
        self._bucket = dict(bucket or {})
        self._retention_days = retention_days
        self._done = paths.node_dir / DONE_FILE
        self.total = CollectedSum(last=_time_of(self._done))

    async def run(self, now: float) -> None:
        """Until cancelled; `now` is in seconds since the epoch."""
        await asyncio.sleep(first_wait(self.total.last, now))
        while True:
            await self.collect()
            await asyncio.sleep(DAY_SECONDS)

    async def collect(self) -> None:
        """Once. A failure is logged and counted."""
        try:
            removed = await self._run_command()
        except (OSError, TimeoutError, _Failed) as error:
            self.total = self.total._replace(failures=self.total.failures + 1)
            log.error("garbage was not collected: %s", error or "it took too long")
            return
        log.info("collected %d blobs that nothing referred to (%s)", removed.files, rough_size(removed.bytes))
        with suppress(OSError):  # only for the next start
            await asyncio.to_thread(self._done.touch, 0o600)
        last = await asyncio.to_thread(_time_of, self._done)
        blobs, size = self.total.blobs + removed.files, self.total.bytes + removed.bytes
        self.total = self.total._replace(blobs=blobs, bytes=size, last=last)

    async def _run_command(self) -> _Removed:
        data_dir, days = str(self._paths.node_dir.parent), str(self._retention_days)
        options = ("--delete", "--json", "--retention-days", days, *(() if self._bucket else ("--data-dir", data_dir)))
        command = ("nice", "-n", str(NICENESS), sys.executable, "-m", "edge", "store", "gc", *options)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
        environ["EDGE_CONFIG"] = os.devnull  # what the options say is all there is
        if self._bucket:
            environ |= {**self._bucket, "EDGE_DATA_DIR": data_dir}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, env=environ, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        try:
            async with asyncio.timeout(RUN_LIMIT_SECONDS):
                out, err = await process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise _Failed(err.decode(errors="replace").strip()[-OUTPUT_LIMIT:])
        return msgspec.json.decode(out, type=_Answer).removed


def first_wait(last: float, now: float) -> float:
    """Seconds from a start to the first collection: a day after the last one, and never at once. A `last` in the
    future, by a clock that was wrong, counts as now."""
    return max(FIRST_SECONDS, min(last, now) + DAY_SECONDS - now)


class _Failed(Exception):
    """The command failed; its own words."""


def _time_of(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
