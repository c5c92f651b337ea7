"""Exports of raw events: each is read from the spool by a process of its own, as fast as its receiver takes it."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from importlib.util import find_spec
from pathlib import Path

from edge.control.ports import ExportFormat
from edge.control.work_queue import Turns
from edge.domain.errors import Invalid, Unavailable
from edge.domain.model import AppId

EXPORTS_AT_ONCE = 2  # each takes a core, at the lowest priority, and may take minutes
BLOCK_BYTES = 256 << 10
FIRST_SECONDS = 600.0  # until there is a first event: what is before `since` is passed over
SILENT_SECONDS = 120.0  # between two blocks: others' events are passed over at 100 MB/s


class Exporting:
    """Part of the telemetry port of the control API."""

    def __init__(self, spool_dir: Path, erasures_dir: Path) -> None:
        self._spool_dir = spool_dir
        self._erasures_dir = erasures_dir
        self._turns = Turns(EXPORTS_AT_ONCE, 0, "two exports are running, which is the limit")

    async def export(self, app: AppId, since_ms: int, until_ms: int, form: ExportFormat) -> AsyncGenerator[bytes, None]:
        """The bytes of a whole file, in blocks; close it when done. Raises Invalid `parquet_unavailable`, Unavailable
        `busy`, `export_failed`: then what came before is no whole file."""
        if form == "parquet" and find_spec("pyarrow") is None:
            raise Invalid("parquet_unavailable", "this node cannot write Parquet: install edge-updates[parquet]")
        async with self._turns.turn(), aclosing(self._read(app, since_ms, until_ms, form)) as blocks:
            async for block in blocks:
                yield block

    async def _read(self, app: AppId, since_ms: int, until_ms: int, form: ExportFormat) -> AsyncGenerator[bytes, None]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge.telemetry.upkeep.export_process", str(self._spool_dir)),
            *(str(self._erasures_dir), app, str(since_ms), str(until_ms), form),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=BLOCK_BYTES,
        )
        assert process.stdout is not None, "it is a pipe"
        seconds = FIRST_SECONDS
        try:
            while True:
                async with asyncio.timeout(seconds):
                    block = await process.stdout.read(BLOCK_BYTES)
                if not block:
                    break
                seconds = SILENT_SECONDS
                yield block
            if await process.wait():
                raise Unavailable("export_failed", "the process that exports failed: see the node's log")
        except TimeoutError as error:
            raise Unavailable("export_failed", f"nothing to export was found in {seconds:.0f} s") from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
