"""The counts of one test against the control: devices with the event, by node, arm, share and network. In memory."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from edge.domain.buckets import bucket_of, hold_out_salt, rollout_salt
from edge.domain.guarding.networks import TRUSTED_NETWORK, is_counted
from edge.domain.guarding.odds.control import ArmEvents
from edge.domain.guarding.tally import ControlTally, ControlVotes, EpochEvents, EventsWithout
from edge.domain.model import Rollout
from edge.domain.schedule.rollout import active_share_at
from edge.domain.shares import WHOLE_SHARE
from edge.telemetry.spool.record import wide_network_of
from edge.telemetry.votes.counted_votes import HERE

NETWORKS_TOLD = 64  # of a count, those with most events in the rollout's arm: the worst two are among them


class Drawn(NamedTuple):
    """Where a device's bucket is at a moment. `share` is that of the rollout's arm, in thousandths of a percent."""

    share: int
    in_arm: bool


def draw(app: str, rollout: Rollout, device: str, segments: Sequence[str], at_ms: int) -> Drawn | None:
    """None for a device that the rollout's share does not decide about. `device` is in small letters."""
    if any(each in segments for each in rollout.first):
        return None
    if rollout.segments and not any(each in segments for each in rollout.segments):
        return None
    share = active_share_at(rollout, at_ms / 1000)
    kept = WHOLE_SHARE - rollout.hold_out
    held = rollout.hold_out and bucket_of(hold_out_salt(app, rollout.hold_out_group), device) < rollout.hold_out
    in_arm = not held and bucket_of(rollout_salt(app, rollout.salt), device) < share
    return Drawn(share * kept // WHOLE_SHARE, in_arm)


class ArmCounts:
    """Counted events of one node, by share: those in the rollout's arm, and those outside."""

    __slots__ = ("by_network", "counted", "steps", "wide")

    def __init__(self) -> None:
        self.steps: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        self.by_network: defaultdict[int, defaultdict[int, list[int]]] = defaultdict(
            lambda: defaultdict(lambda: [0, 0])
        )
        self.counted, self.wide = 0, Counter[int]()

    def has_room(self, net: int) -> bool:
        """Whether another device of the network is counted."""
        if net == TRUSTED_NETWORK:
            return True
        wide = wide_network_of(net)
        of_network = sum(map(sum, self.by_network[net].values())) if net in self.by_network else 0
        return is_counted(self.counted, of_network, None if wide is None else self.wide[wide])

    def add(self, net: int, drawn: Drawn) -> None:
        self.counted += 1
        self.steps[drawn.share][not drawn.in_arm] += 1
        if net != TRUSTED_NETWORK:
            self.by_network[net][drawn.share][not drawn.in_arm] += 1
            if (wide := wide_network_of(net)) is not None:
                self.wide[wide] += 1


class ArmsOfTest:
    """Of one test. Each node has its own counts, and the networks in it their share, as in `counted_votes`. A network
    of several nodes is one where the worst are left out."""

    def __init__(self) -> None:
        self.whole: defaultdict[int, ArmCounts] = defaultdict(ArmCounts)
        self.epochs: defaultdict[int, defaultdict[int, ArmCounts]] = defaultdict(lambda: defaultdict(ArmCounts))

    def has_room(self, net: int, node: int = HERE) -> bool:
        """Whether another device of the node's network is counted."""
        return self.whole[node].has_room(net)

    def add(self, net: int, epoch: int, drawn: Drawn, node: int = HERE) -> None:
        self.whole[node].add(net, drawn)
        self.epochs[epoch][node].add(net, drawn)

    def tally(self, open_epochs: Iterable[int]) -> ControlTally:
        numbers = [number for number in open_epochs if number in self.epochs]
        others = sorted(node for node in self.whole if node != HERE)
        without = (EventsWithout(node, self._tally(numbers, node)) for node in others)
        return self._tally(numbers)._replace(without=tuple(without))

    def _tally(self, epochs: Iterable[int], without: int | None = None) -> ControlTally:
        of_epochs = ((number, _counted(self.epochs[number], without)) for number in epochs)
        return ControlTally(_counted(self.whole, without), tuple(EpochEvents(*each) for each in of_epochs))


def _counted(nodes: Mapping[int, ArmCounts], without: int | None) -> ControlVotes:
    """Of all nodes together, but one."""
    steps: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    by_network: defaultdict[int, defaultdict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for node, counts in nodes.items():
        if node != without:
            _add(steps, counts.steps)
            for net, of_net in counts.by_network.items():
                _add(by_network[net], of_net)
    most = sorted(by_network.values(), key=lambda of_net: -sum(each[0] for each in of_net.values()))
    return ControlVotes(_events(steps), tuple(_events(each) for each in most[:NETWORKS_TOLD]))


def _add(sums: defaultdict[int, list[int]], more: Mapping[int, list[int]]) -> None:
    for share, (rollout, control) in more.items():
        sums[share][0] += rollout
        sums[share][1] += control


def _events(steps: Mapping[int, list[int]]) -> tuple[ArmEvents, ...]:
    return tuple(ArmEvents(share / WHOLE_SHARE, *counts) for share, counts in sorted(steps.items()))
