"""How much a region may bring of each kind: buckets of tokens, one for each node and kind. Pure.

A region's token can be stolen, and who has it can speak of any device. These bound what that costs the devices of
others; a region in which a bad release fails on every device stays below them, and beyond them its own devices are
protected there all the same, by their own node.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from edge.domain.sharing.admitting import SharedKind

HOUR_SECONDS = 3_600.0


class Budget(NamedTuple):
    """What may come at once, and in each hour after that."""

    at_once: int
    per_hour: int


BUDGETS: Mapping[SharedKind, Budget] = {
    SharedKind.FAILURE: Budget(100_000, 50_000),  # a release that fails on all of 100,000 devices of a region
    SharedKind.CHOICE: Budget(100_000, 50_000),
    SharedKind.CLEARING: Budget(100_000, 50_000),
    SharedKind.LIFT: Budget(1_000, 1_000),  # heals a home that was restored; else a region has none to tell
    SharedKind.ERASURE: Budget(100, 100),  # likewise; nothing brings back what is erased
    SharedKind.WAITING: Budget(20_000, 2_000),  # a day of it is less than the register keeps for all nodes
    SharedKind.NOTE: Budget(5_000_000, 10_000_000),  # offers, and what became of them: 3,000 a second
}


class NodeBudgets:
    """`refused` counts by node and kind. `now` in seconds of a monotonic clock."""

    def __init__(self, budgets: Mapping[SharedKind, Budget] = BUDGETS) -> None:
        self.refused = Counter[tuple[str, SharedKind]]()
        self._budgets = budgets
        self._left: dict[tuple[str, SharedKind], tuple[float, float]] = {}  # tokens, as of then

    def take(self, node: str, kind: SharedKind, now: float) -> bool:
        """Whether the node may bring one more."""
        budget = self._budgets[kind]
        tokens, since = self._left.get((node, kind), (float(budget.at_once), now))
        tokens = min(tokens + (now - since) * budget.per_hour / HOUR_SECONDS, budget.at_once)
        if tokens < 1:
            self.refused[node, kind] += 1
            self._left[node, kind] = tokens, now
            return False
        self._left[node, kind] = tokens - 1, now
        return True
