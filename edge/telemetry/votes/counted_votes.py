"""The counts of one test of a watch, by network: of the whole, and of each epoch. In memory, made from the rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from edge.domain.guarding.networks import TRUSTED_NETWORK, NetworkVotes, is_counted
from edge.domain.guarding.tally import CountedVotes, EpochVotes, ThresholdTally
from edge.telemetry.spool.record import wide_network_of

UNHEARD = -1  # the network of offered devices that have not reported anything


class VoteCounts:
    """Counted votes. `networks` has attempts and failures of each, `failing` those that have failures."""

    __slots__ = ("_wide", "attempts", "failed", "failing", "networks")

    def __init__(self) -> None:
        self.attempts = self.failed = 0
        self.networks: dict[int, list[int]] = {}
        self.failing: set[int] = set()
        self._wide = Counter[int]()

    def has_room(self, net: int) -> bool:
        """Whether another vote of the network is counted."""
        if net == TRUSTED_NETWORK:
            return True
        of_net, wide = self.networks.get(net), wide_network_of(net)
        return is_counted(self.attempts, of_net[0] if of_net else 0, None if wide is None else self._wide[wide])

    def add(self, net: int, attempts: int, failed: int) -> None:
        self.attempts += attempts
        self.failed += failed
        of_net = self.networks.get(net)
        if of_net is None:
            of_net = self.networks[net] = [0, 0]
        of_net[0] += attempts
        of_net[1] += failed
        if of_net[1]:
            self.failing.add(net)
        if attempts and net != UNHEARD and (wide := wide_network_of(net)) is not None:
            self._wide[wide] += attempts

    def counted(self) -> CountedVotes:
        """With the networks that may be among the worst: of each number of failures those with fewest attempts."""
        by_failures: defaultdict[int, list[NetworkVotes]] = defaultdict(list)
        for net in self.failing:
            if net != TRUSTED_NETWORK:
                attempts, failed = self.networks[net]
                by_failures[failed].append(NetworkVotes(net, attempts, failed))
        worst = (sorted(each, key=lambda of: (of.attempts, of.network))[:2] for each in by_failures.values())
        return CountedVotes(self.attempts, self.failed, tuple(of for each in worst for of in each))


class VotesOfTest:
    """Of one test, for good: what was added is never taken away. A vote that is counted is counted in its epoch too if
    its network has room there (`in_epoch`), by the votes of the epoch."""

    def __init__(self) -> None:
        self.whole = VoteCounts()
        self.epochs: dict[int, VoteCounts] = {}

    def of_epoch(self, epoch: int) -> VoteCounts:
        found = self.epochs.get(epoch)
        if found is None:
            found = self.epochs[epoch] = VoteCounts()
        return found

    def has_room(self, net: int, epoch: int) -> tuple[bool, bool]:
        """Whether another vote of the network is counted, and whether in its epoch too."""
        counted = self.whole.has_room(net)
        return counted, counted and self.of_epoch(epoch).has_room(net)

    def enter(self, net: int, epoch: int, *, in_epoch: bool) -> None:
        """Another attempt."""
        self._add(net, epoch, 1, 0, in_epoch=in_epoch)

    def place(self, net: int, epoch: int, *, in_epoch: bool) -> None:
        """An attempt that had no network has this one."""
        self._add(UNHEARD, epoch, -1, 0, in_epoch=in_epoch)
        self._add(net, epoch, 1, 0, in_epoch=in_epoch)

    def fail(self, net: int, epoch: int, *, in_epoch: bool) -> None:
        """A counted attempt has failed."""
        self._add(net, epoch, 0, 1, in_epoch=in_epoch)

    def _add(self, net: int, epoch: int, attempts: int, failed: int, *, in_epoch: bool) -> None:
        self.whole.add(net, attempts, failed)
        if in_epoch:
            self.of_epoch(epoch).add(net, attempts, failed)

    def tally(self, open_epochs: Iterable[int]) -> ThresholdTally:
        found = ((number, self.epochs.get(number)) for number in open_epochs)
        epochs = tuple(EpochVotes(number, each.counted()) for number, each in found if each)
        return ThresholdTally(self.whole.counted(), epochs)
