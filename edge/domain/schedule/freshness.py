"""How old a node's view of its apps may be: what a signed head proves, by two clocks. Pure; time is an argument.

The wall clock may be set, or be wrong; the clock since boot never jumps and counts while a machine sleeps, but it says
nothing of the time before this boot. So the older of the two answers counts: a wrong clock makes a node careful, never
careless.
"""

from typing import NamedTuple

BEHIND_SECONDS = 300.0  # a node's clock may be that far behind the one that signed; further proves nothing


class HeardProof(NamedTuple):
    """The newest verified proof of a shard: when it was signed, in seconds since the epoch, by the signer's clock, and
    when this node heard it, in seconds since the machine's boot."""

    issued: float
    heard: float


class Staleness(NamedTuple):
    """Why nothing new is offered. Times in seconds since the epoch."""

    issued: float  # when the last proof was signed
    now: float  # the node's clock
    age_seconds: float  # by the clock that says more
    limit_seconds: float


def age_of(proof: HeardProof, now: float, since_boot: float) -> float:
    """In seconds. `now` is the node's clock, `since_boot` the machine's."""
    return max(now - proof.issued, since_boot - proof.heard, 0.0)


def staleness_of(proof: HeardProof, now: float, since_boot: float, limit_seconds: float) -> Staleness | None:
    """None: the proof is fresh, or the node holds the truth (`limit_seconds` 0)."""
    if not limit_seconds:
        return None
    age = age_of(proof, now, since_boot)
    return Staleness(proof.issued, now, age, limit_seconds) if age > limit_seconds else None


def heard_before(issued: float, latest: float, now: float, since_boot: float, limit_seconds: float) -> float:
    """When a proof was heard that a node finds on its disk after the machine's boot, in seconds since that boot: as if
    its age were known. `latest` is the latest time that this node has noted, 0.0: none.

    A clock that is behind what it said before is not believed; one that is far behind the proof itself, with nothing
    else to go by, proves nothing.
    """
    if not latest and now < issued - BEHIND_SECONDS:
        return since_boot - limit_seconds
    return since_boot - max(0.0, max(now, latest) - issued)
