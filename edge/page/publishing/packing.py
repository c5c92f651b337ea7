"""Runs the process that packs a dropped zip, and ends it: at its limits of time, when it stands still, when it is not
wanted any more, or with this process.

It gets no environment but what Python needs, a folder of its own, and nothing of the store. What it answers is bounded.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.bundles.intake.intake_messages import ANSWER_LIMIT_BYTES, IntakeAnswer, IntakeOrder, IntakeRefused
from edge.bundles.limits import MIB, PLAIN_LIMIT_BYTES

PACK_SECONDS = 600.0  # the smallest form of 100 MB of code takes a slow core some minutes
PACK_MEMORY_BYTES = 2048 * MIB  # of addresses: Python and its libraries take a third of that, packing 200 MB
STILL_SECONDS = 30.0  # without any use of a CPU: it is stopped, or waits for a disk that does not answer
LEAVE_SECONDS = 2.0  # from the end of its output to its own
_TICKS = slice(11, 15)  # of /proc/PID/stat after the name: user and system time, its own and its children's
_decoder: msgspec.json.Decoder[IntakeAnswer] = msgspec.json.Decoder(IntakeAnswer)
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT")


class PackLimits(NamedTuple):
    """What the process may take. `seconds` are of the clock, and of its CPU; `still_seconds` may pass without any."""

    seconds: float = PACK_SECONDS
    memory_bytes: int = PACK_MEMORY_BYTES
    file_bytes: int = PLAIN_LIMIT_BYTES
    still_seconds: float = STILL_SECONDS


PACK_LIMITS = PackLimits()


async def pack_dropped(source: Path, workdir: Path, limits: PackLimits = PACK_LIMITS) -> IntakeAnswer:
    """What came of the zip `source`, packed in the empty folder `workdir`. Cancelled: the process is ended."""
    order = IntakeOrder(
        source=str(source.absolute()),  # the process begins elsewhere
        workdir=str(workdir.absolute()),
        memory_bytes=limits.memory_bytes,
        cpu_seconds=max(1, int(limits.seconds)),
        file_bytes=limits.file_bytes,
    )
    starting = asyncio.ensure_future(_start(workdir))
    try:
        process = await asyncio.shield(starting)  # a start that is cancelled would leave a process behind
        async with asyncio.timeout(limits.seconds):
            answer = await _talk_while_moving(process, order, limits.still_seconds)
            if answer is None:
                return _refused_here("packing_still", f"did nothing for {limits.still_seconds:g} s")
            return await _parse(process, answer)
    except TimeoutError:
        return _refused("packing_time", f"packing this zip takes more than {limits.seconds:g} s")
    finally:
        await _end(await starting)


async def _start(workdir: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "edge.bundles.intake.intake_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT if name in os.environ} | {"TMPDIR": str(workdir.absolute())},
        cwd="/",
        start_new_session=True,
    )


async def _talk(process: asyncio.subprocess.Process, order: IntakeOrder) -> bytes:
    """The answer, empty if there is none or too much of one. The input stays open: its end would end the process."""
    assert process.stdin is not None and process.stdout is not None, "they are pipes"
    with suppress(ConnectionError, RuntimeError):  # it has ended: uvloop raises RuntimeError for a pipe that is closed
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        await process.stdin.drain()
    answer = bytearray()
    while block := await process.stdout.read(MIB):
        answer += block
        if len(answer) > ANSWER_LIMIT_BYTES:
            return b""
    return bytes(answer)


async def _talk_while_moving(
    process: asyncio.subprocess.Process, order: IntakeOrder, still_seconds: float
) -> bytes | None:
    """Its answer; None: it uses no CPU any more."""
    talking, used = asyncio.create_task(_talk(process, order)), _used_cpu(process.pid)
    try:
        while not (await asyncio.wait((talking,), timeout=still_seconds))[0]:
            before, used = used, _used_cpu(process.pid)
            if used and used == before:
                return None
        return talking.result()
    finally:
        talking.cancel()


def _used_cpu(pid: int) -> str:
    """A text that differs when it has used some; "" where the system does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return " ".join(stat.rpartition(")")[2].split()[_TICKS])


async def _parse(process: asyncio.subprocess.Process, answer: bytes) -> IntakeAnswer:
    try:
        return _decoder.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if -await _left(process) in _FROM_OUTSIDE:
            return _refused_here("packing_killed", "was ended from outside, perhaps since memory was short")
        return _refused("packing_stopped", "packing this zip took more memory or time than a zip may, and was stopped")


async def _left(process: asyncio.subprocess.Process) -> int:
    """How it ended; 0 if it goes on."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_SECONDS):
            return await process.wait()
    return 0


def _refused_here(code: str, what: str) -> IntakeRefused:
    """It is not the zip's fault."""
    return IntakeRefused(code=code, status=503, message=f"the node's process that packs this zip {what}; drop it again")


def _refused(code: str, message: str) -> IntakeRefused:
    told = f"{message}; publish it from the command line, on a machine of your own"
    return IntakeRefused(code=code, status=422, message=told)


async def _end(process: asyncio.subprocess.Process) -> None:
    """With whatever it may have started: it is the head of a group of its own."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
