"""What changes on a page that is open, as server-sent events: values replace elements in place.

A stream shows the page again to itself, a few seconds apart, and sends what differs in its `data-live` elements. So a
value has one template, and a view nothing more to do. Such an element has no element of its own tag name inside. A
stream ends with its session, with the node's drain, and after STREAM_SECONDS; the browser opens another by itself, and
has none for a page that is hidden. One above a limit is answered 204, which ends it without a fault.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import msgspec
from aiohttp import web

from edge.domain.errors import EdgeError
from edge.page.door.headers import PRIVATE
from edge.page.door.sessions import Session

LOOK_SECONDS = 3.0  # between two looks: a figure is folded every few seconds at best
STREAM_SECONDS = 1_800.0
SESSION_STREAMS_LIMIT = 3  # pages in sight: a browser has six connections to a host, and what is pressed needs one
TOKEN_STREAMS_LIMIT = 16  # with all its sessions: the node's are for everybody
NODE_STREAMS_LIMIT = 64  # each costs a page every LOOK_SECONDS
EVENT_LIMIT_BYTES = 4_096
SEND_SECONDS = 10.0  # for a reader that does not read

_VALUE = re.compile(rb'<(\w+)\b[^>]*?\sdata-live="([\w.:-]{1,64})"[^>]*>(.*?)</\1>', re.DOTALL)
_TROUBLE = re.compile(rb'<body[^>]*\sdata-trouble="(\d{1,4})"')


class Look(NamedTuple):
    """What a page shows now: its values by name, as HTML, and how many releases are in trouble."""

    values: Mapping[str, str]
    trouble: int


def parse_look(page: bytes) -> Look:
    """What of a rendered page may change in place."""
    found = {name.decode(): value.decode() for _, name, value in _VALUE.findall(page)}
    trouble = _TROUBLE.search(page)
    return Look(found, int(trouble[1]) if trouble else 0)


def events_between(before: Look | None, after: Look, clock: str) -> list[bytes]:
    """The events that bring a browser from one look to the next, each at most EVENT_LIMIT_BYTES; the last is the
    time. A value that does not fit is left as it was."""
    known = before.values if before is not None else after.values
    changed = {name: value for name, value in after.values.items() if name in known and known[name] != value}
    events, batch, size = [], dict[str, str](), 0
    for name, value in changed.items():
        length = len(msgspec.json.encode({name: value}))
        if length > EVENT_LIMIT_BYTES - 64:
            continue
        if size + length > EVENT_LIMIT_BYTES - 64:
            events.append(_event("values", batch))
            batch, size = {}, 0
        batch[name] = value
        size += length
    if batch:
        events.append(_event("values", batch))
    if before is not None and after.trouble != before.trouble:
        events.append(_event("trouble", {"now": after.trouble, "before": before.trouble}))
    return [*events, _event("time", {"clock": clock})]


class Streams:
    """Those of one node."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()  # by token
        self._closing = asyncio.Event()

    async def close(self, _: web.Application) -> None:
        """End all of them: the port drains."""
        self._closing.set()

    async def serve(
        self,
        request: web.Request,
        session: Session,
        look: Callable[[], Awaitable[tuple[Look, str] | None]],
    ) -> web.StreamResponse:
        """Send what `look` finds until it finds nobody signed in; 204 above a limit."""
        if not self._has_room(session):
            return web.Response(status=204, headers=PRIVATE)
        session.streams += 1
        self._open[session.holder] += 1
        response = web.StreamResponse(
            headers={**PRIVATE, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        try:
            await response.prepare(request)
            await self._send(response, session, look)
        except (ConnectionError, TimeoutError):
            pass  # the page was closed, or reads nothing: no fault of anybody
        finally:
            session.streams -= 1
            self._open -= Counter((session.holder,))  # leaves nothing of a token that has none
        return response

    def _has_room(self, session: Session) -> bool:
        return (
            session.streams < SESSION_STREAMS_LIMIT
            and self._open[session.holder] < TOKEN_STREAMS_LIMIT
            and self._open.total() < NODE_STREAMS_LIMIT
        )

    async def _send(
        self,
        response: web.StreamResponse,
        session: Session,
        look: Callable[[], Awaitable[tuple[Look, str] | None]],
    ) -> None:
        last: Look | None = None
        ends = asyncio.get_running_loop().time() + STREAM_SECONDS
        while not self._closing.is_set() and asyncio.get_running_loop().time() < ends:
            try:
                found = await look()
            except EdgeError as error:
                await _write(response, _event("failed", {"code": error.code}))
            else:
                if found is None or session.over.is_set():
                    await _write(response, _event("gone", {}))
                    return
                for event in events_between(last, *found):
                    await _write(response, event)
                last = found[0]
            await self._wait(session)

    async def _wait(self, session: Session) -> None:
        """Until the next look, or until there is none."""
        ends = [asyncio.create_task(each.wait()) for each in (self._closing, session.over)]
        try:
            await asyncio.wait(ends, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()


async def _write(response: web.StreamResponse, event: bytes) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await response.write(event)


def _event(kind: str, value: Mapping[str, object]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"
