"""What one update check costs: ours with its real decision, nginx `return 200` of the same bytes, an aiohttp
application with the same decision, and the bare floor.

One worker each, all running at the same time, loaded in turns. A check is a parse, its channel, the share of an
active rollout that does not include the device, the channel's rules, the device's facts if they could matter, and the
answer.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders.servers import (
    AIOHTTP,
    FLOOR,
    NGINX,
    OURS,
    BenchNode,
    Server,
    nginx,
    nginx_return,
    node,
    program,
)
from benchmarks.load.wrk import Load
from benchmarks.measuring.sampling import CheckSample, check_table, in_turns, measure
from benchmarks.output.plots import Curve, Plot
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Table
from benchmarks.programs import cores, need_program
from benchmarks.worlds.answers import HttpAnswer, fetch, padding, to_say
from benchmarks.worlds.releases import (
    NATIVE,
    PUBLIC_URL,
    Sizes,
    check_request,
    device_ids,
    offer_files,
    outside,
    prepare_app,
    question,
    roll_out,
)

DEVICES = 1_000  # that check in turns: enough that caching one device does not help
HOST = "updates.example.com"
CONNECTIONS = 64
SAME_LOAD = 8_000.0  # checks a second: what the slowest contender answers with time to spare on a small core
SAME_CONNECTS = 2_000.0  # the same with one connection per check
SWEEP_CONNECTIONS = 256
SWEEP = (1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 40_000, 60_000, 80_000, 100_000)
QUICK_SWEEP = (1_000, 5_000, 20_000, 60_000)
REACHED = 0.85  # of the offered rate; a contender that stays below is at its limit, and its curve ends

RELEASE, NEXT = "1.0.1", "1.0.2"
SHARE = 10_000  # of the rollout of NEXT, in thousandths of a percent; the devices that check are outside it


class Question(NamedTuple):
    """One kind of check: the requests of all devices, and how many bytes each contender answers."""

    requests: tuple[bytes, ...]
    contenders: Mapping[str, Server]
    answer_bytes: Mapping[str, int]


class Case(NamedTuple):
    title: str
    version: str  # that devices run: the released one, or an older
    close: bool
    rate: float  # checks a second; 0 for all it can


CASES = (
    Case("the same load: 8,000 checks/s, 64 kept connections, nothing new", RELEASE, False, SAME_LOAD),
    Case("as many as it can: 64 kept connections, nothing new", RELEASE, False, 0),
    Case("one connection per check: 2,000 checks/s, nothing new", RELEASE, True, SAME_CONNECTS),
)
MORE_CASES = (
    Case("one connection per check: as many as it can, nothing new", RELEASE, True, 0),
    Case("as many as it can: 64 kept connections, an offer of 10 files", NATIVE, False, 0),
)


def run(options: Options) -> BenchReport:
    for name in ("wrk", "nginx"):
        need_program(name)
    servers, generators = cores(options.pin)
    with tempfile.TemporaryDirectory(prefix="edge-check-") as temporary:
        folder = Path(temporary)
        prepare_app(folder / "data", [(RELEASE, Sizes())])
        offer_files(folder / "data")
        roll_out(folder / "data", NEXT, SHARE)
        with node(folder / "data", servers, public_url=PUBLIC_URL) as ours:
            cases = CASES if options.quick else CASES + MORE_CASES
            bench = CheckBench(ours, folder, servers, generators)
            tables = tuple(bench.measure_cases(cases, options))
            plot = bench.sweep(QUICK_SWEEP if options.quick else SWEEP) if options.plot else None
            if shed := ours.count("checks_shed"):
                raise RuntimeError(f"ours shed {shed} checks as overload: the figures are not of real decisions")
    return BenchReport(
        compares="CPU per update check: ours, nginx, an aiohttp application, the bare floor.", tables=tables, plot=plot
    )


class CheckBench:
    def __init__(self, ours: BenchNode, folder: Path, servers: set[int], generators: set[int]) -> None:
        self._ours = ours
        self._folder = folder
        self._servers = servers
        self._generators = generators
        self._script = folder / "load.lua"

    def measure_cases(self, cases: Sequence[Case], options: Options) -> Iterator[Table]:
        """Cases with the same question share its servers, one after the other."""
        for _, same in groupby(cases, key=lambda case: (case.version, case.close)):
            group = list(same)
            with self._asked(group[0]) as asked:
                self._warm(asked)
                yield from (self._measure_case(case, asked, options) for case in group)

    def _measure_case(self, case: Case, asked: Question, options: Options) -> Table:
        load = Load(asked.requests, CONNECTIONS, 1 if options.quick else 5, case.rate)
        found = in_turns(asked.contenders, options.rounds, lambda server: self._measure(server, load))
        told = ", ".join(f"{name} {count}" for name, count in asked.answer_bytes.items())
        return check_table(case.title, found, NGINX, [f"Bytes of one answer, head and body: {told}."])

    def sweep(self, rates: tuple[int, ...]) -> Plot:
        """Latency against load: every contender at each rate in turn, until it cannot keep up."""
        points: dict[str, list[CheckSample]] = {}
        with self._asked(CASES[0]) as asked:
            self._warm(asked)
            for name, server in asked.contenders.items():
                points[name] = self._sweep_one(server, asked.requests, rates)
        return Plot(
            title="Latency of an update check against load, one worker",
            x="checks a second",
            y="milliseconds",
            curves=tuple(curve for at, name in enumerate(points) for curve in _curves(name, at, points[name])),
        )

    def _sweep_one(self, server: Server, requests: tuple[bytes, ...], rates: tuple[int, ...]) -> list[CheckSample]:
        reached = []
        for rate in rates:
            sample = self._measure(server, Load(requests, SWEEP_CONNECTIONS, 2, rate))
            reached.append(sample)
            if sample.summary.rate < REACHED * rate:
                break
        return reached

    def _measure(self, server: Server, load: Load) -> CheckSample:
        return measure(server, load, self._generators, self._script)

    def _warm(self, asked: Question) -> None:
        for server in asked.contenders.values():
            self._measure(server, Load(asked.requests, CONNECTIONS, 1, SAME_LOAD))

    @contextmanager
    def _asked(self, case: Case) -> Iterator[Question]:
        """All contenders, configured to answer this question as ours does."""
        requests = tuple(
            check_request(question(device, version=case.version), HOST, close=case.close)
            for device in outside(device_ids(DEVICES), SHARE)
        )
        ours = fetch(self._ours.server.port, requests[0])
        _require_real(ours)
        with ExitStack() as stack:
            others = {
                NGINX: self._matched(stack, self._nginx(ours), ours, requests[0]),
                AIOHTTP: self._matched(stack, self._aiohttp, ours, requests[0]),
                FLOOR: stack.enter_context(self._floor(ours)),
            }
            contenders = {OURS: self._ours.server, **others}
            answers = {name: fetch(server.port, requests[0]) for name, server in contenders.items()}
            for name, answer in answers.items():
                if (answer.status, answer.body) != (ours.status, ours.body):
                    raise RuntimeError(
                        f"{name} answers {answer.status} {answer.body[:200]!r}, ours {ours.body[:200]!r}"
                    )
            yield Question(requests, contenders, {name: answer.total_bytes for name, answer in answers.items()})

    def _matched(self, stack: ExitStack, start: "Starter", ours: HttpAnswer, request: bytes) -> Server:
        """The server with a head as long as ours: started once to see its own, then with padding."""
        headers = to_say(ours)
        with start(headers) as trial:
            pad = padding(ours, fetch(trial.port, request))
        return stack.enter_context(start([*headers, ("X-Pad", pad)] if pad else headers))

    def _nginx(self, ours: HttpAnswer) -> "Starter":
        content = nginx_return(ours)
        return lambda headers: nginx(
            self._folder / "nginx", self._servers, content, headers, ours.header("Content-Type")
        )

    def _aiohttp(self, headers: list[tuple[str, str]]) -> AbstractContextManager[Server]:
        file = self._folder / "headers.json"
        file.write_text(json.dumps(dict(headers)))
        return program(AIOHTTP, [self._folder / "data", PUBLIC_URL, file], self._servers)

    def _floor(self, ours: HttpAnswer) -> AbstractContextManager[Server]:
        file = self._folder / "answer"
        file.write_bytes(ours.head + ours.body)
        return program(FLOOR, [file], self._servers)


Starter = Callable[[list[tuple[str, str]]], AbstractContextManager[Server]]


def _require_real(answer: HttpAnswer) -> None:
    if answer.status != 200 or not (b'"up_to_date"' in answer.body or b'"url"' in answer.body):
        raise RuntimeError(f"ours answers {answer.status} {answer.body[:200]!r}: no decision to measure")


def _curves(name: str, colour: int, samples: list[CheckSample]) -> list[Curve]:
    p50 = tuple((sample.summary.rate, sample.summary.p50 / 1000) for sample in samples)
    p99 = tuple((sample.summary.rate, sample.summary.p99 / 1000) for sample in samples)
    return [
        Curve(name=f"{name}, p50", points=p50, colour=colour),
        Curve(name=f"{name}, p99", points=p99, colour=colour, dash=1),
    ]
