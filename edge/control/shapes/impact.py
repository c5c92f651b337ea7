"""The impact of a change, as the control API answers it."""

from collections.abc import Sequence

from edge.control.shapes.common import AnswerBody
from edge.control.shapes.features.feature_shapes import FeatureImpactView
from edge.domain.decision.foresight.impact import ChannelImpact, DeviceCounts, Impact, Offering

CHANNELS_LISTED = 50  # of the changed ones; a summary fits one screen
REACHES_LISTED = 4  # channels of which it is counted who can take what they newly offer: each is a pass of its own
GROUPS_LISTED = 20  # of devices by what they run, and of those that move


class OfferingView(AnswerBody, frozen=True, kw_only=True):
    """`bundle` is what all devices on the channel get (its stand-in, if it was withdrawn): a version, `builtin`, or
    null for nothing new. `rollout` is the bundle being rolled out, `last_good` what the channel would fall back to."""

    bundle: str | None
    public: bool
    last_good: str | None
    rollout: str | None
    experiment: str | None


class ChannelImpactView(AnswerBody, frozen=True, kw_only=True):
    """`before` or `after` is null if the channel does not exist then."""

    channel: str
    before: OfferingView | None
    after: OfferingView | None


class RunningView(AnswerBody, frozen=True, kw_only=True):
    """How many devices run a bundle: a version, or `builtin`."""

    bundle: str
    devices: int


class MoveView(AnswerBody, frozen=True, kw_only=True):
    """Devices that run `runs` and end up with `becomes` instead of `was`: versions, or `builtin`."""

    runs: str
    was: str
    becomes: str
    devices: int


class ReachView(AnswerBody, frozen=True, kw_only=True):
    """Which of the known `devices` can take what the channel offers: `offered` are offered it, `has_it` run it, `kept`
    counts the others on the channel by reason code, `elsewhere` are on other channels or none. Known devices are those
    whose reports this node still holds: `since` is the oldest counted, in seconds since the epoch; `cut`: there are
    more than were read."""

    channel: str
    bundle: str | None
    devices: int
    offered: int
    has_it: int
    kept: dict[str, int]
    elsewhere: int
    since: float | None
    cut: bool


class DevicesImpactView(AnswerBody, frozen=True, kw_only=True):
    """Of the known `devices`, `touched` end up with another bundle than without the change; `moves` are the largest
    groups of them, `running` the largest groups of all by what they run. Known devices are those whose reports this
    node still holds: `since` is the oldest counted, in seconds since the epoch; `cut`: there are more than were
    read. `reaches` says for channels on which the change starts to offer a bundle, or to more devices than before,
    which devices could take it if it were offered to all on the channel."""

    devices: int
    since: float | None
    cut: bool
    touched: int
    moves: list[MoveView]
    running: list[RunningView]
    reaches: list[ReachView]


class ImpactView(AnswerBody, frozen=True, kw_only=True):
    """`channels` are those whose offering changes, by name; `more_channels` is how many are not listed. `withdrawn` and
    `removed` are bundles. `devices` is null if the known devices could not be counted. `features` are those that may
    give devices other values."""

    channels: list[ChannelImpactView]
    more_channels: int
    withdrawn: list[str]
    removed: list[str]
    devices: DevicesImpactView | None
    features: list[FeatureImpactView]


def view_impact(
    impact: Impact, devices: DevicesImpactView | None, features: Sequence[FeatureImpactView] = ()
) -> ImpactView:
    """The impact with at most CHANNELS_LISTED channels."""
    return ImpactView(
        channels=[view_channel_impact(each) for each in impact.channels[:CHANNELS_LISTED]],
        more_channels=max(0, len(impact.channels) - CHANNELS_LISTED),
        withdrawn=list(impact.withdrawn),
        removed=list(impact.removed),
        devices=devices,
        features=list(features),
    )


def view_devices(
    counted: DeviceCounts, *, since: float | None, cut: bool, reaches: Sequence[ReachView] = ()
) -> DevicesImpactView:
    return DevicesImpactView(
        devices=counted.running.total(),
        since=since,
        cut=cut,
        touched=counted.moves.total(),
        moves=[
            MoveView(runs=runs, was=was, becomes=becomes, devices=n)
            for (runs, was, becomes), n in counted.moves.most_common(GROUPS_LISTED)
        ],
        running=[RunningView(bundle=bundle, devices=n) for bundle, n in counted.running.most_common(GROUPS_LISTED)],
        reaches=list(reaches),
    )


def view_channel_impact(each: ChannelImpact) -> ChannelImpactView:
    return ChannelImpactView(channel=each.channel, before=_offering(each.before), after=_offering(each.after))


def _offering(offering: Offering | None) -> OfferingView | None:
    return OfferingView(**offering._asdict()) if offering is not None else None
