"""The store that this node serves from: what of it is refused because it went back, and accepting that."""

import asyncio
import logging
from typing import Any

from edge.control.access.people import AcceptedPeople
from edge.control.access.roles import Permission
from edge.control.access.tokens import AcceptedTokens
from edge.control.calls import Call, command_id
from edge.control.operations import Operation, parse_flag
from edge.control.shapes.store import RestoredApp, RestoredPeople, RestoredShard, RestoredTokens, RestoredView
from edge.store.acceptance import AcceptedBy, AcceptedShard

EVERY = "every"

log = logging.getLogger("edge.store")


async def handle_show_restored(call: Call[None]) -> RestoredView:
    view, _ = await asyncio.to_thread(_accept, call, dry=True)
    return view


async def handle_accept_restored(call: Call[None]) -> RestoredView:
    view, shards = await asyncio.to_thread(_accept, call, dry=False)
    for app in (each for shard in shards for each in shard.apps if each.went_back):
        await call.ports.serving.announce(app.app, app.head)
    if view.refused:
        log.warning("token %r accepted the restored store", call.grant.name)
    return view


def _accept(call: Call[Any], *, dry: bool) -> tuple[RestoredView, list[AcceptedShard]]:
    """Keys first, since the rest is signed, then tokens and people. If a step fails, a repeat goes on from there."""
    ports, every = call.ports, parse_flag(call.request, EVERY)
    keys = ports.releases.put_keys_back(dry=dry)
    above = int(ports.clock.now()) if every else 0
    tokens = ports.tokens.accept_restored(dry=dry, above=above)
    people = ports.people.accept_restored(dry=dry, above=above)
    desk = ports.push
    push = desk.credentials.document.accept_restored_document(dry=dry, above=above) if desk is not None else None
    credentials = ports.login.accounts.accept_restored(dry=dry, above=above) if ports.login is not None else ""
    by = AcceptedBy(command_id(call), ports.clock.now(), call.grant.name)
    shards = ports.releases.accept_restored(by, dry=dry, every=every)
    view = RestoredView(
        refused=bool(keys or tokens or people or push or credentials or shards),
        keys=keys,
        tokens=_view_tokens(tokens),
        people=_view_people(people),
        push=push.problem if push is not None else "",
        credentials=credentials,
        shards=[_view_shard(each) for each in shards],
    )
    return view, shards


def _view_tokens(tokens: AcceptedTokens | None) -> RestoredTokens | None:
    return RestoredTokens(**tokens._asdict()) if tokens is not None else None


def _view_people(people: AcceptedPeople | None) -> RestoredPeople | None:
    return RestoredPeople(**people._asdict()) if people is not None else None


def _view_shard(shard: AcceptedShard) -> RestoredShard:
    apps = [
        RestoredApp(
            app=each.app,
            seen=each.seen,
            restored=each.restored,
            revision=each.head.revision,
            withdrawn=[*each.withdrawn],
            kept=[*each.kept],
        )
        for each in shard.apps
        if each.went_back
    ]
    return RestoredShard(shard=shard.shard, problem=shard.problem, apps=apps, unchanged=len(shard.apps) - len(apps))


OPERATIONS = (
    Operation(
        name="show_restored",
        method="GET",
        path="/v1/store/restored",
        summary="Show what of the store is refused because it went back to an old copy, and what accepting it would do",
        permission=Permission.MANAGE_STORE,
        handle=handle_show_restored,
        answer=RestoredView,
        query=(EVERY,),
        refusals=(409,),
    ),
    Operation(
        name="accept_restored",
        method="POST",
        path="/v1/store/accept-restored",
        summary="Accept a store that went back; what the node remembers as withdrawn or revoked stays so",
        permission=Permission.MANAGE_STORE,
        handle=handle_accept_restored,
        answer=RestoredView,
        query=(EVERY,),
        takes_id=True,
    ),
)
