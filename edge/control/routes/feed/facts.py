"""What devices bring about, between this node and those that send home to it: rows and evidence up, rows down."""

import asyncio
from contextlib import suppress
from typing import Any

from edge.control.access.roles import Permission
from edge.control.calls import Call
from edge.control.operations import DRY_RUN, Operation, parse_flag, parse_number
from edge.control.routes.devices import WHOLE_TIME, WITHIN
from edge.control.shapes.devices import BroughtLiftedView
from edge.control.uploads import read_body
from edge.domain.errors import Conflict, Invalid, NotFound
from edge.regions.sharing.behaviour import encode_slots
from edge.regions.sharing.home import WAIT_LIMIT_SECONDS, SharingHome
from edge.regions.sharing.messages import (
    BATCH_LIMIT_BYTES,
    EPOCH_LIMIT,
    FACTS_MEDIA,
    NUMBER_LIMIT,
    encode_facts,
    parse_batch,
)
from edge.telemetry.behaviour.news import PLACE_LIMIT

SESSION, HEARD, WAIT, PLACE, START = "session", "heard", "wait", "place", "start"


async def handle_tell(call: Call[None]) -> bytes:
    """What was sent before changes nothing. All of it is durable when the answer begins."""
    node, sharing = await _admitted(call)
    with sharing.room_for(node):
        body = await read_body(call.stream, BATCH_LIMIT_BYTES)
        async with sharing.turn(node):
            return encode_facts(await sharing.take(node, await asyncio.to_thread(parse_batch, body)))


async def handle_hear(call: Call[None]) -> bytes:
    """Waits for news up to `wait` seconds if there is none."""
    node, sharing = await _admitted(call)
    session, start = (call.request.query.get(name, "") for name in (SESSION, START))
    if len(session) > EPOCH_LIMIT:
        raise Invalid("invalid_session", "invalid session: use what the answer before said")
    if len(start) > EPOCH_LIMIT:
        raise Invalid("invalid_start", f"invalid start: it has at most {EPOCH_LIMIT} characters")
    after = parse_number(call.request, HEARD, 0, 0, NUMBER_LIMIT)
    wait = parse_number(call.request, WAIT, 0, 0, WAIT_LIMIT_SECONDS)
    with sharing.room_for(node):
        return await asyncio.to_thread(encode_facts, await sharing.page(node, session, after, wait, start=start))


async def handle_behaviour(call: Call[None]) -> bytes:
    """Waits as `handle_hear`."""
    node, sharing = await _admitted(call)
    place = call.request.query.get(PLACE, "")
    if len(place) > PLACE_LIMIT:
        raise Invalid("invalid_place", "invalid place: use what the answer before said")
    wait = parse_number(call.request, WAIT, 0, 0, WAIT_LIMIT_SECONDS)
    with sharing.room_for(node):
        return encode_slots(await sharing.behaviour(place, wait))


async def handle_lift_brought(call: Call[None]) -> BroughtLiftedView:
    """Of a node that was forgotten too, by its id."""
    sharing = call.ports.sharing
    if sharing is None:
        raise Conflict("not_home", "this node tells another one what devices do: lift it there (upstream.home)")
    node = call.part("name")
    with suppress(NotFound):
        node = call.ports.fleet.registry.named(node).node
    within = parse_number(call.request, WITHIN, WHOLE_TIME, 1, WHOLE_TIME)
    dry_run = parse_flag(call.request, DRY_RUN)
    since = max(call.ports.clock.now() - within, 0.0)
    lifted = await sharing.lift_brought(node, since, dry_run=dry_run)
    return BroughtLiftedView(node=node, withheld=lifted.withheld, choices=lifted.choices, dry_run=dry_run)


async def _admitted(call: Call[Any]) -> tuple[str, SharingHome]:
    """Raises what `NodeRegistry.admit` raises, and Conflict `not_home` at a node that sends its own home."""
    node, sharing = call.part("node"), call.ports.sharing
    if sharing is None:
        raise Conflict("not_home", "this node tells another one what devices do: tell that one (upstream.home)")
    await asyncio.to_thread(call.ports.fleet.registry.admit, call.grant.name, node)
    return node, sharing


OPERATIONS = (
    Operation(
        name="tell_facts",
        method="POST",
        path="/v1/feed/facts/{node}",
        summary="Take what devices brought about at the node; for nodes",
        permission=Permission.SEND_HOME,
        handle=handle_tell,
        answer=bytes,
        streams=FACTS_MEDIA,
        content_type=FACTS_MEDIA,
        refusals=(400, 408, 409, 413, 422, 503, 507),
    ),
    Operation(
        name="hear_facts",
        method="GET",
        path="/v1/feed/facts/{node}",
        summary="Show what is known of devices that the node has not heard; for nodes",
        permission=Permission.SEND_HOME,
        handle=handle_hear,
        answer=bytes,
        content_type=FACTS_MEDIA,
        query=(SESSION, HEARD, WAIT, START),
        refusals=(409, 422, 503),
    ),
    Operation(
        name="lift_brought",
        method="DELETE",
        path="/v1/nodes/{name}/brought",
        summary="Take back what the node brought of devices: withheld bundles, and choices of channels",
        permission=Permission.MANAGE_STORE,
        handle=handle_lift_brought,
        answer=BroughtLiftedView,
        query=(WITHIN, DRY_RUN),
        refusals=(409, 422, 503),
    ),
    Operation(
        name="hear_behaviour",
        method="GET",
        path="/v1/feed/behaviour/{node}",
        summary="Show how devices are used, as this node judged it since; for nodes",
        permission=Permission.SEND_HOME,
        handle=handle_behaviour,
        answer=bytes,
        content_type=FACTS_MEDIA,
        query=(PLACE, WAIT),
        refusals=(409, 422, 503),
    ),
)
