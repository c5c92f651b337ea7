"""The counts of one test against the control: devices with the event, by arm, share and network. In memory."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge.domain.buckets import bucket_of, hold_out_salt, rollout_salt
from edge.domain.guarding.networks import TRUSTED_NETWORK, is_counted
from edge.domain.guarding.odds.control import ArmEvents
from edge.domain.guarding.tally import ControlTally, ControlVotes, EpochEvents
from edge.domain.model import Rollout
from edge.domain.schedule.rollout import active_share_at
from edge.domain.shares import WHOLE_SHARE
from edge.telemetry.spool.record import wide_network_of

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
    """Counted events, by share: those in the rollout's arm, and those outside."""

    __slots__ = ("by_network", "steps")

    def __init__(self) -> None:
        self.steps: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        self.by_network: defaultdict[int, defaultdict[int, list[int]]] = defaultdict(
            lambda: defaultdict(lambda: [0, 0])
        )

    def add(self, net: int, drawn: Drawn) -> None:
        self.steps[drawn.share][not drawn.in_arm] += 1
        if net != TRUSTED_NETWORK:
            self.by_network[net][drawn.share][not drawn.in_arm] += 1

    def counted(self) -> ControlVotes:
        most = sorted(self.by_network.values(), key=lambda steps: -sum(each[0] for each in steps.values()))
        return ControlVotes(_events(self.steps), tuple(_events(each) for each in most[:NETWORKS_TOLD]))


class ArmsOfTest:
    """Of one test."""

    def __init__(self) -> None:
        self.whole = ArmCounts()
        self.epochs: dict[int, ArmCounts] = {}
        self.counted = 0
        self._networks, self._wide = Counter[int](), Counter[int]()

    def has_room(self, net: int) -> bool:
        """Whether another device of the network is counted."""
        if net == TRUSTED_NETWORK:
            return True
        wide = wide_network_of(net)
        return is_counted(self.counted, self._networks[net], None if wide is None else self._wide[wide])

    def add(self, net: int, epoch: int, drawn: Drawn) -> None:
        self.counted += 1
        self._networks[net] += 1
        if (wide := wide_network_of(net)) is not None:
            self._wide[wide] += 1
        self.whole.add(net, drawn)
        of_epoch = self.epochs.get(epoch)
        if of_epoch is None:
            of_epoch = self.epochs[epoch] = ArmCounts()
        of_epoch.add(net, drawn)

    def tally(self, open_epochs: Iterable[int]) -> ControlTally:
        found = ((number, self.epochs.get(number)) for number in open_epochs)
        return ControlTally(
            self.whole.counted(), tuple(EpochEvents(number, each.counted()) for number, each in found if each)
        )


def _events(steps: dict[int, list[int]]) -> tuple[ArmEvents, ...]:
    return tuple(ArmEvents(share / WHOLE_SHARE, *counts) for share, counts in sorted(steps.items()))
