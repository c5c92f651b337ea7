"""Deliveries: signed, repeated after growing waits until they are taken or too old, also by the next process."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging

import pytest
from aiohttp import web
from notices import a_notice

from edge.config import WebhookRules
from edge.messages.courier import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, OTHERS_WAIT_SECONDS, Clocks, wait_seconds
from edge.messages.messaging import Messaging
from edge.messages.notice import NoticeKind
from edge.messages.outbox_file import AGE_LIMIT_SECONDS
from edge.messages.webhook import WebhookForm

NOW = 1_700_000_000.0
HERE = WebhookRules(allow_http=True, allowed_networks=("127.0.0.1",))


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


class Receiver:
    """Answers with `statuses`, one after another, then 200; keeps what it got."""

    def __init__(self):
        self.statuses = []
        self.got = []
        self.arrived = asyncio.Event()

    async def handle(self, request):
        self.got.append((request.headers, await request.read()))
        self.arrived.set()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    @property
    def ids(self):
        return [headers["webhook-id"] for headers, _ in self.got]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def receiver(aiohttp_server):
    made = Receiver()
    app = web.Application()
    app.router.add_post("/", made.handle)
    made.url = f"http://127.0.0.1:{(await aiohttp_server(app)).port}/"
    return made


@pytest.fixture
async def messaging(tmp_path, clock):
    opened = Messaging(tmp_path, HERE, clocks=Clocks(clock, lambda: 1.0))
    yield opened
    await opened.outbox.close()


def add(messaging, url, name="ops", *, form=WebhookForm.JSON, kinds=(), apps=()):
    return messaging.webhooks.add(name, url, form, apps, kinds, by="root", now=NOW, command=name)


def is_signed(secret, headers, body):
    """As a receiver's own code would do it, from the documents."""
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(each, f"v1,{wanted}") for each in headers["webhook-signature"].split(" "))


async def test_a_notice_arrives_signed(messaging, receiver):
    made = add(messaging, receiver.url)
    await messaging.outbox.post(a_notice())
    await messaging.courier.deliver_due()
    ((headers, body),) = receiver.got
    assert json.loads(body)["kind"] == "guard_paused"
    assert headers["webhook-timestamp"] == str(int(NOW))
    assert is_signed(made.secret, headers, body)
    assert not is_signed(made.secret, headers, body + b" ")
    (result,) = await messaging.deliveries("ops")
    assert (result.state, result.status, result.attempts) == ("delivered", 200, 1)
    assert await messaging.waiting() == (0, 0)


async def test_a_filter_keeps_notices_away(messaging, receiver):
    add(messaging, receiver.url, kinds=[NoticeKind.RELEASE_SILENT])
    await messaging.outbox.post(a_notice())
    await messaging.courier.deliver_due()
    assert receiver.got == []


async def test_a_failed_delivery_is_tried_again_with_the_same_id(messaging, receiver, clock, caplog):
    receiver.statuses = [500, 503]
    add(messaging, receiver.url)
    await messaging.outbox.post(a_notice())
    for wait, seen in ((0.0, 1), (FIRST_WAIT_SECONDS - 1, 1), (1.0, 2), (2 * FIRST_WAIT_SECONDS, 3), (3_600.0, 3)):
        clock.now += wait
        await messaging.courier.deliver_due()
        assert len(receiver.got) == seen
    assert receiver.ids == ["n1"] * 3
    assert messaging.courier.outcomes == {"failed": 2, "delivered": 1}
    assert "webhook 'ops' at http://127.0.0.1" in caplog.text and "it answered 500" in caplog.text


async def test_a_receiver_that_fails_is_not_asked_with_each_notice(messaging, receiver, clock):
    receiver.statuses = [500] * 9
    add(messaging, receiver.url)
    for number in range(5):
        await messaging.outbox.post(a_notice(id=f"n{number}"))
    await messaging.courier.deliver_due()
    await messaging.courier.deliver_due()
    assert receiver.ids == ["n0"]
    clock.now += OTHERS_WAIT_SECONDS
    await messaging.courier.deliver_due()
    assert len(receiver.got) == 2


async def test_what_is_too_old_is_given_up_loudly(messaging, receiver, clock, caplog):
    receiver.statuses = [500] * 9
    add(messaging, receiver.url)
    await messaging.outbox.post(a_notice())
    clock.now += AGE_LIMIT_SECONDS
    with caplog.at_level(logging.ERROR):
        await messaging.courier.deliver_due()
    assert "'Paused' is given up: webhook 'ops'" in caplog.text
    assert [each.state for each in await messaging.deliveries("ops")] == ["given_up"]
    assert messaging.courier.outcomes["given_up"] == 1
    assert await messaging.waiting() == (0, 1)


async def test_the_next_process_delivers_what_waits(messaging, receiver, tmp_path, clock):
    add(messaging, receiver.url)
    await messaging.outbox.post(a_notice())
    await messaging.outbox.close()
    again = Messaging(tmp_path, HERE, clocks=Clocks(clock, lambda: 1.0))
    await again.courier.deliver_due()
    assert receiver.ids == ["n1"]
    await again.outbox.close()


async def test_a_process_killed_before_it_noted_the_delivery_repeats_it_by_its_id(messaging, receiver, tmp_path):
    made = add(messaging, receiver.url)
    await messaging.outbox.post(a_notice())
    assert (await messaging.courier.send_once(made, a_notice())).fault == ""  # and nothing is noted
    await Messaging(tmp_path, HERE).courier.deliver_due()
    assert receiver.ids == ["n1", "n1"]


async def test_one_that_fails_does_not_hold_up_another(messaging, receiver, port_of_nobody):
    add(messaging, f"http://127.0.0.1:{port_of_nobody}/", "broken")
    add(messaging, receiver.url, "good")
    await messaging.outbox.post(a_notice())
    await messaging.courier.deliver_due()
    assert receiver.ids == ["n1"]
    assert [(each.state, each.reason[:13]) for each in await messaging.deliveries("broken")] == [
        ("waiting", "no connection")
    ]
    assert await messaging.waiting() == (1, 1)


async def test_a_removed_webhook_gets_nothing_more(messaging, receiver):
    add(messaging, receiver.url)
    await messaging.outbox.post(a_notice())
    await messaging.remove("ops")
    await messaging.courier.deliver_due()
    assert receiver.got == [] and await messaging.waiting() == (0, 0)


async def test_one_removed_by_another_process_gets_nothing_more(messaging, receiver):
    add(messaging, receiver.url)
    await messaging.outbox.post(a_notice())
    messaging.webhooks.remove("ops")
    await messaging.courier.deliver_due()
    assert receiver.got == [] and await messaging.waiting() == (0, 0)


async def test_the_duty_delivers_what_is_posted_while_it_runs(messaging, receiver):
    add(messaging, receiver.url)
    running = asyncio.create_task(messaging.run())
    await messaging.outbox.post(a_notice())
    await receiver.arrived.wait()
    receiver.arrived.clear()
    await messaging.outbox.post(a_notice(id="n2"))
    await receiver.arrived.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert receiver.ids == ["n1", "n2"]


async def test_the_test_says_what_the_receiver_says(messaging, receiver, port_of_nobody):
    receiver.statuses = [410]
    add(messaging, receiver.url, kinds=[NoticeKind.GUARD_ALARM])
    add(messaging, f"http://127.0.0.1:{port_of_nobody}/", "broken")
    said, _ = await messaging.test("ops")
    assert (said.status, said.fault) == (410, "it answered 410")
    assert json.loads(receiver.got[0][1])["kind"] == "webhook_test"
    said, _ = await messaging.test("broken")
    assert said.status == 0 and said.fault.startswith("no connection")
    assert await messaging.deliveries("ops") == []


def test_waits_double_up_to_an_hour_and_differ():
    assert [wait_seconds(n, 1.0) for n in (0, 1, 2)] == [10.0, 20.0, 40.0]
    assert wait_seconds(0, 0.0) == FIRST_WAIT_SECONDS / 2
    assert wait_seconds(10_000, 1.0) == LONGEST_WAIT_SECONDS
    assert wait_seconds(0, 1.0, 120.0) == 120.0
    assert wait_seconds(0, 1.0, 1e9) == LONGEST_WAIT_SECONDS
