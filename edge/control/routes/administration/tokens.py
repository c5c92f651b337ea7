"""Tokens: list, show the request's own, create, revoke. A secret is in the answer that creates it and nowhere else."""

import asyncio
from functools import partial

from edge.control.access.roles import Permission
from edge.control.calls import Call, command_id
from edge.control.operations import Operation
from edge.control.shapes.access import LoginLinkMade, OwnToken, TokenMade, TokenRequest, TokenRevoked, TokenView
from edge.domain.errors import NotFound


async def handle_list(call: Call[None]) -> list[TokenView]:
    """By name."""
    records = await asyncio.to_thread(call.ports.tokens.records)
    return [
        TokenView(
            name=name,
            role=record.role,
            app=record.app,
            created=record.created,
            by=record.by,
            expires=record.expires,
            last_used=record.last_used,
        )
        for name, record in records.items()
    ]


async def handle_show_own(call: Call[None]) -> OwnToken:
    grant = call.grant
    record = (await asyncio.to_thread(call.ports.tokens.records)).get(grant.name)
    return OwnToken(
        name=grant.name,
        role=grant.roles,
        app=record.app if record is not None else None,
        expires=record.expires if record is not None else None,  # None: revoked since
        permissions=grant.permissions,
    )


async def handle_create(call: Call[TokenRequest]) -> TokenMade:
    body, ports, now = call.body, call.ports, call.ports.clock.now()
    create = partial(
        ports.tokens.create,
        by=call.grant.name,
        now=now,
        command=command_id(call.request),
        lifetime_seconds=body.lifetime_seconds,
    )
    secret = await asyncio.to_thread(create, body.name, body.role, body.app)
    expires = now + body.lifetime_seconds if body.lifetime_seconds is not None else None
    return TokenMade(name=body.name, role=body.role, app=body.app, expires=expires, token=secret)


async def handle_revoke(call: Call[None]) -> TokenRevoked:
    name = call.part("name")
    await asyncio.to_thread(call.ports.tokens.revoke, name)
    return TokenRevoked(name=name, revoked=True)


async def handle_make_link(call: Call[None]) -> LoginLinkMade:
    """Raises NotFound `unknown_token` if the token was revoked a moment ago."""
    ports, name = call.ports, call.grant.name
    record = (await asyncio.to_thread(ports.tokens.records)).get(name)
    if record is None:
        raise NotFound("unknown_token", f"unknown token {name!r}")
    secret, until = ports.login_links.make(record.hash, ports.clock.now())
    return LoginLinkMade(path=f"/login?link={secret}", expires=until)


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
        name="show_own_token",
        method="GET",
        path="/v1/token",
        summary="Show the token of this request and its permissions",
        permission=Permission.READ_SELF,
        handle=handle_show_own,
        answer=OwnToken,
    ),
    Operation(
        name="create_token",
        method="POST",
        path="/v1/tokens",
        summary="Create a token and show its secret once; a repeat with the same Idempotency-Key gives it a new secret",
        permission=Permission.MANAGE_TOKENS,
        handle=handle_create,
        answer=TokenMade,
        body=TokenRequest,
        takes_id=True,
    ),
    Operation(
        name="create_login_link",
        method="POST",
        path="/v1/login-links",
        summary="Make a link that signs a browser in to the page once, as this token",
        permission=Permission.MANAGE_TOKENS,
        handle=handle_make_link,
        answer=LoginLinkMade,
        refusals=(404,),
    ),
    Operation(
        name="revoke_token",
        method="DELETE",
        path="/v1/tokens/{name}",
        summary="Revoke a token; the last admin token stays",
        permission=Permission.MANAGE_TOKENS,
        handle=handle_revoke,
        answer=TokenRevoked,
        refusals=(409,),
    ),
)
