"""The truth as another node tells it, over HTTP: a `TruthSource`. What it returns is verified by who follows.

Every wait is bounded. Documents take one conditional request, shared by all who ask for the same; a blob that breaks
off goes on where it stopped; events end with the connection, and whoever listens connects again, at its own pace.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing

import msgspec

from edge.domain.errors import NotFound
from edge.domain.model import AppId
from edge.regions.feed.events import EVENT_LIMIT_BYTES, HEARTBEAT_SECONDS, parse_event
from edge.regions.feed.framing import FrameReader
from edge.regions.source import Document, HeadsMoved, SourceEvent, SourceLost
from edge.regions.upstream import Upstream
from edge.store.heads import Head

DOCUMENTS_LIMIT_BYTES = 64 << 20  # the heads of 300,000 apps
DOCUMENTS_SECONDS = 60.0
READ_HERE_BYTES = 64 << 10  # of an answer: parsed in 0.1 ms, and a thread costs more
RESUMES = 3  # of a blob without a new byte in between
RESUME_SECONDS = 1.0  # before the first of them, at most; doubled each time
SILENT_SECONDS = HEARTBEAT_SECONDS * 1.5


class _Document(msgspec.Struct):
    key: str
    tag: str
    content: bytes


class _Changed(msgspec.Struct):
    documents: list[_Document]


_decoder = msgspec.json.Decoder(_Changed)


class NodeSource:
    """The node behind `upstream`, which it closes."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        draw: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._upstream, self._draw, self._sleep = upstream, draw, sleep
        self._silent_seconds = silent_seconds
        self._asking: dict[bytes, asyncio.Task[list[Document]]] = {}

    @property
    def name(self) -> str:
        return self._upstream.name

    async def documents(self, known: Mapping[str, str]) -> list[Document]:
        question = msgspec.json.encode({"known": dict(sorted(known.items()))})
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(self._ask(question))
            asking.add_done_callback(lambda done: self._forget(question, done))
        return await asyncio.shield(asking)

    async def revisions(self, app: AppId, until: Head, after: int) -> AsyncIterator[bytes]:
        try:
            async with aclosing(self._revisions(app, until, after)) as revisions:
                async for document in revisions:
                    yield document
        except NotFound as error:  # a head is there before its revision is, where a node is behind
            raise SourceLost(error.code, error.message) from error

    async def blob(self, digest: str, start: int = 0) -> AsyncIterator[bytes]:
        lost = 0
        while True:
            try:
                async with aclosing(self._part(digest, start)) as part:
                    async for piece in part:
                        start, lost = start + len(piece), 0
                        yield piece
            except SourceLost:
                lost += 1
                if lost > RESUMES:
                    raise
                await self._sleep(self._draw() * RESUME_SECONDS * 2 ** (lost - 1))
            else:
                return

    async def events(self) -> AsyncIterator[SourceEvent]:
        path = "/v1/feed/events"
        async with self._upstream.stream("GET", path, silence_seconds=self._silent_seconds) as answer:
            yield HeadsMoved()  # whatever happened before somebody listened
            lines, kind = _Lines(self.name), ""
            async for piece in answer.pieces():
                for line in lines.feed(piece):
                    field, _, value = line.partition(b":")
                    if field == b"event":
                        kind = value.strip().decode("ascii", "replace")
                    elif field == b"data" and (event := parse_event(kind, value)) is not None:
                        yield event
        raise SourceLost("source_lost", f"{self.name} ended the connection")

    async def close(self) -> None:
        for asking in list(self._asking.values()):
            asking.cancel()
        await self._upstream.close()

    async def _ask(self, question: bytes) -> list[Document]:
        answer = await self._upstream.request(
            *("POST", "/v1/feed/documents"),
            body=question,
            headers={"Content-Type": "application/json"},
            limit_bytes=DOCUMENTS_LIMIT_BYTES,
            seconds=DOCUMENTS_SECONDS,
        )
        try:
            if len(answer.content) <= READ_HERE_BYTES:
                found = _decoder.decode(answer.content)
            else:
                found = await asyncio.to_thread(_decoder.decode, answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SourceLost("unexpected_answer", f"the documents of {self.name} cannot be read: {error}") from error
        return [Document(each.key, each.content, each.tag) for each in found.documents]

    def _forget(self, question: bytes, done: "asyncio.Task[list[Document]]") -> None:
        del self._asking[question]
        if not done.cancelled():
            done.exception()  # whoever asked has it; nobody may be left

    async def _revisions(self, app: AppId, until: Head, after: int) -> AsyncGenerator[bytes, None]:
        query = {"until": str(until.revision), "digest": until.digest, "after": str(after)}
        reader, left = FrameReader(), until.revision - after
        async with self._upstream.stream("GET", f"/v1/feed/apps/{app}/revisions", query=query) as answer:
            async for piece in answer.pieces():
                reader.feed(piece)
                while not reader.is_drained:
                    for document in await asyncio.to_thread(reader.take):
                        if not left:
                            raise SourceLost("bad_stream", f"{self.name} sends more revisions than there can be")
                        left -= 1
                        yield document
            reader.end()

    async def _part(self, digest: str, start: int) -> AsyncGenerator[bytes, None]:
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self._upstream.stream("GET", f"/v1/feed/blobs/{digest}", headers=headers) as answer:
            if (answer.status == 206) is not bool(start):
                raise SourceLost("unexpected_answer", f"{self.name} sent another part of blob {digest}")
            async for piece in answer.pieces():
                yield piece


class _Lines:
    """Whole lines of a stream, each within the limit of an event."""

    def __init__(self, name: str) -> None:
        self._name, self._rest = name, b""

    def feed(self, piece: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > EVENT_LIMIT_BYTES:
            raise SourceLost("bad_stream", f"{self._name} sends an event that does not end")
        return lines
