"""Reports of a watch that wait for the note of their device's check. In memory, made from the rows.

Anyone can send such, with ids that nobody has. So a network has few places, and once all are taken, the network that
holds most gives one up: no network takes another's, and no node those of another. Who finds no place is known by its
own row among the devices, and has no vote, whatever it reports later (`Told.LOST`): a `set` that is lost while the
failure after it counts would make a good release look bad.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from edge.domain.guarding.networks import TRUSTED_NETWORK, WIDE_CAPS
from edge.telemetry.spool.record import wide_network_of

PENDING_LIMIT = 10_000  # reports of a watch and node that wait for the note of an offer: anyone can send such
PENDING_OF_NETWORK = 100  # of these: as many devices of one network as ever set a release within seconds of their check
PENDING_MS = 600_000  # a worker hands its notes over every 10 s; one that hangs may take longer


class PendingReports:
    """By the device's key: when it reported, and from which network."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[int, int]] = {}
        self._of_network: defaultdict[int, dict[int, None]] = defaultdict(dict)
        self._wide = Counter[int]()
        self._by_size: defaultdict[int, dict[int, None]] = defaultdict(dict)  # networks, by how many places they hold

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: int) -> bool:
        return key in self._places

    def has_room(self, net: int) -> bool:
        """Whether another of the network finds a place, if need be one that `make_room` frees."""
        held = len(self._of_network.get(net, ()))
        if net != TRUSTED_NETWORK:
            wide = wide_network_of(net)
            if held >= PENDING_OF_NETWORK or (wide is not None and self._wide[wide] >= WIDE_CAPS * PENDING_OF_NETWORK):
                return False
        return len(self._places) < PENDING_LIMIT or held + 1 < max(self._by_size)

    def make_room(self) -> int | None:
        """Give up what is needed for one more: the latest of the network that holds most. Returns its key."""
        if len(self._places) < PENDING_LIMIT:
            return None
        net = next(iter(self._by_size[max(self._by_size)]))
        key = next(reversed(self._of_network[net]))
        self.drop(key)
        return key

    def add(self, key: int, at_ms: int, net: int) -> None:
        self.drop(key)
        self._places[key] = at_ms, net
        self._resize(net, key, joins=True)

    def drop(self, key: int) -> None:
        """If it waits."""
        place = self._places.pop(key, None)
        if place is not None:
            self._resize(place[1], key, joins=False)

    def beyond(self, now_ms: int) -> Sequence[int]:
        """The keys of those that have waited for long; also those of a clock that was ahead."""
        return [key for key, (ms, _) in self._places.items() if not 0 <= now_ms - ms < PENDING_MS]

    def _resize(self, net: int, key: int, *, joins: bool) -> None:
        of_net = self._of_network[net]
        before = len(of_net)
        if joins:
            of_net[key] = None
        else:
            del of_net[key]
        self._by_size[before].pop(net, None)
        if not self._by_size[before]:
            del self._by_size[before]
        if of_net:
            self._by_size[len(of_net)][net] = None
        else:
            del self._of_network[net]
        if net != TRUSTED_NETWORK and (wide := wide_network_of(net)) is not None:
            self._wide[wide] += 1 if joins else -1


class PendingOfNodes:
    """Those of a watch, each node's with places of their own."""

    def __init__(self) -> None:
        self._nodes: defaultdict[int, PendingReports] = defaultdict(PendingReports)

    def of(self, node: int) -> PendingReports:
        return self._nodes[node]

    def drop(self, key: int) -> None:
        """If it waits."""
        for each in self._nodes.values():
            each.drop(key)

    def beyond(self, now_ms: int) -> Iterator[tuple[int, Sequence[int]]]:
        """Nodes, with the keys of theirs that have waited for long."""
        for node, each in self._nodes.items():
            yield node, each.beyond(now_ms)
