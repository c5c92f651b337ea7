"""The outbox: a notice that was posted is there after any kill, is bounded, and is known by its id."""

import logging
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from edge.domain.errors import Unavailable
from edge.messages import outbox_file
from edge.messages.notice import Notice, NoticeKind
from edge.messages.outbox import NoticeOutbox
from edge.messages.outbox_file import (
    AGE_LIMIT_SECONDS,
    DELIVERED,
    GIVEN_UP,
    HELD_LIMIT_BYTES,
    NO_ROOM,
    NOTICES_KEPT,
    RESULTS_KEPT,
    TOO_OLD,
    WAITING,
    WAITING_LIMIT,
    OutboxFile,
)

NOW = 1_700_000_000.0
WAIT = 3_600.0


def a_notice(number=1, text="It failed."):
    return Notice(id=f"n{number}", kind=NoticeKind.GUARD_PAUSED, at=NOW, title="Paused", text=text)


def due(file, now):
    found = [each for webhook in file.due_receivers(now, WAIT) for each in file.due_to(webhook, now, WAIT, 100_000)]
    return sorted(found, key=lambda each: (each.number, each.webhook))


@pytest.fixture
def file(tmp_path):
    opened = OutboxFile(tmp_path / "messages.sqlite")
    yield opened
    opened.close()


async def test_a_posted_notice_is_on_disk_for_each_receiver(tmp_path):
    path = tmp_path / "messages.sqlite"
    outbox = NoticeOutbox(path, lambda notice: ["a", "b"], lambda: NOW)
    await outbox.post(a_notice())
    assert [each.webhook for each in due(OutboxFile(path), NOW)] == ["a", "b"]
    assert outbox.posted.is_set()
    await outbox.close()


async def test_a_notice_posted_again_is_delivered_and_logged_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    outbox = NoticeOutbox(tmp_path / "messages.sqlite", lambda notice: ["a"], lambda: NOW)
    await outbox.post(a_notice())
    await outbox.post(a_notice())
    assert len(await outbox.with_file(lambda file: due(file, NOW))) == 1
    assert caplog.messages == ["guard_paused: Paused"]
    await outbox.close()


async def test_a_disk_that_cannot_be_written_is_told_to_whoever_posts(tmp_path):
    outbox = NoticeOutbox(tmp_path / "missing" / "messages.sqlite", lambda notice: ["a"], lambda: NOW)
    with pytest.raises(Unavailable, match="cannot use the outbox"):
        await outbox.post(a_notice())
    assert not outbox.posted.is_set()


def test_what_was_posted_survives_a_kill(tmp_path):
    posting = """
        import asyncio, os, signal, sys
        from pathlib import Path
        from edge.messages.notice import Notice, NoticeKind
        from edge.messages.outbox import NoticeOutbox

        async def post():
            outbox = NoticeOutbox(Path(sys.argv[1]), lambda notice: ["a"])
            for number in range(3):
                notice = Notice(id=f"n{number}", kind=NoticeKind.GUARD_ALARM, at=0.0, title="t", text="t")
                await outbox.post(notice)
                print(number, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(post())
    """
    path = tmp_path / "messages.sqlite"
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(posting), path], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.split()) == (-signal.SIGKILL, ["0", "1", "2"])
    assert [each.notice.id for each in due(OutboxFile(path), 1e12)] == ["n0", "n1", "n2"]


def test_a_transaction_that_a_kill_cut_leaves_nothing(tmp_path, file):
    file.add(a_notice(1), ["a"], NOW)
    cut = """
        import os, signal, sqlite3, sys
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        for number in range(2_000):
            connection.execute("INSERT INTO notices (id, posted, body) VALUES (?, 0, ?)", (f"x{number}", b"{}" * 500))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    path = tmp_path / "messages.sqlite"
    subprocess.run([sys.executable, "-c", textwrap.dedent(cut), path], check=False)
    assert path.with_name("messages.sqlite-journal").exists()
    file.close()
    assert [each.notice.id for each in due(file, NOW)] == ["n1"]
    assert sqlite3.connect(path).execute("SELECT count(*) FROM notices").fetchone() == (1,)


def test_a_failed_delivery_waits_until_it_is_due(file):
    file.add(a_notice(), ["a"], NOW)
    (delivery,) = due(file, NOW)
    file.note_failed(delivery, NOW, NOW + 10, 503, "it answered 503", others_due=NOW)
    assert due(file, NOW + 9) == []
    assert [each.attempts for each in due(file, NOW + 10)] == [1]
    assert file.next_due() == NOW + 10
    assert (file.waiting(), file.failing()) == (1, 1)


def test_a_clock_that_was_set_back_delays_nothing(file):
    file.add(a_notice(), ["a"], NOW)
    assert due(file, NOW - WAIT) == []
    assert len(due(file, NOW - WAIT - 1)) == 1


def test_results_have_the_latest_notice_first(file):
    for number in (1, 2, 3):
        file.add(a_notice(number), ["a"], NOW + number)
    first, second, _ = due(file, NOW + 3)
    file.note_delivered(first, NOW + 4, 200, "")
    file.note_given_up(second, NOW + 5, 0, "no answer")
    found = [(each.notice.id, each.state, each.attempts, each.status) for each in file.results("a")]
    assert found == [("n3", WAITING, 0, 0), ("n2", GIVEN_UP, 1, 0), ("n1", DELIVERED, 1, 200)]
    assert file.failing() == 1


def test_a_receiver_that_works_again_does_not_count_as_failing(file):
    for number in (1, 2):
        file.add(a_notice(number), ["a"], NOW + number)
    first, second = due(file, NOW + 2)
    file.note_failed(first, NOW + 3, NOW + 13, 0, "no answer", others_due=NOW)
    assert file.failing() == 1
    file.note_delivered(second, NOW + 4, 204, "")
    assert file.failing() == 0


def test_a_forgotten_receiver_gets_nothing(file):
    file.add(a_notice(), ["a", "b"], NOW)
    file.forget("a")
    assert [each.webhook for each in due(file, NOW)] == ["b"]
    assert file.receivers() == ["b"]


def test_the_oldest_are_given_up_when_too_many_wait(file):
    receivers = [f"r{number:03}" for number in range(WAITING_LIMIT // 4)]
    assert [file.add(a_notice(number), receivers, NOW) for number in range(4)] == [0, 0, 0, 0]
    assert file.add(a_notice(4), ["r000"], NOW) == len(receivers)
    assert file.waiting() == WAITING_LIMIT * 3 // 4 + 1
    assert [(each.notice.id, each.reason) for each in file.results("r001")][-1] == ("n0", NO_ROOM)


def test_the_oldest_are_given_up_when_they_take_too_much_room(tmp_path, file):
    file.add(a_notice(1), ["a"], NOW)
    file.add(a_notice(2), ["a"], NOW)
    long = b" " * (HELD_LIMIT_BYTES - 100)
    with sqlite3.connect(tmp_path / "messages.sqlite") as connection:
        connection.execute("UPDATE notices SET body = ? || body WHERE id = 'n1'", (long,))
    assert file.add(a_notice(3), ["a"], NOW) == 1
    assert [each.notice.id for each in due(file, NOW)] == ["n2", "n3"]


def test_a_failure_holds_up_what_else_waits_for_the_same_receiver(file):
    for number in (1, 2):
        file.add(a_notice(number), ["a", "b"], NOW)
    file.note_failed(due(file, NOW)[0], NOW, NOW + 10, 0, "no answer", others_due=NOW + 5)
    assert [(each.webhook, each.notice.id) for each in due(file, NOW + 4)] == [("b", "n1"), ("b", "n2")]
    assert [each.webhook for each in due(file, NOW + 5)] == ["b", "a", "b"]
    assert file.next_due() == NOW and file.next_due({"b"}) == NOW + 5


def test_what_is_too_old_is_given_up(file):
    file.add(a_notice(1), ["a"], NOW)
    assert file.add(a_notice(2), ["a"], NOW + AGE_LIMIT_SECONDS) == 0
    assert file.add(a_notice(3), ["a"], NOW + AGE_LIMIT_SECONDS + 1) == 1
    assert [(each.notice.id, each.reason) for each in file.results("a")][-1] == ("n1", TOO_OLD)


def test_what_is_done_is_forgotten_but_for_the_latest(file):
    for number in range(RESULTS_KEPT + 5):
        file.add(a_notice(number), ["a"], NOW)
        (delivery,) = due(file, NOW)
        file.note_delivered(delivery, NOW, 200, "")
    assert [each.notice.id for each in file.results("a", 1_000)] == [f"n{n}" for n in range(RESULTS_KEPT + 4, 4, -1)]


def test_notices_for_nobody_do_not_add_up(tmp_path, file):
    file.add(a_notice(0), ["a"], NOW)
    path = tmp_path / "messages.sqlite"
    rows = [(f"x{number}", NOW, b"{}") for number in range(NOTICES_KEPT)]
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO notices (id, posted, body) VALUES (?, ?, ?)", rows)
    file.add(a_notice(1), [], NOW)
    assert sqlite3.connect(path).execute("SELECT count(*) FROM notices").fetchone() == (NOTICES_KEPT + 1,)
    assert len(due(file, NOW)) == 1


@pytest.mark.parametrize("content", [b"no database at all, and long enough to be read as the head of one" * 20, None])
def test_a_damaged_file_is_set_aside(tmp_path, file, content):
    path = tmp_path / "messages.sqlite"
    if content is None:
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version = {outbox_file.SCHEMA_NUMBER + 1}")
    else:
        path.write_bytes(content)
    file.add(a_notice(), ["a"], NOW)
    assert len(due(file, NOW)) == 1
    assert path.with_name("messages.sqlite.damaged").exists()


def test_only_this_user_reads_the_file(tmp_path, file):
    file.add(a_notice(), ["a"], NOW)
    assert (tmp_path / "messages.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b'{"id": "n1", "kind": "of a newer release", "at": 0, "title": "", "text": ""}']
)
def test_a_notice_that_cannot_be_read_is_given_up_and_holds_up_no_other(tmp_path, file, body):
    file.add(a_notice(1), ["a"], NOW)
    with sqlite3.connect(tmp_path / "messages.sqlite") as connection:
        connection.execute("UPDATE notices SET body = ?", (body,))
    connection.close()
    file.add(a_notice(2), ["a", "b"], NOW)
    assert [(each.webhook, each.notice.id) for each in due(file, NOW)] == [("a", "n2"), ("b", "n2")]
    assert [each.notice.id for each in file.results("a")] == ["n2"]
    assert file.due_receivers(NOW, WAIT) == ["a", "b"] and file.waiting() == 2
