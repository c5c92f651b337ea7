"""What one process of a node does: begun, ended whole, and begun again."""

import asyncio
import threading

import pytest

from edge.node.processes.duties import NodeDuties, to_the_end


class Job:
    def __init__(self):
        self.running = asyncio.Event()
        self.began = 0

    async def run(self):
        self.began += 1
        self.running.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.running.clear()


async def test_jobs_run_between_begin_and_end():
    job = Job()
    duties = NodeDuties(job.run)
    running = asyncio.create_task(duties.run())
    await duties.end()  # before they were begun: nothing to wait for
    for number in (1, 2):
        duties.begin()
        await job.running.wait()
        await duties.end()
        assert (job.began, job.running.is_set()) == (number, False)
    running.cancel()
    assert await asyncio.gather(running, return_exceptions=True)


async def test_the_fault_of_a_job_is_the_nodes():
    async def fails():
        raise ValueError("a bug")

    duties = NodeDuties(fails)
    duties.begin()
    with pytest.raises(ExceptionGroup) as caught:
        await duties.run()
    assert caught.value.subgroup(ValueError)


async def test_a_cancelled_caller_waits_for_its_thread():
    begun, finish = threading.Event(), threading.Event()
    done = []

    def work():
        begun.set()
        finish.wait()
        done.append("whole")

    caller = asyncio.create_task(to_the_end(work))
    await asyncio.to_thread(begun.wait)
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    finish.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert done == ["whole"]
