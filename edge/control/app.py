"""The control API as one aiohttp application: the table of operations, each behind the same door.

The door authorises the token, checks the parameters, reads the body within its limit and encodes the answer. One
middleware turns every exception into `{error, message}`. No handler checks access or writes an error response itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import msgspec
from aiohttp import hdrs, web

from edge.control.access.grants import NOBODY, Grant
from edge.control.access.roles import Role
from edge.control.audit.audit_log import ASKED_FROM
from edge.control.auditing import Witness
from edge.control.callers import PROXIES, caller_of
from edge.control.calls import Call
from edge.control.doors.performing import perform
from edge.control.doors.table import OPERATIONS
from edge.control.login.terminals import is_of_person, person_of_secret
from edge.control.operations import (
    DRY_RUN,
    JSON,
    Operation,
    check_door,
    check_here,
    check_parameters,
    parse_flag,
)
from edge.control.ports import ControlPorts
from edge.control.proposing import ProposalMade
from edge.control.shapes.common import ErrorAnswer
from edge.control.shapes.streamed import Streamed, send_streamed
from edge.control.uploads import decode_body, read_body
from edge.control.work_queue import LOOKS, VERIFICATIONS, looks, verifications
from edge.domain.errors import EdgeError, Unauthorized
from edge.domain.model import AppId
from edge.regions.feed.node_places import NodePlaces
from edge.store.disk.room import refusal_of_room
from edge.store.heads import shard_of
from edge.store.releases import Rehearsed

WARNING = "Edge-Warning"  # beside an answer that is true of the last good state of the store alone
_STATUS_CODES = {404: "not_found", 405: "method_not_allowed", 417: "expectation_failed"}

_log = logging.getLogger(__name__)

OperationHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_control_app(ports: ControlPorts) -> web.Application:
    """The application; the caller binds it to an address and shuts it down."""
    app = web.Application(middlewares=[translate_errors])
    app[VERIFICATIONS], app[LOOKS], app[PROXIES] = verifications(), looks(), ports.trusted_proxies
    app.on_response_prepare.append(_hide_server)
    app.on_shutdown.append(_end_events(ports))
    app.on_cleanup.append(lambda _: ports.audit.close())
    places = NodePlaces()
    for operation in OPERATIONS:
        app.router.add_route(operation.method, operation.path, _build_door(operation, ports, places))
    return app


def _end_events(ports: ControlPorts) -> Callable[[web.Application], Awaitable[None]]:
    async def end(_: web.Application) -> None:
        ports.feed.events.end()

    return end


async def _hide_server(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop(hdrs.SERVER, None)  # aiohttp's own names its version and Python's


@web.middleware
async def translate_errors(request: web.Request, handler: OperationHandler) -> web.StreamResponse:
    """Every failure in one shape: the client's with its code and status, ours as 500 with a traceback in the log."""
    ASKED_FROM.set(caller_of(request))  # for what follows of this request, the page's included
    try:
        return await handler(request)
    except ProposalMade as made:
        return _answer(made.answer, made.status)
    except EdgeError as error:
        response = _answer(ErrorAnswer(error.code, error.message), error.status)
        if isinstance(error, Unauthorized):
            response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        if error.status == 503:
            response.force_close()  # who is refused for want of room keeps no connection
        return response
    except web.HTTPException as error:
        return _translate_http(request, error)
    except OSError as error:
        full = refusal_of_room(error)
        if full is not None:
            return _answer(ErrorAnswer(full.code, full.message), full.status)
        return _answer_bug(request)
    except Exception:
        return _answer_bug(request)


def _answer_bug(request: web.Request) -> web.Response:
    """In the handler of the exception, which the log gets."""
    # The path names apps, channels and devices. Headers and bodies may hold secrets and are not logged.
    _log.exception("%s %s failed", request.method, request.rel_url.raw_path)
    return _answer(ErrorAnswer("internal_error", "internal error; see the server's log"), 500)


def _translate_http(request: web.Request, error: web.HTTPException) -> web.Response:
    """Errors from aiohttp itself: unknown addresses, wrong methods."""
    code = _STATUS_CODES.get(error.status, "bad_request")
    response = _answer(ErrorAnswer(code, f"{request.method} {request.path[:256]}: {error.reason}"), error.status)
    if hdrs.ALLOW in error.headers:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return response


def _build_door(operation: Operation, ports: ControlPorts, places: NodePlaces) -> OperationHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        async with Witness(ports.audit, operation, request) as witness:
            grant = await _authenticate(operation, ports, request, ports.clock.now())
            witness.who = grant.name if operation.permission is not None else ""
            check_door(operation, grant, request)
            with places.taken(grant.name) if grant.is_role(Role.NODE) else nullcontext():
                return await enter(request, grant, witness)

    async def enter(request: web.Request, grant: Grant, witness: Witness) -> web.StreamResponse:
        check_here(operation, ports.origin)
        check_parameters(request, operation)
        body = None
        if operation.body is not None:
            body = decode_body(await read_body(request, operation.body_limit_bytes), operation.body)
        rehearsal: list[Rehearsed] | None = [] if operation.changes and parse_flag(request, DRY_RUN) else None
        answer = await perform(
            witness,
            Call(
                ports=ports,
                grant=grant,
                request=request,
                body=body,
                permission=operation.permission,
                rehearsal=rehearsal,
            ),
        )
        if isinstance(answer, web.StreamResponse):  # sent by the operation itself
            return answer
        if isinstance(answer, Streamed):
            return await send_streamed(request, answer, partial(_admit, operation, ports, request))
        response = _answer(answer, 200) if operation.content_type == JSON else _text(answer, operation.content_type)
        if problem := _problem_of(request, ports):
            response.headers[WARNING] = problem
        return response

    return handle


def _problem_of(request: web.Request, ports: ControlPorts) -> str:
    """Why what was read of the app in the address may not be what its devices get, in ASCII; empty if nothing is wrong
    with its head shard."""
    app = request.match_info.get("app")
    problem = ports.releases.problems.get(shard_of(AppId(app)), "") if app is not None else ""
    return problem.encode("ascii", "backslashreplace").decode() if problem.isprintable() else ""


async def _admit(operation: Operation, ports: ControlPorts, request: web.Request) -> None:
    """Whether who asked still may. Raises Unauthorized, Forbidden."""
    check_door(operation, await _authenticate(operation, ports, request, ports.clock.now()), request)


async def _authenticate(operation: Operation, ports: ControlPorts, request: web.Request, now: float) -> Grant:
    """Runs before a byte of the body is read; `now` is in seconds since the epoch. Raises Unauthorized."""
    if operation.permission is None:
        return NOBODY
    scheme, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Unauthorized("unauthorized", "missing token: send the header Authorization: Bearer <token>")
    secret = secret.strip()
    if ports.login is not None and is_of_person(secret):
        return (await asyncio.to_thread(person_of_secret, ports.login.accounts, secret, now)).grant
    return await asyncio.to_thread(ports.tokens.authenticate, secret, now, caller_of(request))


def _text(body: bytes, content_type: str) -> web.Response:
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "no-store"})


def _answer(value: Any, status: int) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: "no-store"},
    )
