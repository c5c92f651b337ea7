"""Every case of the vectors through the pure code, through the application on both event loops, and through a node."""

import asyncio

import pytest
import uvloop
from conformance_cases import all_cases
from conformance_http import application, live_node, make_truth, run_cases
from conformance_pure import run_case

CASES = all_cases()
PURE = tuple(case for case in CASES if not case.http_only)
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

Faults = dict[str, list[str]]


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conformance")
    return make_truth(folder, CASES), folder


@pytest.mark.parametrize("case", PURE, ids=lambda case: case.name)
def test_pure(case):
    assert list(run_case(case)) == []


@pytest.mark.parametrize("loop", sorted(LOOPS))
def test_application(loop, truth, tmp_path):
    async def run() -> Faults:
        async with application(truth[0], tmp_path) as node:
            return await run_cases(node, CASES)

    assert_all_right(run_on(loop, run))


def test_node(truth):
    async def run() -> Faults:
        async with live_node(*truth) as node:
            return await run_cases(node, CASES)

    assert_all_right(run_on("uvloop", run))


def run_on(loop: str, run) -> Faults:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(run())


def assert_all_right(faults: Faults) -> None:
    assert faults.keys() == {case.name for case in CASES}
    assert {name: found for name, found in faults.items() if found} == {}
