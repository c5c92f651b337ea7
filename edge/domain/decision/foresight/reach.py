"""How many devices a channel's bundle reaches now: the real decision for each device, counted. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.domain.decision.decide import decide, resolve
from edge.domain.decision.foresight.impact import runs_now
from edge.domain.decision.foresight.preview import HAS_IT, OFFERED
from edge.domain.decision.outcomes import Offer, RevertToBuiltin
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import DeviceFacts
from edge.domain.model import ChannelName, UpdateCheck
from edge.domain.schedule.rollout import Moment

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


def _outcome(app: AppSnapshot, bundle: str | None, check: UpdateCheck, facts: DeviceFacts, moment: Moment) -> str:
    decision = decide(app, check, moment, facts)
    match decision:
        case Offer():
            return OFFERED if decision.bundle.version == bundle else ANOTHER
        case RevertToBuiltin():
            return OFFERED
        case _:
            return HAS_IT if runs_now(check) == bundle else decision.code
