"""One HTTP/2 connection as a client, on `h2`: many requests at once, each with an end.

A request begins when the peer's stream limit and both windows have room for it. What the peer certainly did not work on
is told apart from what it may have: a stream that a GOAWAY leaves out, or that was refused, did not arrive (RFC 9113
6.8, 8.7).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from edge.push.providers.apple.h2_goaway import GoAway, GoAwayCutter, OverlongGoAway
from edge.push.providers.posting import NoAnswer, NotArrived
from edge.wire.providers.answers import ProviderAnswer

Header = tuple[str, str]

STREAMS_LIMIT = 1_000  # at once, whatever the peer would take
ANSWER_LIMIT_BYTES = 16_384
LAST_STREAM_ID = 2**31 - 1_001  # RFC 9113 5.1.1: identifiers are not used again
PING = b"edgeping"


@dataclass(slots=True)
class _Stream:
    answered: asyncio.Future[ProviderAnswer]
    status: int = 0
    provider_id: str = ""
    retry_after: str = ""
    body: bytearray = field(default_factory=bytearray)


class H2Link(asyncio.Protocol):
    """`closed` is set once nothing more can begin on it; what has begun may still be answered."""

    def __init__(self) -> None:
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8", validate_inbound_headers=True)
        self._h2 = h2.connection.H2Connection(config)
        self._cutter = GoAwayCutter()
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, _Stream] = {}
        self._settled = asyncio.Event()  # the peer's settings are known
        self._changed = asyncio.Event()  # a window, a limit or the transport may have room again
        self._ponged = asyncio.Event()
        self._writable = True
        self._flushing = False
        self._why = ""
        self.heard = 0.0  # when the peer said something last, by the loop's clock

    @property
    def closed(self) -> bool:
        return bool(self._why)

    @property
    def open_streams(self) -> int:
        return len(self._streams)

    async def settled(self) -> None:
        """Returns once the peer's settings are known: before them nobody knows its limit. Raises NotArrived."""
        await self._settled.wait()
        self._check_open()

    async def request(self, headers: Sequence[Header], body: bytes, ends: float) -> ProviderAnswer:
        """Raises NotArrived, NoAnswer; until `ends`, by the loop's clock."""
        stream_id: int | None = None
        try:
            async with asyncio.timeout_at(ends):
                while not self._has_room(len(body)):
                    await self._wait_for_room()
                stream_id, stream = self._begin(headers, body)
                return await stream.answered
        except TimeoutError as error:
            if stream_id is None:
                raise NotArrived("the connection had no room in time") from error
            raise NoAnswer("it did not answer in time") from error
        finally:
            if stream_id is not None and self._streams.pop(stream_id, None) is not None:
                self._reset(stream_id)  # nobody waits for it any more
                self._changed.set()

    async def alive(self, seconds: float) -> bool:
        """Whether the peer answers a ping in time."""
        if self.closed:
            return False
        self._ponged.clear()
        self._h2.ping(PING)
        self._flush_soon()
        try:
            async with asyncio.timeout(seconds):
                await self._ponged.wait()
        except TimeoutError:
            return False
        return not self.closed

    def retire(self, why: str) -> None:
        """Begin nothing more on it; it is closed when the last answer is there."""
        self._why = self._why or why
        self._wake()
        if not self._streams:
            self.cut(why)

    def cut(self, why: str) -> None:
        """Close it now; what waits has no answer."""
        self._why = self._why or why
        self._fail_all(NoAnswer(why))
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._wake()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.cut("it closed the connection")

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        try:
            rest, leaving = self._cutter.cut(data)
            events = self._h2.receive_data(rest)
        except (h2.exceptions.ProtocolError, OverlongGoAway):
            self._flush()
            self.cut("it does not speak HTTP/2")
            return
        for event in events:
            self._hear(event)
        for each in leaving:
            self._hear_goaway(each)
        self._flush_soon()
        if self.closed and not self._streams:
            self.cut(self._why)

    def _hear(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=int(number), headers=list(headers)):
                self._hear_head(number, cast("list[Header]", headers))
            case h2.events.DataReceived(stream_id=int(number), flow_controlled_length=int(size), data=bytes(data)):
                self._hear_body(number, data, size)
            case h2.events.StreamEnded(stream_id=int(number)):
                self._finish(number)
            case h2.events.StreamReset(stream_id=int(number), error_code=code):
                refused = code == h2.errors.ErrorCodes.REFUSED_STREAM
                self._fail(number, NotArrived("it refused the stream") if refused else NoAnswer("it reset the stream"))
            case h2.events.RemoteSettingsChanged():
                self._settled.set()
                self._wake()
            case h2.events.WindowUpdated():
                self._wake()
            case h2.events.PingAckReceived():
                self._ponged.set()

    def _hear_head(self, number: int, headers: Sequence[Header]) -> None:
        if (stream := self._streams.get(number)) is None:
            return
        found = dict(headers)
        status = found.get(":status", "")
        stream.status = int(status) if status.isascii() and status.isdigit() else 0
        stream.provider_id = found.get("apns-id", "")
        stream.retry_after = found.get("retry-after", "")

    def _hear_body(self, number: int, data: bytes, size: int) -> None:
        if (stream := self._streams.get(number)) is not None:
            stream.body += data[: ANSWER_LIMIT_BYTES - len(stream.body)]
        if size:
            self._h2.acknowledge_received_data(size, number)

    def _finish(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None and not stream.answered.done():
            after = stream.retry_after
            wait = float(after) if after.isascii() and after.isdigit() and len(after) < 7 else 0.0
            stream.answered.set_result(ProviderAnswer(stream.status, bytes(stream.body), wait, stream.provider_id))
        self._wake()

    def _hear_goaway(self, leaving: GoAway) -> None:
        self._why = self._why or f"it is going away: {leaving.said}".rstrip(": ")
        for number in [each for each in self._streams if each > leaving.last_stream_id]:
            self._fail(number, NotArrived("it went away before the request"))
        self._wake()

    def _has_room(self, size: int) -> bool:
        self._check_open()
        limit = min(self._h2.remote_settings.max_concurrent_streams, STREAMS_LIMIT)
        window = min(self._h2.outbound_flow_control_window, self._h2.remote_settings.initial_window_size)
        return self._writable and self._settled.is_set() and len(self._streams) < limit and window >= size

    def _check_open(self) -> None:
        """Raises NotArrived."""
        if self._why:
            raise NotArrived(self._why)

    async def _wait_for_room(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _begin(self, headers: Sequence[Header], body: bytes) -> tuple[int, _Stream]:
        """Whole in one step: between its head and its body nothing else can take the window."""
        number = self._h2.get_next_available_stream_id()
        stream = self._streams[number] = _Stream(asyncio.get_running_loop().create_future())
        self._h2.send_headers(number, headers)
        frame = self._h2.max_outbound_frame_size
        pieces = [body[at : at + frame] for at in range(0, len(body), frame)] or [b""]
        for each in pieces[:-1]:
            self._h2.send_data(number, each)
        self._h2.send_data(number, pieces[-1], end_stream=True)
        if number >= LAST_STREAM_ID:
            self._why = "its stream identifiers are used up"
        self._flush_soon()
        return number, stream

    def _reset(self, number: int) -> None:
        try:
            self._h2.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
        except h2.exceptions.ProtocolError:
            return  # it is over already
        self._flush_soon()

    def _fail(self, number: int, error: Exception) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None and not stream.answered.done():
            stream.answered.set_exception(error)
        self._wake()

    def _fail_all(self, error: Exception) -> None:
        for number in list(self._streams):
            self._fail(number, error)

    def _wake(self) -> None:
        self._changed.set()
        if self.closed:
            self._settled.set()
            self._ponged.set()

    def _flush_soon(self) -> None:
        """Once for all that happens in this turn of the loop: many requests in one write."""
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
