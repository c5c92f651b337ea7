"""A TCP client that says exactly what a test has it say."""

import asyncio
from contextlib import asynccontextmanager

PROMPT_SECONDS = 60.0  # for what takes milliseconds on a quiet machine; waiting longer means it never comes


@asynccontextmanager
async def a_client(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PROMPT_SECONDS):
            yield reader, writer
    finally:
        writer.close()


async def read_until_closed(reader):
    try:
        return await reader.read()
    except ConnectionError:
        return b""
