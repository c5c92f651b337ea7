"""All that a node says by itself: the outbox, the webhooks, and who delivers."""

import asyncio
import secrets
import time
from pathlib import Path
from typing import NamedTuple

from edge.config import WebhookRules
from edge.messages.addresses import parse_networks
from edge.messages.courier import SYSTEM_CLOCKS, Clocks, Courier
from edge.messages.notice import Notice, NoticeKind
from edge.messages.outbox import NoticeOutbox
from edge.messages.outbox_file import DeliveryResult
from edge.messages.sending import ReceiverAnswer, Sender
from edge.messages.webhooks import Webhooks
from edge.store.disk.set_aside import clear_for_file

OUTBOX_FILE = "messages.sqlite"
WEBHOOKS_FILE = "webhooks.json"


class Waiting(NamedTuple):
    """`failing` webhooks failed at their latest attempt."""

    deliveries: int
    failing: int


class Messaging:
    """In a node's own directory. A test may bring a `sender` of its own."""

    def __init__(
        self, node_dir: Path, rules: WebhookRules, *, sender: Sender | None = None, clocks: Clocks = SYSTEM_CLOCKS
    ) -> None:
        clear_for_file(node_dir / OUTBOX_FILE, "notices that were not delivered are lost")
        allowed = parse_networks(rules.allowed_networks)
        self.webhooks = Webhooks(node_dir / WEBHOOKS_FILE, allow_http=rules.allow_http)
        self.outbox = NoticeOutbox(node_dir / OUTBOX_FILE, self.webhooks.receivers_of, clocks.now)
        sender = sender or Sender(allowed, allow_http=rules.allow_http)
        self.courier = Courier(self.outbox, self.webhooks, sender, clocks)
        self._testing = asyncio.Semaphore(1)  # an admin's button is no port scanner
        self._clocks = clocks

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            await self.courier.run()
        finally:
            await self.outbox.close()

    async def test(self, name: str) -> tuple[ReceiverAnswer, int]:
        """Send a notice to one webhook now, whatever its filter; with what the receiver said, and after how many
        milliseconds. Raises NotFound `unknown_webhook`."""
        webhook = await asyncio.to_thread(self.webhooks.named, name)
        notice = Notice(
            id=f"test-{secrets.token_hex(8)}",
            kind=NoticeKind.WEBHOOK_TEST,
            at=self._clocks.now(),
            app=webhook.apps[0] if webhook.apps else "",
            title=f"Test of webhook {name}",
            text="If you can read this, notices of this node arrive here.",
        )
        async with self._testing:
            began = time.monotonic()
            said = await self.courier.send_once(webhook, notice)
            return said, round((time.monotonic() - began) * 1000)

    async def remove(self, name: str) -> None:
        """Nothing is sent to it any more. Raises NotFound `unknown_webhook`."""
        gone = await asyncio.to_thread(self.webhooks.remove, name)
        await self.outbox.with_file(lambda file: file.forget(gone.id))

    async def deliveries(self, name: str) -> list[DeliveryResult]:
        """The latest first. Raises NotFound `unknown_webhook`."""
        webhook = await asyncio.to_thread(self.webhooks.named, name)
        return await self.outbox.with_file(lambda file: file.results(webhook.id))

    async def waiting(self) -> Waiting:
        """Raises Unavailable."""
        return await self.outbox.with_file(lambda file: Waiting(file.waiting(), file.failing()))
