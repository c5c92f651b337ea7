"""Delivers what waits in the outbox: each webhook by itself, one message at a time, again after growing waits.

At least once: a receiver that has taken a message may get it again, with the same id, if the node is killed before it
has noted that.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from edge.domain.errors import Unavailable
from edge.messages.notice import Notice
from edge.messages.outbox import NoticeOutbox
from edge.messages.outbox_file import AGE_LIMIT_SECONDS, Delivery
from edge.messages.payloads import encode_payload
from edge.messages.sending import ReceiverAnswer, Sender
from edge.messages.signature import sign_message
from edge.messages.webhook import Webhook, shown_url
from edge.messages.webhooks import Webhooks

FIRST_WAIT_SECONDS = 10.0  # a receiver that is being restarted
LONGEST_WAIT_SECONDS = 3_600.0
OTHERS_WAIT_SECONDS = 60.0  # after a failure, before another notice is tried at the same receiver
AT_ONCE = 8  # receivers; each holds a socket for 20 s at worst
DUE_LIMIT = 20  # of one receiver between two looks at the file
LOOK_SECONDS = 60.0  # between two looks at what is due, if nothing says that something is
PAUSE_SECONDS = 10.0  # after a disk that could not be used

log = logging.getLogger("edge.messages")


class Clocks(NamedTuple):
    """Seconds since the epoch, and a share from 0 to 1 by which waits differ."""

    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random


SYSTEM_CLOCKS = Clocks()


class Courier:
    """`outcomes` counts attempts since the start: `delivered`, `failed`, `given_up`."""

    def __init__(
        self, outbox: NoticeOutbox, webhooks: Webhooks, sender: Sender, clocks: Clocks = SYSTEM_CLOCKS
    ) -> None:
        self.outcomes = Counter[str]()
        self._outbox = outbox
        self._webhooks = webhooks
        self._sender = sender
        self._clocks = clocks
        self._busy = set[str]()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._outbox.posted.clear()
                try:
                    for each in await self._due():
                        self._busy.add(each)
                        tasks.create_task(self._deliver_beside(each))
                    wait = await self._wait_seconds()
                except Unavailable as error:
                    log.error("%s; notices wait", error.message)
                    wait = PAUSE_SECONDS
                await self._rest(wait)

    async def deliver_due(self) -> None:
        """What is due now, at every webhook. Raises Unavailable."""
        for each in await self._due():
            await self._deliver(each)

    async def send_once(self, webhook: Webhook, notice: Notice) -> ReceiverAnswer:
        """And note nothing."""
        body = encode_payload(webhook.form, notice)
        headers = sign_message(webhook.secret, notice.id, int(self._clocks.now()), body)
        async with self._places:
            return await self._sender.send(webhook.url, headers, body)

    async def _due(self) -> list[str]:
        """The webhooks to which something is due, and that are not being served."""
        now = self._clocks.now()
        found = await self._outbox.with_file(lambda file: file.due_receivers(now, LONGEST_WAIT_SECONDS))
        return [each for each in found if each not in self._busy]

    async def _wait_seconds(self) -> float:
        due = await self._outbox.with_file(lambda file: file.next_due(self._busy))
        return LOOK_SECONDS if due is None else min(max(due - self._clocks.now(), 0.0), LOOK_SECONDS)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._outbox.posted.wait()
        except TimeoutError:
            pass

    async def _deliver_beside(self, webhook_id: str) -> None:
        try:
            await self._deliver(webhook_id)
        except Unavailable as error:
            log.error("%s; notices wait", error.message)
            await asyncio.sleep(PAUSE_SECONDS)
        except Exception:  # one receiver's trouble is not the others'
            log.exception("cannot deliver to webhook %s; this is a bug, please report it", webhook_id)
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._busy.discard(webhook_id)
            self._outbox.posted.set()

    async def _deliver(self, webhook_id: str) -> None:
        """What is due to one webhook, until something fails."""
        while True:
            webhook, now = await asyncio.to_thread(self._find, webhook_id), self._clocks.now()
            due = await self._due_to(webhook_id, now)
            if webhook is None:
                return await self._outbox.with_file(lambda file: file.forget(webhook_id))
            if not due:
                return None
            for each in due:
                said = await self.send_once(webhook, each.notice)
                await self._note(webhook, each, said)
                if said.fault:
                    return None

    async def _due_to(self, webhook_id: str, now: float) -> list[Delivery]:
        return await self._outbox.with_file(lambda file: file.due_to(webhook_id, now, LONGEST_WAIT_SECONDS, DUE_LIMIT))

    def _find(self, webhook_id: str) -> Webhook | None:
        return next((each for each in self._webhooks.records() if each.id == webhook_id), None)

    async def _note(self, webhook: Webhook, delivery: Delivery, said: ReceiverAnswer) -> None:
        now = self._clocks.now()
        if not said.fault:
            self.outcomes["delivered"] += 1
            return await self._outbox.with_file(lambda file: file.note_delivered(delivery, now, said.status, ""))
        self.outcomes["failed"] += 1
        if now - delivery.posted >= AGE_LIMIT_SECONDS:
            self.outcomes["given_up"] += 1
            what = (delivery.notice.title, webhook.name, shown_url(webhook.url), said.fault)
            log.error("the notice %r is given up: webhook %r at %s has failed for three days: %s", *what)
            return await self._outbox.with_file(lambda file: file.note_given_up(delivery, now, said.status, said.fault))
        wait = wait_seconds(delivery.attempts, self._clocks.jitter(), said.retry_after_seconds)
        log.warning(
            "webhook %r at %s failed: %s; again in %.0f s", webhook.name, shown_url(webhook.url), said.fault, wait
        )
        others = now + min(wait, OTHERS_WAIT_SECONDS)
        return await self._outbox.with_file(
            lambda file: file.note_failed(delivery, now, now + wait, said.status, said.fault, others_due=others)
        )


def wait_seconds(attempts: int, jitter: float, asked_seconds: float = 0.0) -> float:
    """Before the next attempt, after `attempts` earlier failures and this one: twice as long each time, half of it at
    random, so that receivers that failed together are not asked together. The receiver may ask for longer."""
    longest = min(FIRST_WAIT_SECONDS * 2.0 ** min(attempts, 16), LONGEST_WAIT_SECONDS)
    return max(longest * (0.5 + jitter / 2), min(asked_seconds, LONGEST_WAIT_SECONDS))
