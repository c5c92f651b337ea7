"""How urgent a channel is: trouble first, then what is on its way, then the rest."""

import enum

from edge.control.shapes.channels import ChannelView
from edge.domain.model import Phase


class Urgency(enum.IntEnum):
    """In the order in which channels are listed everywhere."""

    TROUBLE = 0  # stopped: a person decides
    UNDER_WAY = 1
    QUIET = 2


def urgency_of(channel: ChannelView) -> Urgency:
    if channel.rollout is not None and channel.rollout.phase is Phase.PAUSED:
        return Urgency.TROUBLE
    if channel.experiment is not None or (channel.rollout is not None and channel.rollout.phase is Phase.RUNNING):
        return Urgency.UNDER_WAY
    return Urgency.QUIET


def trouble_of(channels: list[ChannelView]) -> int:
    """How many of them are in trouble."""
    return sum(urgency_of(each) is Urgency.TROUBLE for each in channels)
