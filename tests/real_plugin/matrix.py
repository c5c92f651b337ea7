"""Runs cells side by side, tells each as it ends, and shows the table."""

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from edge.domain.model import Platform
from tests.real_plugin.catalog import applies
from tests.real_plugin.cell import Cell, Line, Mismatch, Suite
from tests.real_plugin.differences import find_differences
from tests.real_plugin.electron.client import RealElectron
from tests.real_plugin.jvm import RealPlugin
from tests.real_plugin.phone import Client
from tests.real_plugin.simulated import Simulated
from tests.real_plugin.world import World

LAUNCHES_A_CELL = 2  # most of a launch is waiting for reports that may still come
SHOWN = 4  # mismatches told of a red cell; all are in its log
VALUE_CHARACTERS = 300


class Verdict(NamedTuple):
    mismatches: tuple[Mismatch, ...]
    seconds: float


class Matrix:
    def __init__(self, world: World, logs: Path, cells_at_once: int) -> None:
        self._world = world
        self._cells_at_once = cells_at_once
        self._logs = logs
        self._slots = threading.Semaphore(LAUNCHES_A_CELL * cells_at_once)
        self._told = threading.Lock()
        self._out = sys.stdout  # the command line, run in this process, puts its own there for a while
        self._verdicts: dict[tuple[Line, str], Verdict] = {}

    @property
    def red(self) -> bool:
        return any(verdict.mismatches for verdict in self._verdicts.values())

    def run(self, lines: Sequence[Line], suites: Mapping[str, Suite]) -> None:
        """Until it is done, or somebody interrupts: then the cells that were judged are still there to show."""
        with ThreadPoolExecutor(self._cells_at_once) as pool:
            cells = [(line, name, suite) for line in lines for name, suite in suites.items() if applies(line, name)]
            judged = pool.map(lambda cell: self._judge(*cell), cells)
            try:
                list(judged)
            except KeyboardInterrupt:
                self._say("interrupted: the cells that have begun still end")
                pool.shutdown(wait=False, cancel_futures=True)

    def _judge(self, line: Line, name: str, suite: Suite) -> None:
        started = time.monotonic()
        cell = self._run(line, name, suite, _client(line))
        twin = self._run(line, f"{name}-simulated", suite, Simulated(line.platform, line.release))
        cell.mismatches += find_differences(cell.record, twin.record)
        verdict = Verdict(tuple(cell.mismatches), time.monotonic() - started)
        self._verdicts[line, name] = verdict
        with self._told:
            self._tell(line, name, verdict, cell.logs)

    def _run(self, line: Line, name: str, suite: Suite, client: Client) -> Cell:
        word = f"{line.platform.value}-{line.release}-{name}".replace(".", "-")
        cell = Cell(line, client, self._world, word, self._logs / word, self._slots)
        try:
            suite(cell)
        except Exception as error:  # whatever it is, the other cells still have their say, and this one is red
            cell.mismatches.append(Mismatch("the suite", "runs to its end", f"{type(error).__name__}: {error}"))
        return cell

    def _tell(self, line: Line, name: str, verdict: Verdict, logs: Path) -> None:
        word = "red" if verdict.mismatches else "ok"
        self._say(f"{line!s:16} {name:12} {word:4} {verdict.seconds:5.0f} s")
        for each in verdict.mismatches[:SHOWN]:
            self._say(f"    {each.what}: expected {_short(each.expected)}, happened {_short(each.happened)}")
        if len(verdict.mismatches) > SHOWN:
            self._say(f"    and {len(verdict.mismatches) - SHOWN} more")
        if verdict.mismatches:
            (logs / "mismatches.txt").write_text("\n".join(map(str, verdict.mismatches)))
            self._say(f"    log: {logs}")

    def show(self, lines: Sequence[Line], suites: Sequence[str]) -> None:
        width = max(len(name) for name in suites) + 1
        self._say(f"\n{'':16}" + "".join(f"{name:>{width}}" for name in suites))
        for line in lines:
            words = [self._word(line, name) for name in suites]
            self._say(f"{line!s:16}" + "".join(f"{word:>{width}}" for word in words))
        red = sum(bool(verdict.mismatches) for verdict in self._verdicts.values())
        self._say(f"\n{len(self._verdicts)} cells, {red} red")

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def _word(self, line: Line, name: str) -> str:
        verdict = self._verdicts.get((line, name))
        return "-" if verdict is None else "red" if verdict.mismatches else "ok"


def _client(line: Line) -> Client:
    return RealPlugin(line.release) if line.platform is Platform.ANDROID else RealElectron(line.release)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= VALUE_CHARACTERS else text[:VALUE_CHARACTERS] + "…"
