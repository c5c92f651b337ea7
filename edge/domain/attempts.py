"""What happens to a device's facts: it chooses, it is offered a bundle, the bundle fails (device-protocol §5.8). Pure.

A failed attempt is a report about the latest offer, within an hour of it. Three in a row withhold the bundle, two where
one of them names a certain cause, one that says that it does not start. Then the bundle is offered once more after a
day, after two, four and seven; one that does not start never again, nor one whose manifest failed on iOS.

No check writes anything while nothing fails. An offer is noted, with its time, when it is another one than the last. A
device that asks again changes nothing: the offer that was noted waits for a failure. The report of one is what writes:
it counts the attempt and closes the offer, so that whatever else is said of the same attempt finds it closed. Only then
the next offer is noted again: one write for each failure. So an attempt counts once per offer although nobody counts
offers.

An offer that waited for more than an hour cannot be told from the one before the report. Its first report closes it and
counts for nothing, and from the next offer on the times are known. A report that follows a check without an offer finds
the offer closed, or too old, and where the check is known to have been answered with nothing new the node drops it.

A device that has downloaded the bundle may wait long before it runs it, and asks meanwhile. Its report says so once: no
offer of the same is noted any more, and no check of its that fails is taken for a download.

A device that runs the bundle after all begins from the beginning, at its next report of an installation or its next
check that looks at its facts: one that is simply up to date does not, and no failure matters to it.

What a device says counts against no bundle that was not offered to it.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from edge.domain.facts import (
    CERTAIN,
    NAMES_LIMIT,
    STARTS,
    WITHHELD_LIMIT,
    Cause,
    DeviceFacts,
    Failure,
    FailureStage,
    Latest,
    awaits,
    failure_of,
    forgotten_failure,
    has_downloaded,
    hour_of,
    is_withheld,
    knows,
    last_offered,
    latest_of,
    name_hash,
    ran_of,
)

ATTEMPT_SECONDS = 3_600.0  # how long after an offer a report can be about it

Ours = Callable[[int, float], bool]  # whether this node failed that bundle itself, since then


def never(bundle: int, since: float) -> bool:
    """An `Ours` for who failed nothing."""
    return False


class FailureReport(NamedTuple):
    """A device's word that something failed."""

    version: str  # which it names, without a file's name; "" for none
    cause: Cause
    age: float = 0.0  # in seconds: how long before it arrived the device wrote it down, by the device's own clock
    dead: bool = False  # the device will not fetch that version again, whatever is offered


def choose_channel(facts: DeviceFacts, channel: int) -> DeviceFacts:
    """`channel` 0 takes the choice back."""
    return facts._replace(channel=channel)


def note_offer(facts: DeviceFacts, bundle: int, now: float, ran: int = 0, mark: int = 0) -> DeviceFacts:
    """The bundle becomes the latest offer. An offer that crossed the report of its failure does not lift it; one to a
    device that has changed since a failed download begins from the beginning."""
    if awaits(facts, bundle) and (latest_of(facts).mark == mark or not has_downloaded(facts, bundle)):
        return facts
    failure = failure_of(facts, bundle) if facts.failures else None
    if failure is not None and is_withheld(failure, mark, now):
        return facts
    counts_on = failure is not None and failure.mark == mark
    failures = [each for each in facts.failures if each.bundle != bundle or counts_on]
    offered = [name for name in facts.offered if name != bundle] + ([] if counts_on else [bundle])
    return _kept(facts, failures, offered, bundle, Latest(int(now), ran, mark, latest_of(facts).forgot))


def note_failure(facts: DeviceFacts, report: FailureReport, now: float, ours: Ours = never) -> DeviceFacts:
    """What a report comes to; `now` is when it arrived."""
    if report.cause in STARTS:
        return _note_start(facts, name_hash(report.version), report.cause, now)
    bundle, latest = last_offered(facts), latest_of(facts)
    at = now - report.age
    if not bundle or at < latest.at or not _is_about(report, facts):
        return facts
    if at - latest.at > ATTEMPT_SECONDS or ours(bundle, latest.at):
        return facts._replace(latest=latest._replace(counted=True).packed())
    before = failure_of(facts, bundle)
    if before is not None and before.stage is FailureStage.FOR_GOOD:
        return facts
    if latest.counted:
        more = _after_more(before, report)
        return facts if more is None else _with_failure(facts, more, latest)
    after = _after_attempt(before, report, bundle, latest.mark, now)
    return _with_failure(facts, after, latest._replace(counted=True))


def note_download(facts: DeviceFacts, bundle: int) -> DeviceFacts:
    """The device has it: until another offer is noted, what fails of its checks is about no download."""
    if last_offered(facts) != bundle or has_downloaded(facts, bundle):
        return facts
    return facts._replace(latest=latest_of(facts)._replace(ran=0, counted=False).packed())


def note_install(facts: DeviceFacts, bundle: int) -> DeviceFacts:
    """The device runs it, or is about to: its failed downloads are over. Whether it starts is another question."""
    failure = failure_of(facts, bundle)
    if failure is not None and failure.cause in STARTS:
        return facts
    facts = note_download(facts, bundle)
    if failure is None:
        return facts
    failures = [each for each in facts.failures if each.bundle != bundle]
    return _kept(facts, failures, [bundle, *facts.offered], last_offered(facts), latest_of(facts))


def lift(facts: DeviceFacts, bundle: int) -> DeviceFacts:
    """The bundle may be offered again, as if it had never been."""
    if failure_of(facts, bundle) is None:
        return facts
    last = last_offered(facts)
    failures = [each for each in facts.failures if each.bundle != bundle]
    return _kept(facts, failures, facts.offered, 0 if last == bundle else last, latest_of(facts))


def newly_withheld(before: DeviceFacts, after: DeviceFacts) -> Failure | None:
    """The bundle that one change has made withheld."""
    known = {failure.bundle for failure in before.failures if failure.withheld}
    return next((each for each in after.failures if each.withheld and each.bundle not in known), None)


def _is_about(report: FailureReport, facts: DeviceFacts) -> bool:
    """Reports name what was offered, what runs, or nothing (device-protocol §5.8). Once it was downloaded, what runs is
    named by checks that fail, and by what cannot come of a check: Android says 100 per cent before it has unpacked all.
    """
    bundle, named = last_offered(facts), name_hash(report.version)
    if not report.version or named == bundle:
        return True
    if has_downloaded(facts, bundle):
        return report.cause in CERTAIN and not knows(facts, named)
    return ran_of(report.version) == latest_of(facts).ran


def _after_attempt(before: Failure | None, report: FailureReport, bundle: int, mark: int, now: float) -> Failure:
    if before is None:
        return Failure(bundle, FailureStage.FAILED_ONCE, report.cause, mark, hour_of(now))
    cause = before.cause if before.cause in CERTAIN else report.cause
    if before.stage is FailureStage.FAILED_ONCE and cause not in CERTAIN:
        return before._replace(stage=FailureStage.FAILED_TWICE, cause=cause, hour=hour_of(now))
    stage = min(max(FailureStage(before.stage + 1), FailureStage.FOR_A_DAY), FailureStage.FOR_7_DAYS)
    return before._replace(stage=FailureStage.FOR_GOOD if report.dead else stage, cause=cause, hour=hour_of(now))


def _after_more(before: Failure | None, report: FailureReport) -> Failure | None:
    """A further report of an attempt that was counted: it may name the certain cause that the first one did not."""
    if before is None or report.cause not in CERTAIN or before.cause in CERTAIN:
        return None
    if before.stage is not FailureStage.FAILED_TWICE:
        return before._replace(cause=report.cause)
    return before._replace(stage=FailureStage.FOR_GOOD if report.dead else FailureStage.FOR_A_DAY, cause=report.cause)


def _note_start(facts: DeviceFacts, bundle: int, cause: Cause, now: float) -> DeviceFacts:
    """It was downloaded and does not start: withheld for good, where this node had lately offered it."""
    failure = failure_of(facts, bundle)
    if not knows(facts, bundle) or (failure is not None and failure.cause in STARTS):
        return facts
    latest = latest_of(facts)
    counted = latest.counted or last_offered(facts) == bundle
    started = Failure(bundle, FailureStage.FOR_GOOD, cause, hour=hour_of(now))
    return _with_failure(facts, started, latest._replace(counted=counted))


def _with_failure(facts: DeviceFacts, failure: Failure, latest: Latest) -> DeviceFacts:
    failures = [*(each for each in facts.failures if each.bundle != failure.bundle), failure]
    offered = [name for name in facts.offered if name != failure.bundle]
    return _kept(facts, failures, offered, last_offered(facts), latest)


def _kept(
    facts: DeviceFacts, failures: Iterable[Failure], offered: Iterable[int], last: int, latest: Latest
) -> DeviceFacts:
    """What fits a slot, with `last`, the bundle of the latest offer, at the end of where it is.

    Beyond WITHHELD_LIMIT the failure goes that is the oldest, of attempts that withheld nothing first. When a withheld
    bundle goes, the day stays: no way back leads to a bundle that was there by then.
    """
    kept = sorted(failures, key=lambda failure: failure.bundle == last)
    forgot = latest.forgot
    while len(kept) > WITHHELD_LIMIT:
        older = [failure for failure in kept if failure.bundle != last]
        gone = next((failure for failure in older if not failure.withheld), older[0])
        kept.remove(gone)
        if gone.withheld:
            forgot = max(forgot, forgotten_failure(gone))
    retried = bool(kept) and kept[-1].bundle == last
    names = sorted(offered, key=lambda name: name == last)[-(NAMES_LIMIT - len(kept)) :]
    known = retried or last in names
    latest = latest._replace(forgot=forgot, retried=retried) if known else Latest(forgot=forgot)
    return facts._replace(failures=tuple(kept), offered=tuple(names), latest=latest.packed())
