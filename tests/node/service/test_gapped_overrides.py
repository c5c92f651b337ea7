"""Where a part of the overrides cannot be read, its devices stay where they are, and may choose no channel."""

from dataclasses import replace

from factories import MOMENT, a_check, a_released_app, a_snapshot

from edge.domain.decision.channel_choice import assigned_to
from edge.domain.decision.decide import decide
from edge.domain.decision.outcomes import Offer, UpToDate
from edge.domain.decision.snapshot import UNKNOWN_CHANNEL
from edge.domain.targeting.partial_overrides import override_shard_of
from edge.node.service.snapshots.gapped_overrides import GappedOverrides

DEVICES = [f"device-{number}" for number in range(600)]


def test_only_the_devices_of_the_lost_part_hear_nothing_new():
    lost = override_shard_of(DEVICES[0])
    state = a_released_app("1.0.1")
    snapshot = a_snapshot(replace(state, overrides=GappedOverrides({}, [lost])))
    for device in DEVICES:
        decision = decide(snapshot, a_check(device=device), MOMENT)
        silent = override_shard_of(device) == lost
        assert isinstance(decision, UpToDate if silent else Offer)
        assert (assigned_to(snapshot, device) is not None) == silent


def test_overrides_that_are_known_are_what_they_were():
    device = DEVICES[0]
    other = next(each for each in DEVICES if override_shard_of(each) != override_shard_of(device))
    gapped = GappedOverrides({device: "beta", other: "beta"}, [override_shard_of(other)])
    assert (gapped.get(device), gapped.get(other), gapped[device], len(gapped)) == ("beta", UNKNOWN_CHANNEL, "beta", 2)
    assert list(gapped) == [device, other] and gapped
