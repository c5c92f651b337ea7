"""How many devices a channel's bundle reaches, now or once a change is through: the real decision for each device,
counted. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from edge.domain.decision.decide import decide, resolve
from edge.domain.decision.foresight.impact import runs_now
from edge.domain.decision.foresight.preview import HAS_IT, OFFERED
from edge.domain.decision.outcomes import Offer, RevertToBuiltin
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import DeviceFacts
from edge.domain.model import AppState, Channel, ChannelName, UpdateCheck, VersionName
from edge.domain.schedule.rollout import Moment
from edge.domain.states import with_entry

ANOTHER = "another_bundle"  # an arm's, a rollout's, or the stand-in for a withdrawn one


@dataclass(slots=True)
class Reach:
    """`outcomes` counts the devices on the channel by OFFERED, HAS_IT, ANOTHER, or the code of why not. `elsewhere`
    counts the devices on other channels or on none."""

    outcomes: Counter[str] = field(default_factory=Counter)
    elsewhere: int = 0


def count_reach(
    app: AppSnapshot, channel: ChannelName, devices: Iterable[tuple[UpdateCheck, DeviceFacts]], moment: Moment
) -> Reach:
    """Decide for each device whose check leads to `channel` and count the outcomes; others are `elsewhere`."""
    reach = Reach()
    for check, facts in devices:
        found = resolve(app, check, facts).channel
        if found is None or found.channel.name != channel:
            reach.elsewhere += 1
        else:
            reach.outcomes[_outcome(app, found.channel.bundle, check, facts, moment)] += 1
    return reach


def newly_offered(before: AppState, after: AppState) -> list[ChannelName]:
    """The channels on which `after` offers a bundle, to some or all devices, that `before` did not offer to all."""
    return [
        name
        for name, channel in sorted(after.channels.items())
        if _target(channel) is not None
        and (name not in before.channels or _offers_more(before.channels[name], channel))
    ]


def with_offer_to_all(state: AppState, name: ChannelName) -> AppState:
    """As once the channel's rollout is through."""
    channel = state.channels[name]
    whole = replace(channel, bundle=_target(channel), rollout=None, experiment=None)
    return replace(state, channels=with_entry(state.channels, name, whole))


def _offers_more(was: Channel, channel: Channel) -> bool:
    return _target(channel) not in (was.bundle, None) and (was.bundle, _target(was)) != (
        channel.bundle,
        _target(channel),
    )


def _target(channel: Channel) -> VersionName | None:
    rollout = channel.rollout
    return rollout.bundle if rollout is not None and rollout.phase.is_active else channel.bundle


def _outcome(app: AppSnapshot, bundle: str | None, check: UpdateCheck, facts: DeviceFacts, moment: Moment) -> str:
    decision = decide(app, check, moment, facts)
    match decision:
        case Offer():
            return OFFERED if decision.bundle.version == bundle else ANOTHER
        case RevertToBuiltin():
            return OFFERED
        case _:
            return HAS_IT if runs_now(check) == bundle else decision.code
