"""The counts of one test of a watch, by network: of the whole, and of each epoch. In memory, made from the rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from edge.domain.guarding.networks import TRUSTED_NETWORK, NetworkVotes, is_counted
from edge.domain.guarding.tally import CountedVotes, EpochVotes, ThresholdTally
from edge.telemetry.spool.record import wide_network_of

UNHEARD = -1  # the network of offered devices that have not reported anything


class VoteCounts:
    """Counted votes. `networks` has attempts and failures of each, `failing` those that have failures."""

    __slots__ = ("attempts", "failed", "failing", "networks")

    def __init__(self) -> None:
        self.attempts = self.failed = 0
        self.networks: dict[int, list[int]] = {}
        self.failing: set[int] = set()

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
    """Of one test, for good: what was added is never taken away."""

    def __init__(self) -> None:
        self.whole = VoteCounts()
        self.epochs: dict[int, VoteCounts] = {}
        self._wide = Counter[int]()

    def has_room(self, net: int) -> bool:
        """Whether another vote of the network is counted."""
        if net == TRUSTED_NETWORK:
            return True
        of_net, wide = self.whole.networks.get(net), wide_network_of(net)
        of_wide = None if wide is None else self._wide[wide]
        return is_counted(self.whole.attempts, of_net[0] if of_net else 0, of_wide)

    def enter(self, net: int, epoch: int) -> None:
        """Another attempt."""
        self._add(net, epoch, 1, 0)
        if net != UNHEARD and (wide := wide_network_of(net)) is not None:
            self._wide[wide] += 1

    def place(self, net: int, epoch: int) -> None:
        """An attempt that had no network has this one."""
        self._add(UNHEARD, epoch, -1, 0)
        self.enter(net, epoch)

    def fail(self, net: int, epoch: int) -> None:
        """A counted attempt has failed."""
        self._add(net, epoch, 0, 1)

    def _add(self, net: int, epoch: int, attempts: int, failed: int) -> None:
        self.whole.add(net, attempts, failed)
        of_epoch = self.epochs.get(epoch)
        if of_epoch is None:
            of_epoch = self.epochs[epoch] = VoteCounts()
        of_epoch.add(net, attempts, failed)

    def tally(self, open_epochs: Iterable[int]) -> ThresholdTally:
        found = ((number, self.epochs.get(number)) for number in open_epochs)
        epochs = tuple(EpochVotes(number, each.counted()) for number, each in found if each)
        return ThresholdTally(self.whole.counted(), epochs)
