"""Tokens: list, make, revoke. A secret is in the answer that makes it and nowhere else."""

import asyncio
from functools import partial

from edge.control.operations import Call, Operation, command_id
from edge.control.roles import Permission
from edge.control.shapes import TokenMade, TokenRequest, TokenRevoked, TokenView


async def handle_list(call: Call[None]) -> list[TokenView]:
    """By name."""
    records = await asyncio.to_thread(call.ports.tokens.records)
    return [
        TokenView(name=name, role=record.role, app=record.app, created=record.created, by=record.by)
        for name, record in records.items()
    ]


async def handle_create(call: Call[TokenRequest]) -> TokenMade:
    body, ports = call.body, call.ports
    create = partial(ports.tokens.create, by=call.grant.name, now=ports.clock(), command=command_id(call.request))
    secret = await asyncio.to_thread(create, body.name, body.role, body.app)
    return TokenMade(name=body.name, role=body.role, app=body.app, token=secret)


async def handle_revoke(call: Call[None]) -> TokenRevoked:
    name = call.part("name")
    await asyncio.to_thread(call.ports.tokens.revoke, name)
    return TokenRevoked(name=name, revoked=True)


OPERATIONS = (
    Operation(
        name="list_tokens",
        method="GET",
        path="/v1/tokens",
        summary="List the tokens by name, without their secrets",
        permission=Permission.MANAGE_TOKENS,
        handle=handle_list,
        answer=list[TokenView],
    ),
    Operation(
        name="create_token",
        method="POST",
        path="/v1/tokens",
        summary="Make a token and show its secret once; a repeat with the same Idempotency-Key gives it a new one",
        permission=Permission.MANAGE_TOKENS,
        handle=handle_create,
        answer=TokenMade,
        body=TokenRequest,
        takes_id=True,
    ),
    Operation(
        name="revoke_token",
        method="DELETE",
        path="/v1/tokens/{name}",
        summary="Revoke a token, except the last admin's",
        permission=Permission.MANAGE_TOKENS,
        handle=handle_revoke,
        answer=TokenRevoked,
        refusals=(409,),
    ),
)
