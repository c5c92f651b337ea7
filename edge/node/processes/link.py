"""The messages between the supervisor and its workers, over one Unix socket per worker.

A frame is four bytes of length, big-endian, then one msgpack message. Both ends are the same release of this program
and run as the same user, so a malformed frame is a bug and raises. End of stream: the other side is gone.
"""

import asyncio
import socket
from typing import Any

import msgspec

from edge.config import Devices, Log, Telemetry
from edge.domain.forms.choice import FILES_ALWAYS, FormTerms
from edge.domain.model import AppId
from edge.domain.targeting.places import NO_PLACE, NodePlace
from edge.facts.changes import Record, Recorded
from edge.node.observing.counts import WorkerCounts
from edge.node.tls.pair import Pair
from edge.node.tls.tickets import TicketKeys
from edge.store.damage import Damage
from edge.store.disk.file_proof import FileIdentity
from edge.store.releases import Head

DAMAGES_SHOWN_LIMIT = 100  # of a worker, in the node's status: enough to see what kind of loss it is
FRAME_LIMIT_BYTES = 256 * 2**20  # a million apps; more is a bug, not a message


class Setup(msgspec.Struct, frozen=True, tag=True):
    """The first message to a worker: all that it needs to serve. `heads` are by app id; `heads_issued` and
    `heads_heard` as `Issued`,
    `unserved` as `Unserved`."""

    data_dir: str
    node: str
    net_key: bytes
    worker: int
    devices: Devices
    telemetry: Telemetry
    log: Log
    heads: dict[AppId, Head]
    facts_table: str
    behaviour_table: str
    heads_issued: dict[str, float]
    unserved: dict[str, str] = {}
    heads_heard: dict[str, float] = {}
    max_stale_seconds: float = 0.0  # how old such a proof may be; 0: this node holds the truth
    place: NodePlace = NO_PLACE
    tls: Pair | None = None
    tickets: TicketKeys | None = None  # None: this worker has keys of its own
    quarantined: list[str] = []
    terms: FormTerms = FILES_ALWAYS


class NewHeads(msgspec.Struct, frozen=True, tag=True):
    """Serve these revisions, by app id; reply `Acknowledged` with this number once every next request gets them."""

    number: int
    heads: dict[AppId, Head]


class Issued(msgspec.Struct, frozen=True, tag=True):
    """When each head shard that the supervisor has verified was signed, in seconds since the epoch; on a node that
    follows, when it was heard, in seconds since the machine's boot."""

    issued: dict[str, float]
    heard: dict[str, float] = {}


class Unserved(msgspec.Struct, frozen=True, tag=True):
    """The head shards whose apps are offered nothing now, with what is wrong with each."""

    shards: dict[str, str]


class NetworkKey(msgspec.Struct, frozen=True, tag=True):
    """Number networks by this key from now on: home's, so that a network is one whichever node hears of it."""

    key: bytes


class BlindGuard(msgspec.Struct, frozen=True, tag=True):
    """Whether the guard of releases sees nothing now: `/readyz` tells."""

    blind: bool


class StatusQuery(msgspec.Struct, frozen=True, tag=True):
    """Reply `Status` with this number."""

    number: int


class TellNotes(msgspec.Struct, frozen=True, tag=True):
    """Store what was noted of checks and deliveries until now; reply `Acknowledged` with this number when it is."""

    number: int


class NewPair(msgspec.Struct, frozen=True, tag=True):
    """Use this pair for new connections; reply `Acknowledged` with this number."""

    number: int
    pair: Pair


class NewTickets(msgspec.Struct, frozen=True, tag=True):
    """Use these keys for session tickets."""

    keys: TicketKeys


class Prove(msgspec.Struct, frozen=True, tag=True):
    """Prove this blob of the app; reply `Proved` with this number."""

    number: int
    digest: str
    app: str


class Proved(msgspec.Struct, frozen=True, tag=True):
    """The file that was proven; None if the blob is damaged, or, with `later`, if that is not known yet."""

    number: int
    identity: FileIdentity | None = None
    later: bool = False


class Quarantined(msgspec.Struct, frozen=True, tag=True):
    """All blobs that this node cannot serve now."""

    digests: list[str]


class NewTerms(msgspec.Struct, frozen=True, tag=True):
    """Choose the forms of bundles by these terms."""

    terms: FormTerms


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Close the port, and reply `Acknowledged` with this number; then finish what is in progress, and exit. `patient`
    as in `leaving.Manner`."""

    number: int
    patient: bool = False


class Prepared(msgspec.Struct, frozen=True, tag=True):
    """The worker could serve what was in its setup."""


class Serve(msgspec.Struct, frozen=True, tag=True):
    """Accept connections. Whatever was sent before this one has taken effect by then, so nothing stale is served."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker accepts connections."""


class Acknowledged(msgspec.Struct, frozen=True, tag=True):
    """The message with this number has taken effect, except for what is `damaged` in what it named."""

    number: int
    damaged: list[Damage] = []


class Status(msgspec.Struct, frozen=True, tag=True):
    """How many apps the worker serves, what it has counted, and the first `DAMAGES_SHOWN_LIMIT` things that it cannot
    serve."""

    number: int
    apps: int
    counts: WorkerCounts
    damaged: list[Damage] = []


ToWorker = (
    Setup
    | Serve
    | NewHeads
    | Issued
    | Unserved
    | BlindGuard
    | NetworkKey
    | StatusQuery
    | TellNotes
    | NewPair
    | NewTickets
    | Recorded
    | Proved
    | Quarantined
    | NewTerms
    | Drain
)
FromWorker = Prepared | Ready | Acknowledged | Status | Record | Prove


def frame_of(message: msgspec.Struct) -> bytes:
    """The message as it is sent."""
    encoded = msgspec.msgpack.encode(message)
    return len(encoded).to_bytes(4, "big") + encoded


class Link:
    """One end of the socket. `expects` is the union of messages that may arrive here."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, expects: Any) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = msgspec.msgpack.Decoder(expects)

    @classmethod
    async def over(cls, end: socket.socket, expects: Any) -> "Link":
        """Takes over a connected socket."""
        reader, writer = await asyncio.open_connection(sock=end)
        return cls(reader, writer, expects)

    def send(self, message: msgspec.Struct) -> None:
        """Queue a message; messages are few and small, so no sender waits until the other side reads them.

        Dropped when the other side is gone: uvloop raises for a write to a closed transport, and this one may come in
        the middle of a check.
        """
        if self._writer.is_closing():
            return
        self._writer.write(frame_of(message))

    async def receive(self) -> Any:
        """The next message, or None if the other side is gone."""
        try:
            length = int.from_bytes(await self._reader.readexactly(4), "big")
            if length > FRAME_LIMIT_BYTES:
                raise ValueError(f"frame of {length} bytes")
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def close(self) -> None:
        """The other side then receives None."""
        self._writer.close()
