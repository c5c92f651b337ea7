"""Whether a node is well, in a word and a sentence. Pure.

Home judges by what it can know itself: that a node is heard of, and what it lacks. What a node says of itself comes
after.
"""

from typing import Literal, NamedTuple

from edge.domain.schedule.durations import rough_duration as span
from edge.regions.fleet.known_nodes import NodeRow
from edge.regions.fleet.node_report import NodeReport

UNHEARD_SECONDS = 30.0  # without a report: six of them, so that one lost on the way is no alarm
BEHIND_SECONDS = 30.0  # with push a change takes a second, without it the poll's five
SOURCE_LOST_SECONDS = 30.0
CERTIFICATE_SECONDS = 14 * 86_400.0  # before it ends: time for a person to renew it by hand

NodeHealth = Literal["well", "look", "unheard"]


class NodeJudgement(NamedTuple):
    """`sentence` says what is to be looked at first, "" for a node that is well."""

    condition: NodeHealth
    sentence: str


def judge_node(row: NodeRow, now: float) -> NodeJudgement:
    """`now` by the clock that dated the row."""
    if row.report is None or row.heard is None:
        return NodeJudgement("unheard", "not heard of since this node started")
    silence = now - row.heard
    if silence > UNHEARD_SECONDS:
        return NodeJudgement("unheard", f"last heard of {span(silence)} ago; what it serves may be older than shown")
    found = [*_freshness(row, row.report), *_troubles(row.report)]
    return NodeJudgement("look", "; ".join(found)) if found else NodeJudgement("well", "")


def _freshness(row: NodeRow, report: NodeReport) -> list[str]:
    source, found = report.source, []
    if report.stale:
        found.append("offers no new updates, since its heads are stale; downloads and ways back go on")
    if source is not None and (source.unreachable_seconds or 0.0) > SOURCE_LOST_SECONDS:
        why = f" ({source.why})" if source.why else ""
        found.append(f"cannot reach its source for {span(source.unreachable_seconds or 0.0)}{why}")
    elif row.behind and row.behind_seconds > BEHIND_SECONDS:
        found.append(
            f"behind by {row.behind:,} {'change' if row.behind == 1 else 'changes'}, {span(row.behind_seconds)}"
        )
    return found


def _troubles(report: NodeReport) -> list[str]:
    found = []
    if report.disk_short:
        found.append("its disk is full or read-only")
    if away := report.workers - report.workers_ready:
        found.append(f"{away} of {report.workers} workers do not answer")
    if report.damaged:
        found.append(f"{report.damaged} damaged {'thing' if report.damaged == 1 else 'things'} in its store")
    ends = report.certificate_seconds
    if ends is not None and ends < CERTIFICATE_SECONDS:
        found.append("its certificate has ended" if ends <= 0 else f"its certificate ends in {span(ends)}")
    return found
