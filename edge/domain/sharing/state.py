"""What is known of a device in every region: its choice of a channel, and what is withheld from it. Pure.

A state is a join-semilattice: `join` commutes, associates and is idempotent, so nodes that heard the same things hold
the same state, in whatever order they came and however often. No clock is a referee.

* An erasure begins the next era; what was known in an earlier one is gone.
* Of two choices the one with the higher counter stays (a node counts on from what it knows); between equals, the node's
  name decides. A node whose disk was put back to an older state has forgotten where it was; it goes on above that once
  it hears it again (`steps.after_forgotten`).
* A lift takes back what was known of the failures of a bundle, also a failure that another node counts at that moment:
  its attempt was made before the lift. So lifts are counted, and a verdict belongs to the number that its node knew.
* A device that runs a bundle after all clears its failed downloads in the same way, but not that it did not start.
"""

from collections.abc import Iterable
from typing import NamedTuple

SHARED_BUNDLES_LIMIT = 8  # of a device; a table's slot has room for three, so what goes first was forgotten there


class SharedVerdict(NamedTuple):
    """A bundle is withheld from a device. The greatest of several holds: the longest, then the latest. `node` is who
    brought it; the rest as of `domain.facts.Failure`."""

    stage: int
    hour: int
    cause: int
    mark: int
    node: str


class Choice(NamedTuple):
    """`channel` is a `name_hash`; 0: the choice was taken back. A `counter` of 0: the device never chose. `start` is
    that of the node which made it, each random; "" where it is not known."""

    counter: int = 0
    node: str = ""
    channel: int = 0
    start: str = ""


class SharedBundle(NamedTuple):
    """`bundle` is a `name_hash`; `start` is a verdict about a bundle that does not start, `download` about one whose
    downloads fail."""

    bundle: int
    lifts: int = 0
    start: SharedVerdict | None = None
    cleared: int = 0
    download: SharedVerdict | None = None

    @property
    def verdict(self) -> SharedVerdict | None:
        """The one that holds; None: it is not withheld."""
        return self.start or self.download

    @property
    def hour(self) -> int:
        """Of the latest failure that is known; 0 without."""
        return max((each.hour for each in (self.start, self.download) if each is not None), default=0)


class SharedFacts(NamedTuple):
    """`bundles` are in the order of their hashes."""

    era: int = 0
    choice: Choice = Choice()
    bundles: tuple[SharedBundle, ...] = ()

    def of(self, bundle: int) -> SharedBundle:
        return next((each for each in self.bundles if each.bundle == bundle), SharedBundle(bundle))

    def put(self, changed: SharedBundle) -> "SharedFacts":
        return self._replace(
            bundles=_kept([*(each for each in self.bundles if each.bundle != changed.bundle), changed])
        )

    @property
    def lifts(self) -> int:
        """All of this era. Evidence that was recorded knowing fewer is older than a lift."""
        return sum(each.lifts for each in self.bundles)


NOTHING_SHARED = SharedFacts()


def join(one: SharedFacts, other: SharedFacts) -> SharedFacts:
    """What somebody knows who knows both."""
    if one == other:
        return one
    if one.era != other.era:
        return max(one, other, key=lambda each: each.era)
    bundles = {each.bundle: each for each in one.bundles}
    for each in other.bundles:
        mine = bundles.get(each.bundle)
        bundles[each.bundle] = each if mine is None else join_bundles(mine, each)
    return SharedFacts(one.era, max(one.choice, other.choice), _kept(bundles.values()))


def join_bundles(one: SharedBundle, other: SharedBundle) -> SharedBundle:
    """Of the same bundle."""
    if one.lifts != other.lifts:
        return max(one, other, key=lambda each: each.lifts)
    start = _greater(one.start, other.start)
    if one.cleared != other.cleared:
        return max(one, other, key=lambda each: each.cleared)._replace(start=start)
    return one._replace(start=start, download=_greater(one.download, other.download))


def _greater(one: SharedVerdict | None, other: SharedVerdict | None) -> SharedVerdict | None:
    if one is None or other is None:
        return one or other
    return max(one, other)


def _kept(bundles: Iterable[SharedBundle]) -> tuple[SharedBundle, ...]:
    """Those that failed last; the rest is forgotten, here as in a table's slot."""
    latest = sorted(bundles, key=lambda each: (each.hour, each.bundle))[-SHARED_BUNDLES_LIMIT:]
    return tuple(sorted(latest, key=lambda each: each.bundle))
