"""How many of something peers hold at once: one address prefix, one holder of many prefixes, and all together. Pure.

Whoever brings many addresses takes its own places, not those of the others.
"""

from edge.domain.prefixes import wide_prefix_of
from edge.node.service.limits.event_limits import WIDE_SHARE


class Holdings:
    """At most `total`, `of_prefix` of one prefix, and of a wide prefix as much as of WIDE_SHARE prefixes."""

    def __init__(self, total: int, of_prefix: int) -> None:
        self.total, self._of_prefix = total, of_prefix
        self.held = 0
        self._by_prefix: dict[str, int] = {}
        self._by_wide: dict[str, int] = {}

    @property
    def has_room(self) -> bool:
        return self.held < self.total

    def take(self, prefix: str) -> bool:
        """False if a limit is reached, and then there is nothing to release."""
        own, wide = self._by_prefix.get(prefix, 0), wide_prefix_of(prefix)
        near = self._by_wide.get(wide, 0)
        if not self.has_room or own >= self._of_prefix or near >= WIDE_SHARE * self._of_prefix:
            return False
        self._by_prefix[prefix], self._by_wide[wide] = own + 1, near + 1
        self.held += 1
        return True

    def release(self, prefix: str) -> None:
        """One that was taken is free again."""
        self.held -= 1
        for counts, key in ((self._by_prefix, prefix), (self._by_wide, wide_prefix_of(prefix))):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]
