"""Tokens: list, show the request's own, create, revoke. A secret is in the answer that creates it and nowhere else."""

import asyncio
from functools import partial

from aiohttp import hdrs

from edge.control.access.roles import Permission
from edge.control.access.token_document import NewToken, TokenRecord, held_by
from edge.control.access.tokens import Gives
from edge.control.calls import Call, command_id
from edge.control.login.terminals import is_of_person, person_of_secret
from edge.control.operations import Operation
from edge.control.routes.administration.absent import absent_scopes
from edge.control.shapes.access.tokens import (
    LoginLinkMade,
    OwnHold,
    OwnToken,
    RotateRequest,
    TokenMade,
    TokenRequest,
    TokenRevoked,
    TokenRotated,
    TokenView,
)
from edge.domain.errors import NotFound


async def handle_list(call: Call[None]) -> list[TokenView]:
    """By name: those that the caller may revoke."""
    tokens, now = call.ports.tokens, call.ports.clock.now()

    def listed() -> list[TokenView]:
        return [_view(name, record, now, tokens.gives(record)) for name, record in tokens.seen_by(call.grant).items()]

    return await asyncio.to_thread(listed)


def _view(name: str, record: TokenRecord, now: float, gives: Gives) -> TokenView:
    former = record.former
    return TokenView(
        name=name,
        role=record.role,
        app=record.app,
        scopes=[held.scope for held in held_by(record)],
        networks=list(record.networks),
        created=record.created,
        by=record.by,
        expires=record.expires,
        last_used=record.last_used,
        rotated=record.renewed or None,
        former_until=former.until if former is not None and former.until > now else None,
        person=record.person or None,
        gives=gives,
    )


async def handle_show_own(call: Call[None]) -> OwnToken:
    grant = call.grant
    record = (await asyncio.to_thread(call.ports.tokens.records)).get(grant.name)
    ask = await asyncio.to_thread(call.ports.people.whom_to_ask, grant) if grant.is_person else []
    expires = record.expires if record is not None else None  # None: revoked since
    return OwnToken(
        name=grant.name,
        role=grant.roles,
        app=record.app if record is not None else None,
        expires=await _until_of_person(call) if grant.is_person else expires,
        permissions=grant.permissions,
        holds=[
            OwnHold(
                role=each.role, scope=str(each.within), permissions=sorted(given.value for given in each.permissions)
            )
            for each in grant.holds
        ],
        ask=ask,
    )


async def _until_of_person(call: Call[None]) -> float | None:
    """Until when a person's token for the command line works; None on the page."""
    secret = call.request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")[2].strip()
    if call.ports.login is None or not is_of_person(secret):
        return None
    now = call.ports.clock.now()
    return (await asyncio.to_thread(person_of_secret, call.ports.login.accounts, secret, now)).until


async def handle_create(call: Call[TokenRequest]) -> TokenMade:
    body, ports, now = call.body, call.ports, call.ports.clock.now()
    wanted = NewToken(
        role=body.role,
        scopes=[*([f"app:{body.app}"] if body.app is not None else []), *body.scopes],
        lifetime_seconds=body.lifetime_seconds,
        networks=body.networks,
    )
    create = partial(ports.tokens.create, grant=call.grant, now=now, command=command_id(call))
    secret = await asyncio.to_thread(create, body.name, wanted)
    expires = now + body.lifetime_seconds if body.lifetime_seconds is not None else None
    absent = await asyncio.to_thread(absent_scopes, ports.releases, wanted.scopes)
    return TokenMade(name=body.name, role=body.role, app=body.app, expires=expires, token=secret, absent=absent)


async def handle_rotate(call: Call[RotateRequest]) -> TokenRotated:
    ports, name, now = call.ports, call.part("name"), call.ports.clock.now()
    rotate = partial(ports.tokens.rotate, grant=call.grant, now=now, command=command_id(call))
    secret = await asyncio.to_thread(rotate, name, call.body.keep_seconds)
    record = (await asyncio.to_thread(ports.tokens.records)).get(name)
    former = record.former if record is not None else None
    return TokenRotated(
        name=name,
        expires=record.expires if record is not None else None,
        former_until=former.until if former is not None else None,
        token=secret,
    )


async def handle_revoke(call: Call[None]) -> TokenRevoked:
    name = call.part("name")
    await asyncio.to_thread(call.ports.tokens.revoke, name, call.grant)
    return TokenRevoked(name=name, revoked=True)


async def handle_make_link(call: Call[None]) -> LoginLinkMade:
    """Raises NotFound `unknown_token` if the token was revoked a moment ago, and for a person: who signs in."""
    ports, name = call.ports, call.grant.name
    record = (await asyncio.to_thread(ports.tokens.records)).get(name)
    if record is None:
        raise NotFound("unknown_token", f"unknown token {name!r}")
    secret, until = ports.login_links.make(record.hash, ports.clock.now())
    page = ports.login.public_url if ports.login is not None else ""
    return LoginLinkMade(path=f"/login?link={secret}", page=page, expires=until)


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
        refusals=(404,),
    ),
    Operation(
        name="rotate_token",
        method="POST",
        path="/v1/tokens/{name}/rotate",
        summary="Give a token a new secret, shown once; the one so far works for as long as was asked",
        permission=Permission.MANAGE_TOKENS,
        handle=handle_rotate,
        answer=TokenRotated,
        body=RotateRequest,
        takes_id=True,
        refusals=(404,),
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
