"""Webhooks: list, add, remove, test, and what became of deliveries. For admins: a webhook makes this node send
requests. A secret is in the answer that makes it and nowhere else."""

import asyncio
from functools import partial

import msgspec

from edge.control.access.roles import Permission
from edge.control.calls import Call, command_id
from edge.control.operations import Operation
from edge.control.shapes.webhooks import (
    DeliveryView,
    WebhookMade,
    WebhookRemoved,
    WebhookRequest,
    WebhookTested,
    WebhookView,
)
from edge.messages.outbox_file import WAITING, DeliveryResult
from edge.messages.webhook import Webhook, shown_url


async def handle_list(call: Call[None]) -> list[WebhookView]:
    """By name."""
    return [_view(each) for each in await asyncio.to_thread(call.ports.messaging.webhooks.records)]


async def handle_add(call: Call[WebhookRequest]) -> WebhookMade:
    body, ports = call.body, call.ports
    asked = (body.name, body.url, body.form, body.apps, body.kinds)
    add = partial(ports.messaging.webhooks.add, *asked, by=call.grant.name, now=ports.clock.now())
    made = await asyncio.to_thread(add, command=command_id(call))
    return WebhookMade(**msgspec.structs.asdict(_view(made)), secret=made.secret)


async def handle_remove(call: Call[None]) -> WebhookRemoved:
    name = call.part("name")
    await call.ports.messaging.remove(name)
    return WebhookRemoved(name=name, removed=True)


async def handle_test(call: Call[None]) -> WebhookTested:
    name = call.part("name")
    said, milliseconds = await call.ports.messaging.test(name)
    return WebhookTested(
        name=name,
        delivered=not said.fault,
        status=said.status,
        fault=said.fault,
        answer=said.text,
        milliseconds=milliseconds,
    )


async def handle_deliveries(call: Call[None]) -> list[DeliveryView]:
    """The latest notice first."""
    return [_view_delivery(each) for each in await call.ports.messaging.deliveries(call.part("name"))]


def _view(webhook: Webhook) -> WebhookView:
    return WebhookView(
        name=webhook.name,
        address=shown_url(webhook.url),
        form=webhook.form,
        apps=webhook.apps,
        kinds=webhook.kinds,
        created=webhook.created,
        by=webhook.by,
    )


def _view_delivery(found: DeliveryResult) -> DeliveryView:
    return DeliveryView(
        id=found.notice.id,
        kind=found.notice.kind,
        app=found.notice.app,
        title=found.notice.title,
        state=found.state,
        attempts=found.attempts,
        posted=found.posted,
        last=found.last or None,
        next=found.due if found.state == WAITING else None,
        status=found.status,
        fault=found.reason,
    )


OPERATIONS = (
    Operation(
        name="list_webhooks",
        method="GET",
        path="/v1/webhooks",
        summary="List the webhooks of this node by name, without their secrets and the paths of their addresses",
        permission=Permission.MANAGE_WEBHOOKS,
        handle=handle_list,
        answer=list[WebhookView],
    ),
    Operation(
        name="add_webhook",
        method="POST",
        path="/v1/webhooks",
        summary="Add a webhook and show its secret once; a repeat with the same Idempotency-Key gives it a new secret",
        permission=Permission.MANAGE_WEBHOOKS,
        handle=handle_add,
        answer=WebhookMade,
        body=WebhookRequest,
        takes_id=True,
    ),
    Operation(
        name="remove_webhook",
        method="DELETE",
        path="/v1/webhooks/{name}",
        summary="Remove a webhook, with the notices that wait for it",
        permission=Permission.MANAGE_WEBHOOKS,
        handle=handle_remove,
        answer=WebhookRemoved,
    ),
    Operation(
        name="test_webhook",
        method="POST",
        path="/v1/webhooks/{name}/test",
        summary="Send a test notice to a webhook now, and show what its receiver says",
        permission=Permission.MANAGE_WEBHOOKS,
        handle=handle_test,
        answer=WebhookTested,
    ),
    Operation(
        name="list_webhook_deliveries",
        method="GET",
        path="/v1/webhooks/{name}/deliveries",
        summary="List the latest notices to a webhook and what became of each",
        permission=Permission.MANAGE_WEBHOOKS,
        handle=handle_deliveries,
        answer=list[DeliveryView],
    ),
)
