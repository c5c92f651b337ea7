"""What the supervisor and its workers say to each other, over one Unix socket per worker.

Frames: four bytes of length, big-endian, then one msgpack message. Both ends are the same release of this program and
the same user, so a malformed frame is a bug and rises. An end of stream means that the other side is gone.
"""

import asyncio
import socket
from typing import Any

import msgspec

from edge.config import Devices, Log, Telemetry
from edge.facts.changes import Record, Recorded
from edge.node.observing.counts import WorkerCounts
from edge.node.processes.tls import Pair
from edge.store.releases import Head

FRAME_LIMIT_BYTES = 256 * 2**20  # a million apps; more is a bug, not a message


class Setup(msgspec.Struct, frozen=True, tag=True):
    """The first message to a worker: what it needs to serve."""

    data_dir: str
    node: str
    worker: int
    devices: Devices
    telemetry: Telemetry
    log: Log
    heads: dict[str, Head]
    facts_table: str
    heads_issued: dict[str, float]
    region: str = ""
    tls: Pair | None = None


class NewHeads(msgspec.Struct, frozen=True, tag=True):
    """Serve these revisions; answer `Acknowledged` with the same number once every next request does."""

    number: int
    heads: dict[str, Head]


class Issued(msgspec.Struct, frozen=True, tag=True):
    """When the heads were signed that the supervisor has verified, by shard, in seconds since the epoch."""

    issued: dict[str, float]


class StatusQuery(msgspec.Struct, frozen=True, tag=True):
    """Answer `Status` with the same number."""

    number: int


class NewPair(msgspec.Struct, frozen=True, tag=True):
    """Use this pair for connections from now on; answer `Acknowledged` with the same number."""

    number: int
    pair: Pair


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Take no new connection, finish what is under way, and leave."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker accepts connections."""


class Acknowledged(msgspec.Struct, frozen=True, tag=True):
    number: int


class Status(msgspec.Struct, frozen=True, tag=True):
    number: int
    apps: int
    counts: WorkerCounts


ToWorker = Setup | NewHeads | Issued | StatusQuery | NewPair | Recorded | Drain
FromWorker = Ready | Acknowledged | Status | Record


class Link:
    """One end. `expects` is the union of messages that may arrive at this end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, expects: Any) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = msgspec.msgpack.Decoder(expects)

    @classmethod
    async def over(cls, end: socket.socket, expects: Any) -> "Link":
        reader, writer = await asyncio.open_connection(sock=end)
        return cls(reader, writer, expects)

    def send(self, message: msgspec.Struct) -> None:
        """Queue a message; messages are few and small, so nobody waits for the other side to read them.

        Dropped when the other side is gone: uvloop raises for a write to a closed transport, and this one may come in
        the middle of a check.
        """
        if self._writer.is_closing():
            return
        frame = msgspec.msgpack.encode(message)
        self._writer.write(len(frame).to_bytes(4, "big") + frame)

    async def receive(self) -> Any:
        """The next message, or None when the other side is gone."""
        try:
            length = int.from_bytes(await self._reader.readexactly(4), "big")
            if length > FRAME_LIMIT_BYTES:
                raise ValueError(f"frame of {length} bytes")
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def close(self) -> None:
        self._writer.close()
