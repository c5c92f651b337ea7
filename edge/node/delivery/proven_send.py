"""Sends part of a proven file, and withholds its end if the file was changed meanwhile.

So what a device has whole was right as far as the node can tell: a change that comes later than the last look, for
bytes that the kernel holds for the peer, shows nowhere.
"""

import asyncio

from edge.node.delivery.files import OpenFile
from edge.node.delivery.send import Patience, Truncated, send_file

END_BYTES = 4096  # kept until the file was looked at again


class Altered(Exception):
    """The file changed while it was sent. The answer is incomplete, and the caller resets the connection."""


async def send_proven(
    transport: asyncio.Transport, file: OpenFile, offset: int, count: int, patience: Patience
) -> None:
    """As `send_file`. Raises Altered instead of Truncated."""
    first = max(0, count - END_BYTES)
    try:
        if first:
            await send_file(transport, file.fd, offset, first, **patience._asdict())
        if not file.intact:
            raise Altered("the file was changed while it was sent")
        await send_file(transport, file.fd, offset + first, count - first, **patience._asdict())
    except Truncated as error:
        raise Altered("the file was cut while it was sent") from error
