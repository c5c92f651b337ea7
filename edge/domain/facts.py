"""What devices themselves bring about: a channel an old plugin chose, bundles offered to it, bundles that failed on it.

Pure values and transitions; where they are kept is not known here. Names are held as 48-bit hashes, so that all that is
known of a device fits one slot. Nothing a device says counts against a bundle that this node had not offered it.
"""

from typing import NamedTuple

from xxhash import xxh3_64_intdigest

DAY_SECONDS = 86_400
DAY_LIMIT = 1 << 16  # a day is kept in 16 bits: until the year 2149
WITHHELD_DAYS = 90  # then a device may try a bundle again: what broke it was fixed on the device, or never will be
NAMES_LIMIT = 5  # withheld and offered together: what a slot has room for (telemetry.facts_slot)
WITHHELD_LIMIT = 3  # so that at least two places are left for offers: one on its way, one on its heels


class DeviceFacts(NamedTuple):
    """Of one device of one app. Names are `name_hash` values, the oldest first; no name is in both tuples."""

    channel: int = 0  # 0: chose none
    withheld: tuple[int, ...] = ()
    offered: tuple[int, ...] = ()
    since: tuple[int, ...] = ()  # for each withheld name, the day it failed, in days since the epoch
    first_seen_days: int | None = None  # None, here and below: nobody knows, so no segment matches by it
    sessions_7d: int | None = None
    errors_7d: int | None = None
    features: frozenset[str] | None = None


NO_FACTS = DeviceFacts()


def name_hash(name: str) -> int:
    """1 to 2**48 - 1 for a channel's or a bundle's name. Tables on disk hold it: it never changes.

    Two of 1,000 bundles of an app share a hash once in 500 million apps; such a bundle would be withheld in vain.
    """
    return xxh3_64_intdigest(name.encode("utf-8", "surrogatepass")) >> 16 or 1


def day_of(now: float) -> int:
    """Days since the epoch, at least 1: a slot's 0 means that a name is merely offered."""
    return min(max(int(now // DAY_SECONDS), 1), DAY_LIMIT - 1)


def in_force(facts: DeviceFacts, now: float) -> DeviceFacts:
    """The facts without what expired: what a decision may use."""
    if not facts.since:  # nearly every device of nearly every check
        return facts
    oldest = day_of(now) - WITHHELD_DAYS  # a clock that was set back keeps a bundle withheld
    if all(day > oldest for day in facts.since):
        return facts
    kept = [(name, day) for name, day in zip(facts.withheld, facts.since, strict=True) if day > oldest]
    return facts._replace(withheld=tuple(name for name, _ in kept), since=tuple(day for _, day in kept))


def choose_channel(facts: DeviceFacts, channel: int) -> DeviceFacts:
    """`channel` 0 takes the choice back."""
    return facts._replace(channel=channel)


def note_offer(facts: DeviceFacts, bundle: int, now: float) -> DeviceFacts:
    """The bundle becomes the latest offer. An offer that crossed the report of its failure does not lift it."""
    facts = in_force(facts, now)
    if bundle in facts.withheld or facts.offered[-1:] == (bundle,):
        return facts
    others = tuple(name for name in facts.offered if name != bundle)
    return _fitted(facts._replace(offered=(*others, bundle)))


def note_failure(facts: DeviceFacts, bundle: int, now: float) -> DeviceFacts:
    """The bundle is withheld from now on, if this node had lately offered it; otherwise nothing changes.

    Beyond WITHHELD_LIMIT the one that failed first is forgotten: channels have long moved on from it.
    """
    if bundle not in facts.offered:
        return facts
    facts = in_force(facts, now)
    return facts._replace(
        withheld=(*facts.withheld, bundle)[-WITHHELD_LIMIT:],
        since=(*facts.since, day_of(now))[-WITHHELD_LIMIT:],
        offered=tuple(name for name in facts.offered if name != bundle),
    )


def lift(facts: DeviceFacts, bundle: int) -> DeviceFacts:
    """The bundle may be offered again."""
    if bundle not in facts.withheld:
        return facts
    at = facts.withheld.index(bundle)
    return facts._replace(
        withheld=facts.withheld[:at] + facts.withheld[at + 1 :], since=facts.since[:at] + facts.since[at + 1 :]
    )


def _fitted(facts: DeviceFacts) -> DeviceFacts:
    return facts._replace(offered=facts.offered[-(NAMES_LIMIT - len(facts.withheld)) :])
