"""Says when the guard goes blind, and when it sees again: in the log, and to the workers, whose `/readyz` tells."""

import asyncio
import logging
from collections.abc import Callable

LOOK_AGAIN_SECONDS = 5.0

log = logging.getLogger("edge.guard")


class TellingSight:
    """`blindness` is why the guard sees nothing, "" if it does; `tell` passes on whether it is blind."""

    def __init__(self, blindness: Callable[[], str], tell: Callable[[bool], None]) -> None:
        self._blindness = blindness
        self._tell = tell
        self._blind = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    def look(self) -> None:
        """One line at each change. Workers are told again while it lasts: one may have started since."""
        why = self._blindness()
        if why and not self._blind:
            log.error("the guard is blind, so a bad release would go on: %s", why)
        elif self._blind and not why:
            log.warning("the guard sees again")
        if why or self._blind:
            self._tell(bool(why))
        self._blind = bool(why)
