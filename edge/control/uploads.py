"""Request bodies within limits of size, of rate, and of silence.

An upload goes to a scratch file and is hashed while it arrives; a blob enters the store whole and verified or not at
all.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiofiles
import msgspec
from aiohttp import ClientPayloadError, hdrs, web

from edge.bundles.chunks import read_chunks
from edge.bundles.limits import BLOB_LIMIT_BYTES
from edge.domain.errors import EdgeError, Invalid, TooLarge
from edge.domain.model import Digest
from edge.store.disk.durable_files import FILE_MODE, room_to
from edge.store.healing import Kept, keep_blob
from edge.store.objects.port import ObjectStore
from edge.wire.arrival import BODY_SECONDS, MINIMUM_BODY_BPS, body_due

IDLE_SECONDS = 30  # of silence: longer than TCP needs to recover from a brief loss of the link
BLOCK_BYTES = 1024 * 1024  # gathered before hashing and writing: two thread hops per block


class Slowness(NamedTuple):
    """How slowly a body may arrive: seconds of silence, and seconds before its minimum rate counts."""

    idle_seconds: float = IDLE_SECONDS
    body_seconds: float = BODY_SECONDS


SLOWNESS = Slowness()


class UploadStalled(EdgeError):
    """The client sent its body too slowly."""

    status = 408


class Received(NamedTuple):
    """An upload: its scratch file, its size, and the SHA-256 of its bytes in hex."""

    path: Path
    bytes: int
    digest: str


async def read_body(request: web.Request, limit_bytes: int) -> bytes:
    """Read a whole small body.

    Raises TooLarge `body_too_large`, UploadStalled `body_stalled`, Invalid `body_cut` or `encoded_body`.
    """
    _check_declared(request, limit_bytes)
    body, arrival = bytearray(), _Arrival(request, SLOWNESS)
    while piece := await arrival.next_piece():
        body += piece
        _check_size(len(body), limit_bytes)
    return bytes(body)


def decode_body(content: bytes, wanted: Any) -> Any:
    """Decode a JSON body as `wanted`. Raises Invalid `invalid_json`, or `invalid_body` with the path to the fault."""
    try:
        return msgspec.json.decode(content, type=wanted)
    except msgspec.ValidationError as error:
        raise Invalid("invalid_body", f"invalid request body: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("invalid_json", f"the request body is not valid JSON: {error}") from error


async def receive_blob(
    request: web.Request,
    store: ObjectStore,
    digest: Digest,
    limit_bytes: int = BLOB_LIMIT_BYTES,
    slowness: Slowness = SLOWNESS,
) -> tuple[int, Kept]:
    """Store the request's body durably as the blob `digest`; returns its size in bytes and what became of it.

    Two uploads of one digest at once do not interfere: each has its own file. Raises as `receive_file`, and Invalid
    `digest_mismatch`.
    """
    async with receive_file(request, store, limit_bytes, slowness) as file:
        if file.digest != digest:
            raise Invalid(
                "digest_mismatch",
                f"digest mismatch: the {file.bytes} bytes received have SHA-256 {file.digest}, not {digest}",
            )
        return file.bytes, await asyncio.to_thread(keep_blob, store, digest, file.path)


def copy_blob(store: ObjectStore, digest: Digest, file: Path, limit_bytes: int = BLOB_LIMIT_BYTES) -> tuple[int, Kept]:
    """As `receive_blob`, of a local file, which stays. Blocks. Raises TooLarge `body_too_large`, Invalid
    `digest_mismatch`, OutOfRoom `storage_full`."""
    scratch = store.scratch()
    try:
        with room_to("take this upload", scratch, file.stat().st_size):
            copied, hashing = 0, hashlib.sha256()
            scratch.touch(mode=FILE_MODE, exist_ok=False)
            with scratch.open("r+b") as target:
                for chunk in read_chunks(file):
                    copied += len(chunk)
                    _check_size(copied, limit_bytes)
                    hashing.update(chunk)
                    target.write(chunk)
            if hashing.hexdigest() != digest:
                raise Invalid("digest_mismatch", f"digest mismatch: {copied} bytes do not have SHA-256 {digest}")
            return copied, keep_blob(store, digest, scratch)
    finally:
        scratch.unlink(missing_ok=True)


@asynccontextmanager
async def receive_file(
    request: web.Request, store: ObjectStore, limit_bytes: int, slowness: Slowness = SLOWNESS
) -> AsyncIterator[Received]:
    """The request's body in a scratch file on the store's volume, which is deleted at the end of the block.

    Raises as `read_body`, and OutOfRoom `storage_full`, for the block too.
    """
    _check_declared(request, limit_bytes)
    scratch = store.scratch()
    try:
        with room_to("take this upload", scratch, request.content_length or 0):
            received, digest = await _write_scratch(request, scratch, limit_bytes, slowness)
            yield Received(scratch, received, digest)
    finally:
        scratch.unlink(missing_ok=True)  # not in a thread: a cancelled upload must not wait again


async def _write_scratch(request: web.Request, scratch: Path, limit_bytes: int, slowness: Slowness) -> tuple[int, str]:
    received, hashing, arrival = 0, hashlib.sha256(), _Arrival(request, slowness)
    # Created here and opened as it is: a cancelled open that runs late in its thread leaves nothing behind.
    scratch.touch(mode=FILE_MODE, exist_ok=False)
    async with aiofiles.open(scratch, "r+b") as file:
        while block := await arrival.next_block():
            received += len(block)
            _check_size(received, limit_bytes)
            await asyncio.to_thread(hashing.update, block)
            await file.write(block)
    return received, hashing.hexdigest()


class _Arrival:
    """A body as it arrives. The clock runs while we wait for the client, not while it waits for our disk."""

    def __init__(self, request: web.Request, slowness: Slowness) -> None:
        self._request = request
        self._slowness = slowness
        self._waited_seconds = 0.0
        self._received_bytes = 0

    async def next_block(self) -> bytes:
        """At least BLOCK_BYTES, fewer only at the end of the body, none after it. Raises as `next_piece`."""
        pieces: list[bytes] = []
        gathered = 0
        while gathered < BLOCK_BYTES and (piece := await self.next_piece()):
            pieces.append(piece)
            gathered += len(piece)
        return b"".join(pieces)

    async def next_piece(self) -> bytes:
        """What has arrived, empty at the end. Raises UploadStalled if the client is silent or too slow, Invalid
        `body_cut` if it left before the end."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        left = body_due(0.0, self._received_bytes, self._slowness.body_seconds) - self._waited_seconds
        try:
            async with asyncio.timeout(min(left, self._slowness.idle_seconds)):
                piece = await _read_piece(self._request)
        except TimeoutError as error:
            raise UploadStalled("body_stalled", self._stalled(left)) from error
        self._waited_seconds += loop.time() - begun
        self._received_bytes += len(piece)
        return piece

    def _stalled(self, left: float) -> str:
        if left < self._slowness.idle_seconds:
            return f"the request body arrives too slowly: {MINIMUM_BODY_BPS} bit/s are needed"
        return f"the request body stalled: no data for {self._slowness.idle_seconds} s"


async def _read_piece(request: web.Request) -> bytes:
    try:
        return await request.content.readany()
    except (ConnectionError, ClientPayloadError, web.RequestPayloadError) as error:
        raise Invalid("body_cut", "the connection ended before the end of the request body") from error


def _check_declared(request: web.Request, limit_bytes: int) -> None:
    _check_size(request.content_length or 0, limit_bytes)
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        # aiohttp would decode it on the way in: a few bytes could become many before they are counted.
        raise Invalid("encoded_body", "unsupported Content-Encoding: send the body unencoded")


def _check_size(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise TooLarge("body_too_large", f"the request body exceeds the limit of {limit_bytes} bytes")
