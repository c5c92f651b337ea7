"""A form with a file: small fields in memory, the file to disk as it arrives, within limits of size, silence and time.

Fields come before the file, so that a form that is not of this page is refused before a byte of the file is kept.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiofiles
from aiohttp import BodyPartReader, ClientPayloadError, web

from edge.bundles.limits import MIB
from edge.domain.errors import EdgeError, Invalid, Malformed, TooLarge
from edge.store.disk.durable_files import FILE_MODE
from edge.store.disk.room import refusal_of_room

DROP_LIMIT_BYTES = 512 * MIB  # of a zip: the largest web builds are some hundred MB
FIELD_LIMIT_BYTES = 8 * 1024
FIELDS_LIMIT = 16
NAME_LIMIT = 128  # characters of the file's name, for people
IDLE_SECONDS = 30.0  # of silence: longer than a link needs to recover from a brief loss
RECEIVE_SECONDS = 3_600.0  # for the whole form: 512 MB at 1.2 Mbit/s
_FORM_BYTES = 64 * 1024  # what a form has around its file

CheckFields = Callable[[Mapping[str, str]], Awaitable[Any]]


class ReceiveTerms(NamedTuple):
    """How large a file may be, and how slowly it may arrive."""

    limit_bytes: int = DROP_LIMIT_BYTES
    idle_seconds: float = IDLE_SECONDS
    seconds: float = RECEIVE_SECONDS


TERMS = ReceiveTerms()


class FormStalled(EdgeError):
    """The form arrived too slowly."""

    status = 408


async def receive_form(
    request: web.Request, file: str, target: Path, check: CheckFields, terms: ReceiveTerms = TERMS
) -> dict[str, str]:
    """The fields, and under the name `file` what the sender calls the file; it is in `target`, which the caller
    deletes. `check` is awaited with the fields before the file is read.

    Raises what `check` raises, Malformed `invalid_form`, TooLarge `body_too_large`, FormStalled `body_stalled`, Invalid
    `missing_file`, `body_cut`, OutOfRoom `storage_full`.
    """
    if request.content_type != "multipart/form-data":
        raise Malformed("invalid_form", "this is not a form of this page")
    if (request.content_length or 0) > terms.limit_bytes + _FORM_BYTES:
        raise _too_large(terms)
    try:
        async with asyncio.timeout(terms.seconds):
            return await _receive(request, file, target, check, terms)
    except TimeoutError as error:
        raise FormStalled("body_stalled", "the zip arrives too slowly: try again on a better link") from error
    except (ConnectionError, ClientPayloadError, web.RequestPayloadError) as error:
        raise Invalid("body_cut", "the connection ended before the whole zip was here") from error
    except (ValueError, AssertionError, RuntimeError) as error:  # what aiohttp raises for a form that is malformed
        raise Malformed("invalid_form", "this form cannot be read") from error


async def _receive(
    request: web.Request, file: str, target: Path, check: CheckFields, terms: ReceiveTerms
) -> dict[str, str]:
    fields: dict[str, str] = {}
    reader = await request.multipart()
    while (part := await _next(reader, terms)) is not None:
        if not isinstance(part, BodyPartReader) or part.name is None or len(fields) >= FIELDS_LIMIT:
            raise Malformed("invalid_form", "this is not a form of this page")
        if part.name != file:
            fields[part.name] = await _read_field(part, terms)
            continue
        await check(fields)
        if not part.filename:
            raise Invalid("missing_file", "choose a zip first")
        await _write_file(part, target, terms)
        return fields | {file: part.filename[:NAME_LIMIT]}
    await check(fields)
    raise Invalid("missing_file", "choose a zip first")


async def _next(reader: Any, terms: ReceiveTerms) -> Any:
    async with asyncio.timeout(terms.idle_seconds):
        return await reader.next()


async def _read_field(part: BodyPartReader, terms: ReceiveTerms) -> str:
    content = bytearray()
    while chunk := await _chunk(part, terms):
        content += chunk
        if len(content) > FIELD_LIMIT_BYTES:
            raise Malformed("invalid_form", f"a field of this form has at most {FIELD_LIMIT_BYTES} bytes")
    return content.decode("utf-8", "replace")


async def _write_file(part: BodyPartReader, target: Path, terms: ReceiveTerms) -> None:
    received = 0
    target.touch(mode=FILE_MODE, exist_ok=False)
    try:
        async with aiofiles.open(target, "r+b") as file:
            while chunk := await _chunk(part, terms):
                received += len(chunk)
                if received > terms.limit_bytes:
                    raise _too_large(terms)
                await file.write(chunk)
    except OSError as error:
        full = refusal_of_room(error)
        if full is None:
            raise
        raise full from error


async def _chunk(part: BodyPartReader, terms: ReceiveTerms) -> bytes:
    async with asyncio.timeout(terms.idle_seconds):
        return bytes(await part.read_chunk(MIB))


def _too_large(terms: ReceiveTerms) -> TooLarge:
    return TooLarge(
        "body_too_large",
        f"the zip has more than {terms.limit_bytes // MIB} MiB: publish it with `edge bundle publish`",
    )
