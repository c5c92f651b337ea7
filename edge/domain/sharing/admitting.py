"""What of another node's word is believed: home takes from a region what it may say, within its budgets. Pure.

A region speaks for devices that reported there, and nobody can tell which these are: a device may move. So all that a
region brings is bounded, bears its name, and can be lifted again. It raises no counter beyond what counting explains,
or no other node could ever count past it. A device's facts have room for few failures, so one that pushes another out
is charged as a lift: the device may get back what failed on it.
"""

import enum
from collections.abc import Callable

from edge.domain.facts import HOUR_LIMIT, MARK_BITS, WITHHELD_LIMIT, Cause, DeviceFacts, FailureStage, failure_of
from edge.domain.sharing.state import (
    SHARED_BUNDLES_LIMIT,
    Choice,
    SharedBundle,
    SharedFacts,
    SharedVerdict,
    join_bundles,
)

LEAP_LIMIT = 1_000  # that a counter may be ahead: a thousand choices of a device while its region was cut off
NAME_BITS = 48
COUNTER_LIMIT = 1 << 40
NODE_NAME_LIMIT = 64
START_LIMIT = 64  # characters


class SharedKind(enum.Enum):
    """What a node brings that was not known, by the budget that it is charged to."""

    FAILURE = "failures"  # withholds a bundle
    CHOICE = "choices"
    CLEARING = "installations"  # the device runs what it failed to download
    LIFT = "lifts"  # operators lift at home: a region has one to tell only if home was restored; or pushed out
    ERASURE = "erasures"  # likewise
    WAITING = "waiting"  # evidence whose offer is not known yet: the register keeps little of it
    NOTE = "notes"  # an offer, a download or an installation, as evidence


Allows = Callable[[SharedKind], bool]


def is_sound(state: SharedFacts) -> bool:
    """Whether its numbers are in their ranges; their types were checked before."""
    choice = state.choice
    return (
        0 <= state.era < COUNTER_LIMIT
        and 0 <= choice.counter < COUNTER_LIMIT
        and 0 <= choice.channel < 1 << NAME_BITS
        and len(choice.node) <= NODE_NAME_LIMIT
        and len(choice.start) <= START_LIMIT
        and len(state.bundles) <= SHARED_BUNDLES_LIMIT
        and all(map(_is_sound_bundle, state.bundles))
        and all(one.bundle < other.bundle for one, other in zip(state.bundles, state.bundles[1:], strict=False))
    )


def admitted(known: SharedFacts, brought: SharedFacts, node: str, allows: Allows) -> SharedFacts:
    """What of `brought` is believed, in the name of `node`; `known` itself where nothing of it is news."""
    if brought.era < known.era:
        return known
    if brought.era > known.era:
        if not _may_leap(known.era, brought.era) or not allows(SharedKind.ERASURE):
            return known
        known = SharedFacts(brought.era)
    state = known._replace(choice=_choice(known.choice, brought.choice, node, allows))
    for each in brought.bundles:
        before = known.of(each.bundle)
        after = _bundle(before, each, node, allows)
        if after != before and (not _pushes_out(state, after) or allows(SharedKind.LIFT)):
            state = state.put(after)
    return state


def dated(state: SharedFacts, hour: int) -> SharedFacts:
    """Without failures later than this hour: nothing would ever take their place."""
    return state._replace(
        bundles=tuple(
            each._replace(start=_dated(each.start, hour), download=_dated(each.download, hour))
            for each in state.bundles
        )
    )


def forgetting(before: DeviceFacts, after: DeviceFacts, *, failed: bool) -> SharedKind | None:
    """What evidence is charged to after which a bundle is withheld no longer; None: all still are. `failed`: it is of a
    failure, which took the place."""
    if all(failure_of(after, each.bundle) is not None for each in before.failures if each.withheld):
        return None
    return SharedKind.LIFT if failed else SharedKind.CLEARING


def _choice(known: Choice, brought: Choice, node: str, allows: Allows) -> Choice:
    if brought <= known or not _may_leap(known.counter, brought.counter) or not allows(SharedKind.CHOICE):
        return known
    return brought._replace(node=node)


def _bundle(known: SharedBundle, brought: SharedBundle, node: str, allows: Allows) -> SharedBundle:
    joined = join_bundles(known, brought)
    if joined == known:
        return known
    if joined.lifts > known.lifts and not (_may_leap(known.lifts, joined.lifts) and allows(SharedKind.LIFT)):
        return known
    clears = joined.lifts == known.lifts and joined.cleared > known.cleared
    if clears and not (_may_leap(known.cleared, joined.cleared) and allows(SharedKind.CLEARING)):
        return known
    news = [each for each in (joined.start, joined.download) if each is not None]
    news = [each for each in news if each not in (known.start, known.download)]
    if news and not allows(SharedKind.FAILURE):
        return known
    return joined._replace(
        start=_signed(joined.start, known.start, node), download=_signed(joined.download, known.download, node)
    )


def _pushes_out(state: SharedFacts, after: SharedBundle) -> bool:
    if after.verdict is None or state.of(after.bundle).verdict is not None:
        return False
    return sum(each.verdict is not None for each in state.bundles) >= WITHHELD_LIMIT


def _dated(verdict: SharedVerdict | None, hour: int) -> SharedVerdict | None:
    return verdict if verdict is None or verdict.hour <= hour else verdict._replace(hour=hour)


def _signed(verdict: SharedVerdict | None, known: SharedVerdict | None, node: str) -> SharedVerdict | None:
    return verdict if verdict is None or verdict == known else verdict._replace(node=node)


def _may_leap(known: int, brought: int) -> bool:
    return brought - known <= LEAP_LIMIT


def _is_sound_bundle(each: SharedBundle) -> bool:
    return (
        0 < each.bundle < 1 << NAME_BITS
        and 0 <= each.lifts < COUNTER_LIMIT
        and 0 <= each.cleared < COUNTER_LIMIT
        and all(verdict is None or _is_sound_verdict(verdict) for verdict in (each.start, each.download))
    )


def _is_sound_verdict(verdict: SharedVerdict) -> bool:
    return (
        FailureStage.FOR_A_DAY <= verdict.stage <= FailureStage.FOR_GOOD
        and 0 <= verdict.hour < HOUR_LIMIT
        and Cause.UPDATE_FAIL <= verdict.cause <= max(Cause)
        and 0 <= verdict.mark < 1 << MARK_BITS
        and len(verdict.node) <= NODE_NAME_LIMIT
    )
