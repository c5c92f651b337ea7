"""The counts of one test of a watch, by node and network: of the whole, and of each epoch. In memory, from the rows.

A node is known by its number in the watch, this one by HERE. Each has a count of its own, in which its networks have
their share: so the votes without one node are what they were if it had brought nothing, whatever it brought. A network
is trusted in its node's count alone: what another node sends without a network is worth its word, as all that it sends.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence

from edge.domain.guarding.networks import TRUSTED_NETWORK, NetworkVotes, is_counted
from edge.domain.guarding.tally import CountedVotes, EpochVotes, ThresholdTally, VotesWithout
from edge.telemetry.spool.record import wide_network_of

UNHEARD = -1  # the network of offered devices that have not reported anything
HERE = 0  # this node's number
WORST_OF_EACH = 2  # networks with the same number of failures that may be among the worst


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

    def worst(self, shared: Container[int]) -> dict[int, list[NetworkVotes]]:
        """The networks that may be among the worst, by their failures: of each number those with fewest attempts. Not
        those that other nodes brought, too."""
        by_failures: defaultdict[int, list[NetworkVotes]] = defaultdict(list)
        for net in self.failing:
            if net != TRUSTED_NETWORK and net not in shared:
                attempts, failed = self.networks[net]
                by_failures[failed].append(NetworkVotes(net, attempts, failed))
        return {failed: _fewest(each) for failed, each in by_failures.items()}


class NodeCounts:
    """Counted votes of all nodes. A network that several brought counts at the first of them alone, by their numbers:
    it has no more of the whole than of one node."""

    __slots__ = ("_again", "_instead", "_nodes", "_shared")

    def __init__(self) -> None:
        self._nodes: dict[int, VoteCounts] = {}
        self._shared: dict[int, list[int]] = {}  # networks of several nodes, with these in order
        # Attempts and failures of networks that count at an earlier node, by node; and those of the second node that
        # count without the first, by both.
        self._again: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        self._instead: defaultdict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])

    @property
    def attempts(self) -> int:
        return self.sums()[0]

    @property
    def failed(self) -> int:
        return self.sums()[1]

    @property
    def others(self) -> list[int]:
        """The other nodes that brought some."""
        return sorted(node for node in self._nodes if node != HERE)

    def networks(self) -> Iterator[tuple[int, list[int]]]:
        """Attempts and failures of each, node by node."""
        for counts in self._nodes.values():
            yield from counts.networks.items()

    def has_room(self, net: int, node: int) -> bool:
        """Whether another vote of the node's network is counted."""
        counts = self._nodes.get(node)
        return counts is None or counts.has_room(net)

    def add(self, net: int, node: int, attempts: int, failed: int) -> None:
        counts = self._nodes.get(node)
        if counts is None:
            counts = self._nodes[node] = VoteCounts()
        if len(self._nodes) == 1 or net <= TRUSTED_NETWORK:
            counts.add(net, attempts, failed)
            return
        if net not in counts.networks:
            self._share(net, node)
        order = self._shared.get(net, ())
        self._correct(net, order, -1)
        counts.add(net, attempts, failed)
        self._correct(net, order, 1)

    def sums(self, without: int | None = None) -> tuple[int, int]:
        """Attempts and failures."""
        attempts = failed = 0
        for node, counts in self._nodes.items():
            if node != without:
                attempts += counts.attempts - self._again[node][0]
                failed += counts.failed - self._again[node][1]
        for (first, _), sums in self._instead.items():
            if first == without:
                attempts += sums[0]
                failed += sums[1]
        return attempts, failed

    def counted(self, without: Iterable[int | None] = (None,)) -> list[CountedVotes]:
        """Of all nodes, and without each of some."""
        worst = {node: counts.worst(self._shared) for node, counts in self._nodes.items()}
        return [CountedVotes(*self.sums(left), tuple(self._worst(worst, left))) for left in without]

    def _worst(self, of_nodes: dict[int, dict[int, list[NetworkVotes]]], without: int | None) -> Iterator[NetworkVotes]:
        found: defaultdict[int, list[NetworkVotes]] = defaultdict(list)
        for node, by_failures in of_nodes.items():
            if node != without:
                for failures, each in by_failures.items():
                    found[failures] += each
        for net, order in self._shared.items():
            attempts, failed = self._nodes[next(each for each in order if each != without)].networks[net]
            if failed:
                found[failed].append(NetworkVotes(net, attempts, failed))
        for each in found.values():
            yield from _fewest(each)

    def _share(self, net: int, node: int) -> None:
        """A network that is new to the node may be known of another."""
        others = [each for each, counts in self._nodes.items() if each != node and net in counts.networks]
        if others:
            self._correct(net, self._shared.get(net, ()), -1)
            self._shared[net] = sorted([*others, node])
            self._correct(net, self._shared[net], 1)

    def _correct(self, net: int, order: Sequence[int], sign: int) -> None:
        for place, node in enumerate(order[1:]):
            attempts, failed = self._nodes[node].networks.get(net, (0, 0))
            for sums in (self._again[node], self._instead[order[0], node])[: 2 - bool(place)]:
                sums[0] += sign * attempts
                sums[1] += sign * failed


class VotesOfTest:
    """Of one test, for good: what was added is never taken away. A vote that is counted is counted in its epoch too if
    its network has room there (`in_epoch`), by the votes of the epoch. `node` is the one that brought it."""

    def __init__(self) -> None:
        self.whole = NodeCounts()
        self.epochs: dict[int, NodeCounts] = {}

    def of_epoch(self, epoch: int) -> NodeCounts:
        found = self.epochs.get(epoch)
        if found is None:
            found = self.epochs[epoch] = NodeCounts()
        return found

    def has_room(self, net: int, epoch: int, node: int = HERE) -> tuple[bool, bool]:
        """Whether another vote of the network is counted, and whether in its epoch too."""
        counted = self.whole.has_room(net, node)
        return counted, counted and self.of_epoch(epoch).has_room(net, node)

    def enter(self, net: int, epoch: int, *, in_epoch: bool, node: int = HERE) -> None:
        """Another attempt."""
        self._add(net, epoch, node, 1, 0, in_epoch=in_epoch)

    def place(self, net: int, epoch: int, *, in_epoch: bool, node: int = HERE) -> None:
        """An attempt that had no network has this one."""
        self._add(UNHEARD, epoch, node, -1, 0, in_epoch=in_epoch)
        self._add(net, epoch, node, 1, 0, in_epoch=in_epoch)

    def move_unheard(self, epoch: int, node: int, to: int) -> None:
        """An attempt that had no network is another node's."""
        self._add(UNHEARD, epoch, node, -1, 0, in_epoch=True)
        self._add(UNHEARD, epoch, to, 1, 0, in_epoch=True)

    def fail(self, net: int, epoch: int, *, in_epoch: bool, node: int = HERE) -> None:
        """A counted attempt has failed."""
        self._add(net, epoch, node, 0, 1, in_epoch=in_epoch)

    def _add(self, net: int, epoch: int, node: int, attempts: int, failed: int, *, in_epoch: bool) -> None:
        self.whole.add(net, node, attempts, failed)
        if in_epoch:
            self.of_epoch(epoch).add(net, node, attempts, failed)

    def tally(self, open_epochs: Iterable[int]) -> ThresholdTally:
        lefts = (None, *self.whole.others)
        wholes = self.whole.counted(lefts)
        epochs = [(number, self.epochs[number].counted(lefts)) for number in open_epochs if number in self.epochs]
        pooled, *without = (
            ThresholdTally(whole, tuple(EpochVotes(number, counts[index]) for number, counts in epochs))
            for index, whole in enumerate(wholes)
        )
        return pooled._replace(without=tuple(map(VotesWithout, self.whole.others, without)))


def _fewest(networks: list[NetworkVotes]) -> list[NetworkVotes]:
    return sorted(networks, key=lambda each: (each.attempts, each.network))[:WORST_OF_EACH]
