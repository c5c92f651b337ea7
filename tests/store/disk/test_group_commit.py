"""Group commit: one write and sync for all that waited, and each caller learns what became of its own append."""

import asyncio
import errno
import threading
from contextlib import asynccontextmanager

import pytest

from edge.store.disk.group_commit import CommitLimits, GroupCommit, QueueClosed, QueueFull

ROOMY = CommitLimits(queue_items=1000)


class Failure(Exception):
    """What callers get for an OSError."""


def translate(error):
    return Failure(str(error)) if isinstance(error, OSError) else error


class Target:
    """Commits that wait for permission, or fail; knows its groups and on which threads it was called."""

    def __init__(self, *, opened=True):
        self.opened = threading.Event()
        self.reached = threading.Event()
        self.tended = threading.Event()
        self.groups = []
        self.failures = []  # one for each commit to come
        self.tend_seconds = 60.0
        self.threads = set()
        self.closed = 0
        if opened:
            self.opened.set()

    def commit(self, group):
        self.threads.add(threading.current_thread())
        self.reached.set()
        assert self.opened.wait(60)
        if self.failures and (error := self.failures.pop(0)) is not None:
            raise error
        self.groups.append(list(group))

    def tend(self):
        self.threads.add(threading.current_thread())
        self.tended.set()
        return self.tend_seconds

    def close(self):
        self.threads.add(threading.current_thread())
        self.closed += 1


@asynccontextmanager
async def commits_to(target, limits=ROOMY):
    commits = GroupCommit(target, limits, name="test", translate=translate)
    try:
        yield commits
    finally:
        target.opened.set()
        await commits.close()


async def reached(event):
    assert await asyncio.to_thread(event.wait, 10)


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_caller_wakes_when_its_append_is_committed_and_not_before():
    target = Target(opened=False)
    async with commits_to(target) as commits:
        done = commits.put("a", 1)
        await reached(target.reached)
        await turns()
        assert not done.done()
        target.opened.set()
        await done
        assert target.groups == [["a"]]
        assert (commits.committed, commits.failed, commits.refused) == (1, 0, 0)


async def test_everything_that_waits_meanwhile_shares_one_commit_in_order():
    target = Target(opened=False)
    async with commits_to(target) as commits:
        first = commits.put(0, 1)
        await reached(target.reached)
        others = [commits.put(n, 1) for n in range(1, 100)]
        target.opened.set()
        await asyncio.gather(first, *others)
        assert target.groups == [[0], list(range(1, 100))]


async def test_the_loop_thread_never_touches_the_target():
    target = Target()
    async with commits_to(target) as commits:
        await commits.put("a", 1)
        await commits.put("b", 1)
    assert len(target.threads) == 1 and threading.current_thread() not in target.threads


async def test_the_appends_of_one_turn_of_the_loop_share_one_commit():
    target = Target()
    async with commits_to(target) as commits:
        await asyncio.gather(*(commits.put(n, 1) for n in range(100)))
        assert target.groups == [list(range(100))]


async def test_who_needs_no_future_is_told_in_a_later_turn_and_no_other_suffers_from_it():
    target = Target()
    target.failures = [None, OSError(errno.EIO, "the disk is gone")]
    told, bugs = [], []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: bugs.append(context["exception"]))

    def fail(error):
        raise LookupError(error)

    async with commits_to(target) as commits:
        commits.submit("a", 1, 1, told.append)
        commits.submit("b", 1, 1, fail)
        assert told == []
        await commits.put("c", 1)
        assert told == [None] and [type(bug) for bug in bugs] == [LookupError]
        commits.submit("d", 2, 1, told.append)
        with pytest.raises(Failure):
            await commits.put("e", 1)
        assert isinstance(told[1], Failure)
        assert (commits.committed, commits.failed) == (3, 3)


async def test_what_was_put_just_before_the_end_is_committed():
    target, told = Target(), []
    async with commits_to(target) as commits:
        commits.submit("last", 1, 1, told.append)
    await turns()
    assert (target.groups, told, target.closed) == ([["last"]], [None], 1)


@pytest.mark.parametrize("limits", [ROOMY._replace(group_items=4), ROOMY._replace(group_bytes=20)])
async def test_a_group_ends_at_its_limit(limits):
    target = Target(opened=False)
    async with commits_to(target, limits) as commits:
        first = commits.put("first", 1, 1)
        await reached(target.reached)
        others = [commits.put(n, 2, 10) for n in range(5)]
        target.opened.set()
        await asyncio.gather(first, *others)
        assert target.groups == [["first"], [0, 1], [2, 3], [4]]


@pytest.mark.parametrize("limits", [CommitLimits(queue_items=5), CommitLimits(queue_items=9, queue_bytes=50)])
async def test_a_full_queue_refuses_at_once_and_takes_more_once_drained(limits):
    target = Target(opened=False)
    async with commits_to(target, limits) as commits:
        waiting = [commits.put(n, 1, 10) for n in range(5)]
        with pytest.raises(QueueFull) as refusal:
            commits.put("one more", 1, 10)
        assert (refusal.value.items, refusal.value.size_bytes) == (5, 50)
        target.opened.set()
        await asyncio.gather(*waiting)
        await commits.put("now", 5, 50)
        assert (commits.committed, commits.refused) == (10, 1)


async def test_a_failing_commit_fails_everyone_in_the_group_and_the_next_goes_through():
    target = Target(opened=False)
    target.failures = [None, OSError(errno.EIO, "the disk is gone")]
    async with commits_to(target) as commits:
        first = commits.put("first", 1)
        await reached(target.reached)
        unlucky = [commits.put("unlucky", 2) for _ in range(3)]
        target.opened.set()
        outcomes = await asyncio.gather(first, *unlucky, return_exceptions=True)
        assert outcomes[0] is None
        assert [type(each) for each in outcomes[1:]] == [Failure] * 3
        assert len({id(each) for each in outcomes}) == 4  # each caller has an exception to itself
        await commits.put("after", 1)
        assert target.groups == [["first"], ["after"]]
        assert (commits.committed, commits.failed) == (2, 6)


async def test_a_failure_frees_its_place_in_the_queue():
    target = Target()
    target.failures = [OSError(errno.ENOSPC, "no space left")]
    async with commits_to(target, CommitLimits(queue_items=1)) as commits:
        with pytest.raises(Failure, match="no space left"):
            await commits.put("a", 1)
        await commits.put("b", 1)


async def test_our_own_bug_in_the_target_reaches_the_caller():
    target = Target()
    target.failures = [LookupError("bug")]
    async with commits_to(target) as commits:
        with pytest.raises(LookupError):
            await commits.put("a", 1)
        await commits.put("b", 1)


async def test_an_append_that_no_target_can_take_fails_by_itself():
    target = Target(opened=False)
    bug = ValueError("argument out of range")
    target.failures = [None, bug, None, bug]
    async with commits_to(target) as commits:
        first = commits.put("first", 1)
        await reached(target.reached)
        others = [commits.put(name, 1) for name in ("good", "poison", "fine")]
        target.opened.set()
        outcomes = await asyncio.gather(first, *others, return_exceptions=True)
        assert outcomes == [None, None, bug, None]
        assert target.groups == [["first"], ["good"], ["fine"]]
        assert (commits.committed, commits.failed) == (3, 1)


async def test_a_cancelled_caller_takes_nothing_from_the_others_and_frees_its_place():
    target = Target(opened=False)
    async with commits_to(target, CommitLimits(queue_items=3)) as commits:
        first = commits.put("first", 1)
        await reached(target.reached)
        leaving, staying = commits.put("leaving", 1), commits.put("staying", 1)
        leaving.cancel()
        with pytest.raises(QueueFull):  # its append still waits
            commits.put("refused", 1)
        target.opened.set()
        await asyncio.gather(first, staying)
        assert leaving.cancelled()
        assert target.groups == [["first"], ["leaving", "staying"]]
        await commits.put("after", 3)


async def test_a_cancelled_caller_of_a_failing_group_is_no_error():
    target = Target(opened=False)
    target.failures = [OSError(errno.EIO, "the disk is gone")]
    async with commits_to(target) as commits:
        leaving = commits.put("leaving", 1)
        await reached(target.reached)
        leaving.cancel()
        target.opened.set()
        await commits.put("after", 1)
        assert (commits.committed, commits.failed) == (1, 1)


async def test_close_commits_what_waits_closes_the_target_once_and_refuses_the_rest():
    target = Target(opened=False)
    async with commits_to(target) as commits:
        waiting = [commits.put(n, 1) for n in range(3)]
        await reached(target.reached)
        waiting.append(commits.put(3, 1))
        closing = asyncio.create_task(commits.close())
        await turns()
        with pytest.raises(QueueClosed):
            commits.put("late", 2)
        with pytest.raises(QueueClosed):
            commits.wake()
        assert target.closed == 0
        target.opened.set()
        await closing
        assert all(done.done() and not done.exception() for done in waiting)
        assert [append for group in target.groups for append in group] == [0, 1, 2, 3]
        await commits.close()
    assert (target.closed, commits.refused) == (1, 2)


async def test_close_wakes_those_whose_commit_fails():
    target = Target(opened=False)
    target.failures = [OSError(errno.EIO, "the disk is gone")] * 2
    async with commits_to(target) as commits:
        waiting = [commits.put("a", 1)]
        await reached(target.reached)
        waiting.append(commits.put("b", 1))
        target.opened.set()
        await commits.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in outcomes] == [Failure] * 2
    assert target.closed == 1


async def test_the_target_is_tended_after_a_group_when_woken_and_when_it_wished():
    target = Target()
    async with commits_to(target) as commits:
        await commits.put("a", 1)
        await reached(target.tended)
        target.tended.clear()
        commits.wake()
        await reached(target.tended)
        target.tend_seconds = 0.01
        commits.wake()
        for _ in range(3):
            target.tended.clear()
            await reached(target.tended)
        assert target.groups == [["a"]]


def test_a_loop_that_closed_meanwhile_ends_nothing():
    target = Target(opened=False)
    made = []

    async def leave():
        made.append(GroupCommit(target, ROOMY, name="test", translate=translate))
        made.append(made[0].put("a", 1))

    asyncio.run(leave())
    target.opened.set()
    asyncio.run(made[0].close())
    assert (target.groups, target.closed) == ([["a"]], 1)
