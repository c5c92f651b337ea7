"""Request bodies within limits: of size, of time for small bodies, of silence for large ones.

An upload goes to a scratch file and is hashed while it arrives; a blob enters the store whole and verified or not at
all.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiofiles
import msgspec
from aiohttp import ClientPayloadError, hdrs, web

from edge.bundles.limits import BLOB_LIMIT_BYTES
from edge.domain.errors import EdgeError, Invalid, TooLarge
from edge.domain.model import Digest
from edge.store.disk.durable_files import FILE_MODE, room_to
from edge.store.healing import keep_blob
from edge.store.objects.port import ObjectStore

BODY_SECONDS = 30  # for a whole small body: 1 MiB at 280 kbit/s
IDLE_SECONDS = 30  # of silence in an upload: longer than TCP needs to recover from a brief loss of the link
BLOCK_BYTES = 1024 * 1024  # gathered before hashing and writing: two thread hops per block


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
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while piece := await _next_piece(request):
                body += piece
                _check_size(len(body), limit_bytes)
    except TimeoutError as error:
        raise UploadStalled("body_stalled", f"the request body did not arrive within {BODY_SECONDS} s") from error
    return bytes(body)


def decode_body(content: bytes, wanted: Any) -> Any:
    """Decode a JSON body as `wanted`. Raises Invalid `invalid_json`, or `invalid_body` with the path to the fault."""
    try:
        return msgspec.json.decode(content, type=wanted)
    except msgspec.ValidationError as error:
        raise Invalid("invalid_body", f"invalid request body: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("invalid_json", f"the request body is not valid JSON: {error}") from error


async def receive_blob(
    request: web.Request,
    store: ObjectStore,
    digest: Digest,
    limit_bytes: int = BLOB_LIMIT_BYTES,
    idle_seconds: float = IDLE_SECONDS,
) -> int:
    """Store the request's body durably as the blob `digest`; returns its size in bytes.

    Two uploads of one digest at once do not interfere: each has its own file. Raises as `receive_file`, and Invalid
    `digest_mismatch`.
    """
    async with receive_file(request, store, limit_bytes, idle_seconds) as file:
        if file.digest != digest:
            raise Invalid(
                "digest_mismatch",
                f"digest mismatch: the {file.bytes} bytes received have SHA-256 {file.digest}, not {digest}",
            )
        await asyncio.to_thread(keep_blob, store, digest, file.path)
        return file.bytes


@asynccontextmanager
async def receive_file(
    request: web.Request, store: ObjectStore, limit_bytes: int, idle_seconds: float = IDLE_SECONDS
) -> AsyncIterator[Received]:
    """The request's body in a scratch file on the store's volume, which is deleted at the end of the block.

    Raises as `read_body`, and Unavailable `storage_full`, for the block too.
    """
    _check_declared(request, limit_bytes)
    scratch = store.scratch()
    try:
        with room_to("take this upload"):
            received, digest = await _write_scratch(request, scratch, limit_bytes, idle_seconds)
            yield Received(scratch, received, digest)
    finally:
        scratch.unlink(missing_ok=True)  # not in a thread: a cancelled upload must not wait again


async def _write_scratch(request: web.Request, scratch: Path, limit_bytes: int, idle_seconds: float) -> tuple[int, str]:
    received, hashing = 0, hashlib.sha256()
    # Created here and opened as it is: a cancelled open that runs late in its thread leaves nothing behind.
    scratch.touch(mode=FILE_MODE, exist_ok=False)
    async with aiofiles.open(scratch, "r+b") as file:
        while block := await _next_block(request, idle_seconds):
            received += len(block)
            _check_size(received, limit_bytes)
            await asyncio.to_thread(hashing.update, block)
            await file.write(block)
    return received, hashing.hexdigest()


async def _next_block(request: web.Request, idle_seconds: float) -> bytes:
    """At least BLOCK_BYTES, fewer only at the end of the body, none after it."""
    pieces: list[bytes] = []
    gathered = 0
    while gathered < BLOCK_BYTES and (piece := await _within(idle_seconds, _next_piece(request))):
        pieces.append(piece)
        gathered += len(piece)
    return b"".join(pieces)


async def _within(idle_seconds: float, piece: Awaitable[bytes]) -> bytes:
    try:
        async with asyncio.timeout(idle_seconds):
            return await piece
    except TimeoutError as error:
        raise UploadStalled("body_stalled", f"the request body stalled: no data for {idle_seconds} s") from error


async def _next_piece(request: web.Request) -> bytes:
    """What has arrived, empty at the end. Raises Invalid `body_cut` if the client left before the end."""
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
