"""How a device's facts change: it chooses a channel, is offered a bundle, the bundle fails (PROTOCOL.md §5.8). Pure.

A failed attempt is a failure report within an hour of the latest offer. Three in a row withhold the bundle; two if one
of them names a certain cause; one if the bundle does not start. It is then offered once more after a day, two, four and
seven; never again if it does not start, or if its manifest failed on iOS.

Checks write nothing while nothing fails. An offer is noted, with its time, if it differs from the latest one; repeated
checks change nothing. A failure report counts the attempt and closes the offer, so that further reports of the same
attempt find it closed. Only then is the next offer noted: one write per failure. An attempt thus counts once per offer
although offers are not counted.

After more than an hour, the noted offer may not be the one that the report is about. The first report then closes it
without counting, and from the next offer on the times are known. A report that follows a check without an offer finds
the noted one closed or too old; if the node knows that it answered that check with nothing new, it drops the report.

A device that has downloaded the bundle may keep sending checks for long before it runs it. It reports the download
once: from then on the same offer is not noted again, and a failing check is not taken for a failed download.

A device that runs the bundle after all starts over, at its next report of an installation or its next check that reads
its facts. A check that is simply up to date does not read them: no failure matters to it.

Reports count only against bundles that the device was offered.
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

# Whether this node itself failed to send that bundle, by `name_hash`, since a time in seconds since the epoch.
Ours = Callable[[int, float], bool]


def never(bundle: int, since: float) -> bool:
    """An `Ours` for a node without failures."""
    return False


class FailureReport(NamedTuple):
    """A device's report that something failed."""

    version: str  # the bundle that it names, without a file's name; "" for none
    cause: Cause
    age: float = 0.0  # seconds between writing and sending it, by the device's clock
    dead: bool = False  # the device will never fetch that version again


def choose_channel(facts: DeviceFacts, channel: int) -> DeviceFacts:
    """`channel` is a `name_hash`; 0 takes the choice back."""
    return facts._replace(channel=channel)


def note_offer(facts: DeviceFacts, bundle: int, now: float, ran: int = 0, mark: int = 0) -> DeviceFacts:
    """The bundle becomes the latest offer, at `now` in seconds since the epoch. `ran` and `mark` as in `Latest`. An
    offer that crossed the report of its failure does not lift the bundle; for a device that has changed since a failed
    download, its attempts start over."""
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
    """`now` is when the report arrived, in seconds since the epoch."""
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
    """The device has the bundle: until another offer is noted, no failing check is a failed download."""
    if last_offered(facts) != bundle or has_downloaded(facts, bundle):
        return facts
    return facts._replace(latest=latest_of(facts)._replace(ran=0, counted=False).packed())


def note_install(facts: DeviceFacts, bundle: int) -> DeviceFacts:
    """The device runs the bundle or is about to: its failed downloads are forgotten, but not that it did not start."""
    failure = failure_of(facts, bundle)
    if failure is not None and failure.cause in STARTS:
        return facts
    facts = note_download(facts, bundle)
    if failure is None:
        return facts
    failures = [each for each in facts.failures if each.bundle != bundle]
    return _kept(facts, failures, [bundle, *facts.offered], last_offered(facts), latest_of(facts))


def lift(facts: DeviceFacts, bundle: int) -> DeviceFacts:
    """The bundle may be offered again, as if it had never failed."""
    if failure_of(facts, bundle) is None:
        return facts
    last = last_offered(facts)
    failures = [each for each in facts.failures if each.bundle != bundle]
    return _kept(facts, failures, facts.offered, 0 if last == bundle else last, latest_of(facts))


def clear(facts: DeviceFacts, bundle: int) -> DeviceFacts:
    """The device runs the bundle after all, as another node was told: its failed downloads are forgotten."""
    failure = failure_of(facts, bundle)
    return facts if failure is None or failure.cause in STARTS else lift(facts, bundle)


def withhold(facts: DeviceFacts, failure: Failure) -> DeviceFacts:
    """Another node withholds the bundle from the device. An offer of it here is of an attempt that counted there."""
    known = failure_of(facts, failure.bundle)
    if known is not None and _order(known) >= _order(failure):
        return facts
    latest = latest_of(facts)
    counted = latest.counted or last_offered(facts) == failure.bundle
    return _with_failure(facts, failure, latest._replace(counted=counted))


def note_earlier_offer(facts: DeviceFacts, bundle: int) -> DeviceFacts:
    """Another node offered the bundle before the latest offer that is known: the device may report that it does not
    start."""
    if knows(facts, bundle):
        return facts
    return _kept(facts, facts.failures, [bundle, *facts.offered], last_offered(facts), latest_of(facts))


def newly_withheld(before: DeviceFacts, after: DeviceFacts) -> Failure | None:
    """The failure by which a change has made a bundle withheld; None: it has not."""
    known = {failure.bundle for failure in before.failures if failure.withheld}
    return next((each for each in after.failures if each.withheld and each.bundle not in known), None)


def _order(failure: Failure) -> tuple[int, ...]:
    """As verdicts are ordered (`domain.sharing.state`)."""
    return failure.stage, failure.hour, failure.cause, failure.mark


def _is_about(report: FailureReport, facts: DeviceFacts) -> bool:
    """Whether the report is about the latest offer. Reports name that, what runs, or nothing (PROTOCOL.md §5.8). Once
    the bundle is downloaded, failing checks name what runs, and so do certain causes, which no check has: Android
    reports 100 percent before it has unpacked everything.
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
    """A further report of a counted attempt may name a certain cause that the first one did not. None: it does not."""
    if before is None or report.cause not in CERTAIN or before.cause in CERTAIN:
        return None
    if before.stage is not FailureStage.FAILED_TWICE:
        return before._replace(cause=report.cause)
    return before._replace(stage=FailureStage.FOR_GOOD if report.dead else FailureStage.FOR_A_DAY, cause=report.cause)


def _note_start(facts: DeviceFacts, bundle: int, cause: Cause, now: float) -> DeviceFacts:
    """The bundle was downloaded and does not start: withheld for good, if this node recently offered it."""
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
    """The facts cut to what fits a slot, with `last`, the bundle of the latest offer, at the end of its tuple.

    Beyond WITHHELD_LIMIT the oldest failure is dropped, those that withhold nothing first. For a dropped withheld
    bundle the day is kept: no way back leads to a bundle published by then.
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
