"""Whether a node is well, in a word and a sentence. Pure.

Home judges by what it can know itself: that a node is heard of, and what it lacks. What a node says of itself comes
after.
"""

from typing import Literal, NamedTuple

from edge.domain.schedule.durations import rough_duration as span
from edge.regions.fleet.node_report import NodeReport
from edge.regions.fleet.node_row import NodeRow

UNHEARD_SECONDS = 30.0  # without a report: three of them, so that one lost on the way is no alarm
BEHIND_SECONDS = 30.0  # with push a change takes a second, without it the poll's five
SOURCE_LOST_SECONDS = 30.0
STARTING_SECONDS = 30.0  # a worker that has read its apps by then is one that starts
CERTIFICATE_SECONDS = 14 * 86_400.0  # before it ends: time for a person to renew it by hand

_OF_A_BACKUP = frozenset({"older_document", "forked_history"})  # what an older copy of a store is refused with
CLOCK_SECONDS = 60.0  # either way: as much as makes steps wait (`domain.guarding.reported`)
OF_TWO = (
    "two nodes report with this id, on copies of one data directory: stop one of them, and have it join again in an "
    "empty directory"
)

NodeHealth = Literal["well", "look", "unheard"]


class NodeJudgement(NamedTuple):
    """`sentence` says what is to be looked at first, "" for a node that is well."""

    condition: NodeHealth
    sentence: str


def judge_node(row: NodeRow, now: float) -> NodeJudgement:
    """`now` by the clock that dated the row."""
    shut_out = ["its token is revoked: it hears of nothing new"] if row.shut_out else []
    if row.report is None or row.heard is None:
        return NodeJudgement("unheard", "; ".join(["not heard of since this node started", *shut_out]))
    silence = now - row.heard
    if silence > UNHEARD_SECONDS:
        said = [f"last heard of {span(silence)} ago", *(shut_out or ["what it serves may be older than shown"])]
        return NodeJudgement("unheard", "; ".join(said))
    found = [*shut_out, *own_troubles(row), *_freshness(row, row.report), *_troubles(row.report)]
    return NodeJudgement("look", "; ".join(found)) if found else NodeJudgement("well", "")


def own_troubles(row: NodeRow) -> list[str]:
    """What the node cannot see by itself."""
    off, found = row.clock_off_seconds, []
    if row.of_two:
        found.append(OF_TWO)
    if abs(off) > CLOCK_SECONDS and not row.own:
        way = "ahead of" if off > 0 else "behind"
        found.append(
            f"its clock is {span(abs(off))} {way} home's, so its reports count at a wrong time and steps wait: set it"
        )
    return found


def _freshness(row: NodeRow, report: NodeReport) -> list[str]:
    source, found = report.source, []
    if report.stale:
        found.append("offers no new updates, since its heads are stale; downloads and ways back go on")
    if source is not None and (source.unreachable_seconds or 0.0) > SOURCE_LOST_SECONDS:
        why = f" ({source.why})" if source.why else ""
        found.append(f"cannot reach its source for {span(source.unreachable_seconds or 0.0)}{why}")
    elif source is not None and source.unreachable_seconds is None and source.why:
        found.append(_refusal(source.why, report))
    elif row.behind and row.behind_seconds > BEHIND_SECONDS:
        found.append(
            f"behind by {row.behind:,} {'change' if row.behind == 1 else 'changes'}, {span(row.behind_seconds)}"
        )
    return found


def _refusal(why: str, report: NodeReport) -> str:
    restored = not _OF_A_BACKUP.isdisjoint(report.refused)
    todo = "; if the origin was restored, there: edge store accept-restored --all" if restored else ""
    return f"refuses what its source has ({why}){todo}"


def _troubles(report: NodeReport) -> list[str]:
    found = []
    if report.disk_short:
        found.append("its disk is full or read-only")
    if away := report.workers - report.workers_ready:
        state = "are starting" if report.running_seconds < STARTING_SECONDS else "do not answer"
        found.append(f"{away} of {report.workers} workers {state}")
    if report.damaged:
        found.append(f"{report.damaged} damaged {'thing' if report.damaged == 1 else 'things'} in its store")
    ends = report.certificate_seconds
    if ends is not None and ends < CERTIFICATE_SECONDS:
        found.append("its certificate has ended" if ends <= 0 else f"its certificate ends in {span(ends)}")
    return found
