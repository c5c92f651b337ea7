"""The supervisor's own way into the spool: outcomes, which come through the control API and no worker.

Opened with the first of them. While a successor takes over, both processes have one: files of segments never share a
name.
"""

from pathlib import Path

from edge.telemetry.spool.app_records import Outcomes, encode_outcomes
from edge.telemetry.spool.disk_budget import DiskBudget
from edge.telemetry.spool.spool import Spool

OUTCOME_WORKER = 999  # in the names of segments, beyond every worker's number


class OutcomeSpool:
    """For the supervisor's event loop."""

    def __init__(self, folder: Path, node: str, limit_bytes: int) -> None:
        self._folder, self._node, self._limit_bytes = folder, node, limit_bytes
        self._spool: Spool | None = None

    async def keep(self, outcomes: Outcomes, now: float) -> None:
        """Return once they are on disk; `now` is in seconds since the epoch. Raises Unavailable: none of them is."""
        if self._spool is None:
            budget = DiskBudget(self._folder, self._limit_bytes)
            self._spool = Spool(self._folder, self._node, OUTCOME_WORKER, budget=budget)
        await self._spool.keep(encode_outcomes(outcomes, now), len(outcomes.of))

    async def close(self) -> None:
        """Store what waits and seal the segment. Nothing is kept from now on."""
        if self._spool is not None:
            await self._spool.close()
