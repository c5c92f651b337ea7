"""Where the time of an update check goes: each step of it alone, in this process, on the product's own code.

The devices are those of `check` and run what is offered. A step is timed over all of them, less the loop around it,
with everything it needs in the processor's caches; what the event loop, the sockets and the kernel cost is `check`'s
bare floor.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from benchmarks.check import DEVICES, HOST, NEXT, RELEASE, SHARE
from benchmarks.contenders.aiohttp_check import build_desk
from benchmarks.measuring.figures import spread
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Cell, Table
from benchmarks.programs import cores, pinned
from benchmarks.worlds.releases import (
    APP,
    PUBLIC_URL,
    Sizes,
    check_request,
    device_ids,
    outside,
    prepare_app,
    question,
    roll_out,
)
from edge.domain.decision.decide import decide
from edge.domain.model import AppId
from edge.node.delivery.files import OpenFiles
from edge.node.delivery.send import DEFAULT_PATIENCE
from edge.node.lane.connection import Lane
from edge.node.lane.context import LaneContext
from edge.node.lane.requests import END_OF_HEAD, KnownHeads
from edge.node.processes.data_directory import DataDirectory
from edge.node.service.checks.template import cut_device
from edge.node.service.device_service import DeviceService
from edge.node.service.limits.admission import Connections
from edge.node.service.limits.loan import Handed
from edge.node.service.peers import Proxies
from edge.node.service.proof_client import ProofClient
from edge.wire.answers import encode_up_to_date
from edge.wire.updates import parse_update_check

PASSES, QUICK_PASSES = 200, 40  # over all devices, a round


class Sink:
    """What a lane sees of a connection: addresses, and somewhere to write."""

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return ("127.0.0.1", 8080)

    def write(self, answer: bytes) -> None:
        self.last = answer

    def close(self) -> None:
        pass


def run(options: Options) -> BenchReport:
    passes = QUICK_PASSES if options.quick else PASSES
    with tempfile.TemporaryDirectory(prefix="edge-pieces-") as temporary, pinned(cores(options.pin)[0]):
        folder = Path(temporary)
        prepare_app(folder, [(RELEASE, Sizes())])
        roll_out(folder, NEXT, SHARE)
        truth = DataDirectory(folder, time.time())
        service = build_desk(truth, Path(os.devnull), folder / "spool", PUBLIC_URL)
        table = asyncio.run(_measure(service, options.rounds, passes))
    return BenchReport(compares="The steps of an update check in the lane, each alone.", tables=(table,))


def _no_files() -> OpenFiles:
    """No step of a check opens a file."""
    return OpenFiles(_no_blob, ProofClient(lambda number, digest, app: None))


def _no_blob(digest: str) -> int:
    raise FileNotFoundError(digest)


async def _measure(service: DeviceService, rounds: int, passes: int) -> Table:
    """The whole first, with what it is made of; then what a known question spares; the last rows come seldom."""
    requests = [
        check_request(question(device, version=RELEASE), HOST) for device in outside(device_ids(DEVICES), SHARE)
    ]
    bodies = [request.partition(END_OF_HEAD)[2] for request in requests]
    snapshot = service.current.snapshot(AppId(APP))
    assert snapshot is not None
    shared = LaneContext(service, _no_files(), Connections(0, Proxies()), DEFAULT_PATIENCE, _no_fallback)
    checks = [parse_update_check(body, apps=service.current.apps) for body in bodies]
    lane, unknown, plain = _lane(shared), KnownHeads(), msgspec.json.Decoder()

    def look_up(request: bytes) -> object:
        return shared.known_heads.get(request[: request.find(END_OF_HEAD) + len(END_OF_HEAD)])

    def read_unknown(request: bytes) -> object:
        unknown.clear()
        return unknown.read(request)

    def connect(request: bytes) -> None:
        connected = _lane(shared)
        connected.data_received(request)
        connected.connection_lost(None)

    steps: tuple[tuple[str, Callable[[Any], object], Sequence[object]], ...] = (
        ("the whole: bytes in, answer out", lane.data_received, requests),
        ("= the head, known: found, cut, looked up", look_up, requests),
        ("+ the service: body in, reply out", lambda body: service.take_check(body, PUBLIC_URL), bodies),
        ("  of it: the ids cut out", cut_device, bodies),
        ("spared: the body to a check", lambda body: parse_update_check(body, apps=service.current.apps), bodies),
        ("spared: the decision", lambda check: decide(snapshot, check, service.moments.of(snapshot.shard)), checks),
        ("spared: the answer's bytes", lambda check: encode_up_to_date(check, PUBLIC_URL), checks),
        ("the body as JSON alone, to a dict, by msgspec", plain.decode, bodies),
        ("a head never seen: measured, read by llhttp", read_unknown, requests),
        ("the whole with a lane of its own", connect, requests),
    )
    samples: dict[str, list[float]] = {name: [] for name, _, _ in steps}
    for _ in range(rounds):
        for name, step, given in steps:
            samples[name].append(_microseconds(step, given, passes))
    rows: list[tuple[Cell, ...]] = [(name, spread(each)) for name, each in samples.items()]
    return Table(title="One update check, nothing new", columns=("step", "µs"), rows=tuple(rows))


def _microseconds(step: Callable[[Any], object], given: Sequence[object], passes: int) -> float:
    """Of CPU for one call, the loop taken off."""

    def spent(call: Callable[[Any], object]) -> float:
        started = time.process_time()
        for _ in range(passes):
            for each in given:
                call(each)
        return time.process_time() - started

    return (spent(step) - spent(_nothing)) / (passes * len(given)) * 1e6


def _nothing(given: object) -> None:
    pass


def _lane(shared: LaneContext) -> Lane:
    lane = Lane(shared)
    lane.connection_made(cast(asyncio.Transport, Sink()))
    return lane


def _no_fallback(handed: Handed) -> Any:
    raise AssertionError("an ordinary request was handed over")
