"""Files over the control port, by the same `sendfile` as the device port's."""

import asyncio
import logging

from edge.node.delivery.send import Wire
from edge.node.delivery.turns import Altered

log = logging.getLogger("edge.node")


class FileSending:
    """A `FileSender`. Connections of the control port are few and long, so a descriptor is duplicated for each file."""

    async def send(self, transport: asyncio.Transport, descriptor: int, offset: int, count: int) -> None:
        """Raises ConnectionError, also for a file that is shorter than it was."""
        wire = Wire(transport)
        try:
            await wire.send_file(descriptor, offset, count)
        except Altered as error:
            log.error("a blob that a follower was reading changed: %s", error)
            raise ConnectionAbortedError(str(error)) from error
        finally:
            wire.close()
