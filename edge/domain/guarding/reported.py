"""Which nodes' reports are here, and until when: what a release's evidence rests on. Pure.

A pause may rest on a part of the reports. Going on by itself waits until every node has sent what its devices reported
up to the step's time, since the part that is missing may be the one that fails.
"""

import msgspec

# A node's own clock, beside home's: what its devices report counts at the time that it shows. More than this, and a
# report of a step may count in another one, or before the release began.
CLOCK_LIMIT_MS = 60_000
NAMED_NODES = 3  # in a sentence
HELD_MS = 900_000  # a step whose time is up waits so long for a node that says nothing before people are told


class ReportedUntil(msgspec.Struct, frozen=True):
    """Of another node that sends its reports here: everything that its devices reported before `until_ms` is here (in
    milliseconds since the epoch, by this node's clock; 0: nobody knows). `name` is what people call it.
    `clock_off_ms`: so much its clock is ahead. What was to be erased before `erased_until_ms` is erased there.
    `of_two`: two nodes have this id, so what one says of its reports is not true of the other's."""

    node: str
    name: str
    region: str
    until_ms: int
    clock_off_ms: int = 0
    erased_until_ms: int = 0
    of_two: bool = False

    @property
    def named(self) -> str:
        """For people."""
        return f"{self.region} ({self.name})" if self.region and self.region != self.name else self.name


def missing_at(nodes: tuple[ReportedUntil, ...], at_ms: float) -> tuple[ReportedUntil, ...]:
    """Those of which something that was reported before `at_ms` may not be here, the longest missing first."""
    found = [each for each in nodes if each.of_two or each.until_ms < at_ms or abs(each.clock_off_ms) > CLOCK_LIMIT_MS]
    return tuple(sorted(found, key=lambda each: (each.until_ms, each.node)))


def held_by(nodes: tuple[ReportedUntil, ...], now_ms: float) -> tuple[ReportedUntil, ...]:
    """Those for which people are told that a step waits: it may be that they never come back."""
    return missing_at(nodes, now_ms - HELD_MS)


def missing_sentence(missing: tuple[ReportedUntil, ...], now_ms: float) -> str:
    """Why a step does not begin by itself; "" if nothing is missing."""
    if not missing:
        return ""
    names = "; ".join(_named_with_age(each, now_ms) for each in missing[:NAMED_NODES])
    more = f"; and {len(missing) - NAMED_NODES} more" if len(missing) > NAMED_NODES else ""
    return f"waits for the reports of {names}{more}"


def _named_with_age(each: ReportedUntil, now_ms: float) -> str:
    if each.of_two:
        return f"{each.named}, whose id two nodes have"
    if abs(each.clock_off_ms) > CLOCK_LIMIT_MS:
        way = "ahead" if each.clock_off_ms > 0 else "behind"
        return f"{each.named}, whose clock is {abs(each.clock_off_ms) // 1000} s {way}"
    if not each.until_ms:
        return f"{each.named}, of which nothing is complete yet"
    return f"{each.named}, complete until {max(int(now_ms - each.until_ms), 0) // 1000} s ago"
