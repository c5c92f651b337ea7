"""What one process of a node does: begun, ended whole, and begun again."""

import asyncio
import threading

import pytest

from edge.node.processes.duties import JobGuard, NodeDuties, to_the_end


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
    duties = NodeDuties(job=job.run)
    running = asyncio.create_task(duties.run())
    await duties.end()  # before they were begun: nothing to wait for
    for number in (1, 2):
        duties.begin()
        await job.running.wait()
        await duties.end()
        assert (job.began, job.running.is_set()) == (number, False)
    running.cancel()
    assert await asyncio.gather(running, return_exceptions=True)


async def test_a_fault_of_a_job_ends_nothing_and_it_begins_again(caplog):
    job, begun, healed = Job(), [], asyncio.Event()

    async def fails_twice():
        begun.append(None)
        if len(begun) <= 2:
            raise ValueError("a bug")
        healed.set()
        await asyncio.Event().wait()

    guard = JobGuard(0.0)
    duties = NodeDuties(guard, other=job.run, count=fails_twice)
    running = asyncio.create_task(duties.run())
    duties.begin()
    await healed.wait()
    assert (dict(guard.failures), job.began, job.running.is_set()) == ({"count": 2}, 1, True)
    assert "the job 'count'" in caplog.text and "ValueError: a bug" in caplog.text
    await duties.end()
    assert not job.running.is_set()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_job_that_pauses_after_a_fault_ends_with_the_others():
    failed = asyncio.Event()

    async def fails():
        failed.set()
        raise ValueError("a bug")

    guard = JobGuard(1e6)
    duties = NodeDuties(guard, count=fails)
    running = asyncio.create_task(duties.run())
    duties.begin()
    await failed.wait()
    await duties.end()
    assert guard.failures == {"count": 1}
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


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
