"""The two ways between a device's facts on one node and what all nodes know of it: what a change there adds, and what
the facts there are once more is known. Pure."""

from collections.abc import Set

from edge.domain.attempts import clear, lift, withhold
from edge.domain.facts import (
    NO_FACTS,
    STARTS,
    Cause,
    DeviceFacts,
    Failure,
    FailureStage,
    failure_of,
)
from edge.domain.sharing.state import Choice, SharedBundle, SharedFacts, SharedVerdict, join, join_bundles


def with_choice(state: SharedFacts, channel: int, node: str, start: str = "", *, again: bool = False) -> SharedFacts:
    """The device chose on this node, in this start of it. A choice that stays what it is adds nothing, unless `again`:
    the node may not have heard of another one that came between."""
    if state.choice.channel == channel and not again:
        return state
    return state._replace(choice=Choice(state.choice.counter + 1, node, channel, start))


def after_forgotten(known: SharedFacts, heard: SharedFacts, node: str, unsettled: Set[str]) -> SharedFacts:
    """What this node knows that knew `known` and hears `heard`. `unsettled` are those of its starts in which it had not
    heard all of what others know.

    A choice in its own name that it does not know was made before its disk was put back; what the device chose here in
    one of those starts came after that, whatever the counters say. Where two nodes have one name, on copies of a disk,
    that ends with those starts.
    """
    joined, mine, theirs = join(known, heard), known.choice, heard.choice
    forgotten = theirs.node == node and theirs.start != mine.start and theirs.counter >= mine.counter
    if known.era == heard.era and mine.node == node and mine.start in unsettled and forgotten:
        return joined._replace(choice=mine._replace(counter=theirs.counter + 1))
    return joined


def with_erasure(state: SharedFacts) -> SharedFacts:
    return SharedFacts(state.era + 1)


def with_lift(state: SharedFacts, bundle: int) -> SharedFacts:
    """The operator allows the bundle again."""
    return state.put(SharedBundle(bundle, state.of(bundle).lifts + 1))


def with_failures(state: SharedFacts, before: DeviceFacts, after: DeviceFacts, about: int, node: str) -> SharedFacts:
    """What a report or an offer on this node changed of what is withheld. `about` is the bundle of an offer or an
    installation, 0 for a failure: a withheld bundle that is gone was cleared by those, and else had to make room."""
    for failure in before.failures:
        gone = failure.withheld and failure.bundle == about and failure_of(after, about) is None
        if gone and failure.cause not in STARTS:
            shared = state.of(about)
            state = state.put(shared._replace(cleared=shared.cleared + 1, download=None))
    for failure in after.failures:
        if failure.withheld and failure not in before.failures:
            state = state.put(join_bundles(state.of(failure.bundle), _stated(state.of(failure.bundle), failure, node)))
    return state


def adopted(state: SharedFacts, facts: DeviceFacts, node: str) -> SharedFacts:
    """With what this node's table knows of a device that no other node was told of yet."""
    if facts.channel and not state.choice.counter:
        state = with_choice(state, facts.channel, node)
    return with_failures(state, NO_FACTS, facts, 0, node)


def project(facts: DeviceFacts, before: SharedFacts, after: SharedFacts) -> DeviceFacts:
    """The facts on this node, which knew `before`, now that it knows `after`, a state that has `before` in it."""
    if after.era > before.era:
        facts, before = NO_FACTS, SharedFacts(after.era)
    if after.choice != before.choice:
        facts = facts._replace(channel=after.choice.channel)
    for each in after.bundles:
        facts = _with_bundle(facts, before.of(each.bundle), each)
    return facts


def is_shared(facts: DeviceFacts) -> bool:
    """Whether other nodes are to know something of it."""
    return bool(facts.channel) or any(each.withheld for each in facts.failures)


def _with_bundle(facts: DeviceFacts, before: SharedBundle, after: SharedBundle) -> DeviceFacts:
    if after == before:
        return facts
    if after.lifts > before.lifts:
        facts = lift(facts, after.bundle)
    elif after.cleared > before.cleared:
        facts = clear(facts, after.bundle)
    verdict = after.verdict
    return facts if verdict is None else withhold(facts, failure_from(after.bundle, verdict))


def failure_from(bundle: int, verdict: SharedVerdict) -> Failure:
    """The failure that a table keeps of a verdict."""
    return Failure(bundle, FailureStage(verdict.stage), Cause(verdict.cause), verdict.mark, verdict.hour)


def _stated(known: SharedBundle, failure: Failure, node: str) -> SharedBundle:
    verdict = SharedVerdict(int(failure.stage), failure.hour, int(failure.cause), failure.mark, node)
    if failure.cause in STARTS:
        return SharedBundle(known.bundle, known.lifts, verdict, known.cleared)
    return SharedBundle(known.bundle, known.lifts, None, known.cleared, verdict)
