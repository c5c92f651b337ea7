"""The folding process as the supervisor sees it: it counts, answers, is restarted when it dies, and leaves with it."""

import asyncio
import os
import signal
import sqlite3
import time
from contextlib import asynccontextmanager, closing, suppress

import pytest
from factories import APP, DEVICE
from node_world import PROMPT_SECONDS, a_truth, publish
from telemetry_lines import line, stored, write_segment

from edge.assembly.children.kept_process import SILENT_SECONDS
from edge.assembly.counting.own_names import OwnNames
from edge.assembly.counting.process import FOLD_SECONDS
from edge.assembly.folding import (
    ASKER_WAITING_LIMIT,
    PAGE_FOLD_SECONDS,
    QUESTIONS_WAITING_LIMIT,
    Folding,
)
from edge.config import Log, Telemetry
from edge.control.ports import ASKED_BY, Asker
from edge.control.shapes.apps import AppStats
from edge.domain.errors import Unavailable
from edge.domain.model import AppId, DeviceId
from edge.domain.statistics.device_key import device_key
from edge.node.processes.duties import NodeDuties
from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.questions.app_answers import StatsAnswer, StatsQuestion
from edge.telemetry.upkeep.erasures import note_erasure


@pytest.fixture
def truth(tmp_path):
    truth = a_truth(tmp_path)
    truth.spool_dir.mkdir(parents=True)
    publish(truth, "1.0.0")
    write_segment(truth.spool_dir, [line(app=APP), line(app=APP, action="set_fail")])
    return truth


def a_folding(truth):
    return Folding(truth, truth.node, Telemetry(), Log(), OwnNames(truth.releases))


@asynccontextmanager
async def on_duty(folding):
    duties = NodeDuties(fold=folding.run)
    running = asyncio.create_task(duties.run())
    duties.begin()
    try:
        async with asyncio.timeout(4 * PROMPT_SECONDS):
            yield duties
            await duties.end()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def answered(folding):
    """What it answers once it runs, however long it takes to start on a busy machine."""
    while True:
        with suppress(Unavailable):
            return {each.action: each.n for each in await folding.counts(APP)}


def is_alive(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


async def test_a_page_takes_what_was_just_counted_and_knows_until_when(truth):
    folding = a_folding(truth)
    assert folding.counted_until(5.0) == 5.0
    async with on_duty(folding):
        await answered(folding)
        while folding.counted_until(time.time()) and not folding._counted_at:
            await asyncio.sleep(0)
        counted = folding._counted_at
        soon, later = counted + 1, counted + PAGE_FOLD_SECONDS
        assert folding.counted_until(soon) == soon
        before = ASKED_BY.set(Asker("ops", on_page=True))
        try:
            assert (folding.counted_until(soon), folding.counted_until(later)) == (counted, later)
        finally:
            ASKED_BY.reset(before)


async def test_what_is_acknowledged_is_counted_before_the_answer(truth):
    folding = a_folding(truth)
    async with on_duty(folding):
        assert await answered(folding) == {"set": 1, "set_fail": 1}
        write_segment(truth.spool_dir, [line(app=APP)], worker=1)
        assert await answered(folding) == {"set": 2, "set_fail": 1}
        assert folding.condition.totals["folded"] == 3 and folding.is_up


@pytest.mark.long
async def test_a_release_under_guard_is_counted_at_once_and_often(truth):
    loop, folds = asyncio.get_running_loop(), asyncio.Queue()

    async def tell_notes():  # before each fold
        folds.put_nowait(loop.time())

    folding = Folding(truth, truth.node, Telemetry(), Log(), OwnNames(truth.releases), tell_notes)
    async with on_duty(folding):
        first = await folds.get()
        folding.tell_guarding(True)
        for _ in range(2):
            last = await folds.get()
    assert last - first < 2 * FOLD_SECONDS  # not sooner than that without: the process was told between two


async def test_one_that_is_killed_is_followed_by_another_that_counts_nothing_twice(truth):
    folding = a_folding(truth)
    async with on_duty(folding):
        assert await answered(folding) == {"set": 1, "set_fail": 1}
        first = folding.pid
        os.kill(first, signal.SIGKILL)
        while folding.pid in (first, None):
            await asyncio.sleep(0)
        assert await answered(folding) == {"set": 1, "set_fail": 1}
        assert folding.restarts == 1


async def test_a_question_to_one_that_dies_is_refused_by_name_and_counted(truth):
    folding = a_folding(truth)
    async with on_duty(folding):
        await answered(folding)
        os.kill(folding.pid, signal.SIGSTOP)
        asking = asyncio.create_task(folding.stats(APP))
        await asyncio.sleep(0)
        os.kill(folding.pid, signal.SIGKILL)
        with pytest.raises(Unavailable) as refused:
            await asking
        assert refused.value.code == "figures_unavailable" and folding.asked["unavailable"] >= 1


async def test_one_token_takes_its_share_of_the_questions_that_wait_and_no_more(truth):
    folding = a_folding(truth)  # whose process never starts: questions wait for it
    asker = ASKED_BY.set(Asker("reader"))
    asking = [asyncio.create_task(folding.stats(APP)) for _ in range(ASKER_WAITING_LIMIT)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="of 'reader'") as refused:
        await folding.stats(APP)
    assert refused.value.code == "busy"
    ASKED_BY.reset(asker)
    others = asyncio.create_task(folding.stats(APP))
    await asyncio.sleep(0)
    assert not others.done()
    for each in (*asking, others):
        each.cancel()
    await asyncio.gather(*asking, others, return_exceptions=True)
    assert not folding._waiting


async def test_an_end_of_duty_ends_the_process_and_a_new_one_begins_with_the_next(truth):
    folding = a_folding(truth)
    async with on_duty(folding) as duties:
        await answered(folding)
        pid = folding.pid
        await duties.end()
        assert not is_alive(pid) and not folding.is_up
        duties.begin()
        assert await answered(folding) == {"set": 1, "set_fail": 1}


async def test_totals_that_cannot_be_read_stay_as_they_were(truth):
    folding = a_folding(truth)
    async with on_duty(folding):
        await answered(folding)
        totals = folding.condition.totals
        for path in truth.counts_database.parent.glob("counts.sqlite*"):
            path.unlink()
        truth.counts_database.mkdir()
        with pytest.raises(Unavailable, match=r"counts\.sqlite"):
            await folding.stats(APP)
        assert folding.condition.totals == totals and totals["folded"] == 2


async def test_a_device_is_erased_from_what_is_counted_and_later_from_what_is_being_written(truth):
    folding = a_folding(truth)
    of_device = line(app=APP).replace(b'"device": "d"', f'"device": "{DEVICE}"'.encode())
    write_segment(truth.spool_dir, [of_device, line(app=APP)], worker=1)
    live = write_segment(truth.spool_dir, [of_device], worker=2, now=time.time(), seal=False)

    def named():
        return DEVICE.encode() in b"".join(stored(truth.spool_dir))

    async with on_duty(folding):
        assert await answered(folding) == {"set": 4, "set_fail": 1}
        erased = await folding.erase(AppId(APP), DeviceId(DEVICE))
        assert (erased.lines, erased.segments, erased.open_segments) == (1, 1, 1)
        assert named() and folding.condition.erasures == 1
        live.seal()
        while folding.condition.erasures or named():
            await answered(folding)
        assert await answered(folding) == {"set": 4, "set_fail": 1}
        assert (await folding.audit()).exact
        assert list(truth.erasures_dir.iterdir()) == []


async def test_an_erasure_without_a_process_is_noted_and_carried_out_by_the_next(truth):
    folding = a_folding(truth)
    of_device = line(app=APP).replace(b'"device": "d"', f'"device": "{DEVICE}"'.encode())
    write_segment(truth.spool_dir, [of_device], worker=1)
    async with on_duty(folding) as duties:
        await answered(folding)
        os.kill(folding.pid, signal.SIGSTOP)
        asking = asyncio.create_task(folding.erase(AppId(APP), DeviceId(DEVICE)))
        while not truth.erasures_dir.exists() or not list(truth.erasures_dir.glob("*.json")):
            await asyncio.sleep(0)
        await duties.end()
        assert await asking is None
        duties.begin()
        while list(truth.erasures_dir.glob("*.json")):
            await answered(folding)
        assert DEVICE.encode() not in b"".join(stored(truth.spool_dir))


async def test_a_device_that_speaks_again_while_the_process_is_away_begins_anew_when_it_is_erased(truth):
    def of_device(received):
        sent = line(app=APP, received=received)
        return sent.replace(b'"device": "d"', f'"device": "{DEVICE}"'.encode())

    def rows():
        with closing(open_for_reading(truth.counts_database)) as connection:
            wanted = (device_key(APP, DEVICE),)
            return connection.execute("SELECT first_ms FROM devices WHERE key = ?", wanted).fetchall()

    now = time.time()
    before, since = of_device(now - 7_200), of_device(now - 60)
    write_segment(truth.spool_dir, [before, since], worker=1, now=now - 7_200)
    note_erasure(truth.erasures_dir, APP, DEVICE, now - 3_600)
    folding = a_folding(truth)
    async with on_duty(folding):
        while list(truth.erasures_dir.glob("*.json")):
            await answered(folding)
        assert rows() == [] and since in stored(truth.spool_dir) and before not in stored(truth.spool_dir)
        write_segment(truth.spool_dir, [of_device(now)], worker=2, now=now)
        await answered(folding)
        assert rows() == [(int(now * 1000),)]


async def test_the_same_question_is_answered_again_from_memory_until_something_is_counted(truth):
    folding = a_folding(truth)
    now_ms = int(time.time() * 1000)

    async def ask(after_ms):
        until_ms = now_ms + after_ms
        asked = StatsQuestion(app=APP, since_ms=until_ms - 86_400_000, until_ms=until_ms)
        return (await folding.ask("stats", asked, StatsAnswer)).until - now_ms // 1000

    async with on_duty(folding):
        await answered(folding)
        assert [await ask(0), await ask(5_000)] == [0, 0]
        write_segment(truth.spool_dir, [line(app=APP)], worker=1)
        assert await ask(7_000) == 7


async def test_an_unknown_question_and_a_full_queue_are_refused_by_name(truth):
    folding = a_folding(truth)
    async with on_duty(folding):
        await answered(folding)
        with pytest.raises(Unavailable, match="no question 'horoscope'"):
            await folding.ask("horoscope", {}, AppStats)
        os.kill(folding.pid, signal.SIGSTOP)
        asking = [asyncio.create_task(folding.stats(APP)) for _ in range(QUESTIONS_WAITING_LIMIT)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await folding.stats(APP)
        os.kill(folding.pid, signal.SIGKILL)
        assert refused.value.code == "busy"
        refusals = await asyncio.gather(*asking, return_exceptions=True)
        assert {each.code for each in refusals} == {"figures_unavailable"}


@pytest.mark.long
async def test_one_that_says_nothing_is_killed_and_followed_by_another(truth):
    folding = a_folding(truth)
    async with on_duty(folding):
        await answered(folding)
        first = folding.pid
        now = asyncio.get_running_loop().time()
        folding.end_if_silent(now)
        os.kill(first, signal.SIGSTOP)
        folding.end_if_silent(now + SILENT_SECONDS + 60)
        while folding.pid in (first, None):
            await asyncio.sleep(0)
        assert await answered(folding) == {"set": 1, "set_fail": 1}
        assert folding.restarts == 1 and folding.is_up


async def test_what_counting_did_not_expect_ends_the_process_and_is_told_until_it_counts_again(truth):
    folding = a_folding(truth)
    async with on_duty(folding):
        await answered(folding)
        first = folding.pid
        with closing(sqlite3.connect(truth.counts_database)) as connection, connection:
            connection.execute("UPDATE secrets SET secret = 'x' WHERE name = 'seen'")  # no bytes: no code expects that
        write_segment(truth.spool_dir, [line(app=APP, happened_ms=1)] * 30, worker=1)
        with suppress(Unavailable):
            await folding.counts(APP)
        while folding.pid in (first, None):
            await asyncio.sleep(0)
        assert not folding.is_up and folding.condition.failing.startswith("TypeError") and folding.restarts >= 1
        with closing(sqlite3.connect(truth.counts_database)) as connection, connection:
            connection.execute("DELETE FROM secrets")
        while not folding.is_up:
            with suppress(Unavailable):
                assert await folding.counts(APP)
        assert await answered(folding) == {"set": 2, "set_fail": 1}
