"""Request bodies within limits: of size, of time for small ones, of silence for large ones.

An upload goes to a scratch file and is hashed while it arrives; a blob enters the store whole and verified, or not at
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
from edge.store.objects.port import ObjectStore, blob_key

BODY_SECONDS = 30  # for a whole small body: 1 MiB at 280 kbit/s
IDLE_SECONDS = 30  # of silence in an upload: longer than a TCP connection needs to get over a lost link
BLOCK_BYTES = 1024 * 1024  # gathered before it is hashed and written: two thread hops a block


class UploadStalled(EdgeError):
    """The peer was too slow."""

    status = 408


class Received(NamedTuple):
    """An upload: where it lies for now, its size, and the SHA-256 of what arrived."""

    path: Path
    bytes: int
    digest: str


async def read_body(request: web.Request, limit_bytes: int) -> bytes:
    """A whole small body.

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
        raise UploadStalled("body_stalled", f"the body did not arrive within {BODY_SECONDS} s") from error
    return bytes(body)


def decode_body(content: bytes, wanted: Any) -> Any:
    """Raises Invalid `invalid_json`, or `invalid_body` with the path to what is wrong."""
    try:
        return msgspec.json.decode(content, type=wanted)
    except msgspec.ValidationError as error:
        raise Invalid("invalid_body", f"the body is not as it should be: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("invalid_json", f"the body is not JSON: {error}") from error


async def receive_blob(
    request: web.Request,
    store: ObjectStore,
    digest: Digest,
    limit_bytes: int = BLOB_LIMIT_BYTES,
    idle_seconds: float = IDLE_SECONDS,
) -> int:
    """Store the request's body as the blob `digest`; returns its size in bytes, durable.

    Raises as `receive_file`, and Invalid `digest_mismatch`. Two uploads of one digest at once do not meet: each has a
    file of its own.
    """
    async with receive_file(request, store, limit_bytes, idle_seconds) as file:
        if file.digest != digest:
            raise Invalid(
                "digest_mismatch", f"the {file.bytes} bytes received have SHA-256 {file.digest}, not {digest}"
            )
        await asyncio.to_thread(store.adopt, blob_key(digest), file.path)
        return file.bytes


@asynccontextmanager
async def receive_file(
    request: web.Request, store: ObjectStore, limit_bytes: int, idle_seconds: float = IDLE_SECONDS
) -> AsyncIterator[Received]:
    """The request's body in a scratch file on the store's volume. However the block ends, the file is gone then.

    Raises as `read_body`, and Unavailable `storage_full`, also for the block.
    """
    _check_declared(request, limit_bytes)
    scratch = store.scratch()
    try:
        with room_to("take this upload"):
            received, digest = await _write_scratch(request, scratch, limit_bytes, idle_seconds)
            yield Received(scratch, received, digest)
    finally:
        scratch.unlink(missing_ok=True)  # not in a thread: a cancelled upload must not wait once more


async def _write_scratch(request: web.Request, scratch: Path, limit_bytes: int, idle_seconds: float) -> tuple[int, str]:
    received, hashing = 0, hashlib.sha256()
    # Made here and opened without creating it: a cancelled open that runs late in its thread leaves nothing behind.
    scratch.touch(mode=FILE_MODE, exist_ok=False)
    async with aiofiles.open(scratch, "r+b") as file:
        while block := await _next_block(request, idle_seconds):
            received += len(block)
            _check_size(received, limit_bytes)
            await asyncio.to_thread(hashing.update, block)
            await file.write(block)
    return received, hashing.hexdigest()


async def _next_block(request: web.Request, idle_seconds: float) -> bytes:
    """At least BLOCK_BYTES, less only at the end of the body, empty after it."""
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
        raise UploadStalled("body_stalled", f"nothing arrived for {idle_seconds} s") from error


async def _next_piece(request: web.Request) -> bytes:
    """What has arrived, empty at the end. Raises Invalid `body_cut` when the peer left before the end."""
    try:
        return await request.content.readany()
    except (ConnectionError, ClientPayloadError, web.RequestPayloadError) as error:
        raise Invalid("body_cut", "the connection ended before the body did") from error


def _check_declared(request: web.Request, limit_bytes: int) -> None:
    _check_size(request.content_length or 0, limit_bytes)
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        # It would be decoded on the way in: a few bytes could become many before they are counted.
        raise Invalid("encoded_body", "a body is taken as it is, without Content-Encoding")


def _check_size(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise TooLarge("body_too_large", f"the body is larger than {limit_bytes} bytes")
