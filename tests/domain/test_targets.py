"""Which bundle a channel points a device at, in corners that tables of whole decisions pass by."""

from factories import MOMENT, a_bundle, a_check, a_snapshot, an_app

from edge.domain.buckets import bucket_of
from edge.domain.commands import ChannelSettings, CreateChannel, PublishBundle, StartRollout
from edge.domain.decision import Held, UpToDate
from edge.domain.explaining import explain

OFFERS_NOTHING = CreateChannel(name="production", settings=ChannelSettings(public=True))
BUNDLES = tuple(PublishBundle(bundle=a_bundle(version)) for version in ("1.0.1", "1.0.2", "1.0.3"))


def a_device_in(salt: str, first: int, end: int) -> str:
    """A device whose bucket under `salt` is from `first` on and below `end`."""
    devices = (f"{number:08x}-0000-4000-8000-000000000000" for number in range(1_000_000))
    return next(device for device in devices if first <= bucket_of(salt.encode(), device) < end)


def test_a_device_that_a_rollout_does_not_reach_is_told_so_where_the_channel_offers_nothing_else():
    started = StartRollout(channel="production", bundle="1.0.1", steps=(1,))
    snapshot = a_snapshot(an_app(*BUNDLES, OFFERS_NOTHING, started))
    salt = snapshot.channels["production"].rollout.salt.decode()
    steps, decision = explain(snapshot, a_check(device=a_device_in(salt, 1, 100_000)), MOMENT)
    assert decision == UpToDate("production", Held.SHARE)
    assert [step.rule for step in steps][-2:] == [Held.SHARE.code, "channel_offers_nothing"]
