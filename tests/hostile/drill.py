"""One run against a real node: starts it, sends the cases, watches its memory and descriptors, and judges."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.cases import Case
from tests.hostile.driving import Driver, Findings
from tests.hostile.mutations import ALL_KINDS, build_case
from tests.hostile.published import ZIP, digest_of
from tests.hostile.seeds import OPTIONAL_KINDS, build_seed

DIGEST = digest_of(ZIP)
WARM_UP = 2_000  # cases before the memory is read for the first time: caches fill, the allocator settles
GROWTH_LIMIT_MB = (
    48  # of one worker over a run of any length: its caches of versions and native names, and the allocator
)
DESCRIPTORS_LIMIT = 8  # more than at the start, when everything is quiet again: the bundle's file, a segment
QUIET_SECONDS = 15.0  # for the node to close what we left half open: its header and linger times are below it
DIALLING_SECONDS = 30.0


@dataclass
class Outcome:
    findings: Findings
    seconds: float
    memory_mb: list[tuple[float, float]]  # each worker's, before and at its most
    descriptors: list[tuple[int, int]]  # each worker's, before and after
    log_faults: list[str]
    counts: dict[str, int]

    @property
    def faults(self) -> list[str]:
        """Everything that must not be, one line each."""
        lines = [f"case {case.index} ({case.kind}): {fault}" for case, fault in self.findings.faults]
        if self.findings.found > len(lines):
            lines.append(f"... and {self.findings.found - len(lines)} more")
        lines += [f"memory grew from {a:.1f} to {b:.1f} MB" for a, b in self.memory_mb if b - a > GROWTH_LIMIT_MB]
        lines += [f"descriptors: {a} before, {b} after" for a, b in self.descriptors if b - a > DESCRIPTORS_LIMIT]
        return lines + self.log_faults


class Node:
    """The process of `tests.hostile.node`, and its workers."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._log = folder / "node.log"
        ready = self._line()
        self.port: int = ready["port"]
        self.pids: list[int] = ready["pids"]

    def _line(self) -> dict:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the node did not start: {self._log.read_text()[-2000:]}")
        return json.loads(line)

    def counts(self) -> dict[str, int]:
        """Of all workers together."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        totals: dict[str, int] = {}
        for status in self._line():
            for name, n in status["counts"].items():
                totals[name] = totals.get(name, 0) + n
            totals["restarts"] = totals.get("restarts", 0) + status["restarts"]
        return totals

    def memory_mb(self) -> list[float]:
        return [memory_mb(pid) for pid in self.pids]

    def descriptors(self) -> list[int]:
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids]

    def log_faults(self) -> list[str]:
        lines = self._log.read_text(errors="replace").splitlines()
        words = ("Traceback", "bug while", "Unhandled", "CRITICAL", "never retrieved", "never awaited")
        return [f"in the node's log: {line}" for line in lines if any(word in line for word in words)][:20]


@contextmanager
def a_node(folder: Path) -> Iterator[Node]:
    with (folder / "node.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.node", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with process:  # closing its input tells it to leave
            yield Node(process, folder)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(DIALLING_SECONDS)


async def run(folder: Path, count: int, seed: int, *, first: int = 0, say=lambda text: None) -> Outcome:
    with a_node(folder) as node:
        kinds = await _present(node.port)
        driver = Driver(node.port)
        await driver.drive(cases(seed, first, min(count, WARM_UP), kinds))
        before, open_before = node.memory_mb(), node.descriptors()
        most = list(before)
        started = time.monotonic()

        def progress(sent: int) -> None:
            nonlocal most
            if sent % 1_024 < 32:
                most = [max(pair) for pair in zip(most, node.memory_mb(), strict=True)]
            if sent % 65_536 < 32:
                say(f"{sent} sent, {driver.findings.found} findings, workers {', '.join(f'{m:.0f}' for m in most)} MB")

        await driver.drive(cases(seed, first + WARM_UP, count - WARM_UP, kinds), progress)
        seconds = time.monotonic() - started
        most = [max(pair) for pair in zip(most, node.memory_mb(), strict=True)]
        open_after = await _descriptors_when_quiet(node, open_before)
        counts = node.counts()
        faults = node.log_faults() + ([f"{counts['restarts']} workers died"] if counts["restarts"] else [])
    return Outcome(
        driver.findings,
        seconds,
        list(zip(before, most, strict=True)),
        list(zip(open_before, open_after, strict=True)),
        faults,
        counts,
    )


def cases(seed: int, first: int, count: int, kinds: tuple[int, ...]) -> Iterator[Case]:
    return (build_case(seed, index, kinds, DIGEST) for index in range(first, first + count))


async def _present(port: int) -> tuple[int, ...]:
    """The kinds of seeds whose routes this node has: all but those answered with 404 or 405."""
    absent = set()
    for kind in OPTIONAL_KINDS:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(build_seed(kind, "mkffffffff", "7.8.1", DIGEST).encode())
        line = await reader.readline()
        if line.split(b" ")[1] in (b"404", b"405"):
            absent.add(kind)
        writer.transport.abort()
    return tuple(kind for kind in ALL_KINDS if kind not in absent)


async def _descriptors_when_quiet(node: Node, before: list[int]) -> list[int]:
    deadline = time.monotonic() + QUIET_SECONDS
    while True:
        held = node.descriptors()
        if time.monotonic() > deadline or all(b - a <= DESCRIPTORS_LIMIT for a, b in zip(before, held, strict=True)):
            return held
        await asyncio.sleep(0.05)


def memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no memory of process {pid}")
