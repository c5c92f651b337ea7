"""Counted votes by what their devices are, and failures by their cause. Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from edge.domain.guarding.odds.rates import GroupCount, rate_interval, stands_out
from edge.domain.statistics.observation import Cohort
from edge.telemetry.votes.standing import ROWS_LIMIT, BreakdownRow
from edge.telemetry.votes.watch_book import Cell

LabelsOf = Callable[[int], Cohort]
CauseOf = Callable[[int], str]  # the action with this number

_LABELS: Mapping[str, Callable[[Cohort], str]] = {
    "platform": lambda cohort: cohort.group.platform,
    "os": lambda cohort: f"{cohort.group.platform} {cohort.os}".strip(),
    "country": lambda cohort: cohort.country,
    "plugin": lambda cohort: cohort.plugin,
    "region": lambda cohort: cohort.region,
}


def break_down(cells: Mapping[Cell, int], labels_of: LabelsOf, cause_of: CauseOf) -> dict[str, list[BreakdownRow]]:
    """By "cause" and each of the labels; by region where there are any."""
    of_cohort: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    of_cause: defaultdict[str, int] = defaultdict(int)
    for cell, n in cells.items():
        of_cohort[cell.cohort][0] += n
        if cell.cause:
            of_cohort[cell.cohort][1] += n
            of_cause[cause_of(cell.cause)] += n
    attempts = sum(n for n, _ in of_cohort.values())
    causes = [_row(cause, GroupCount(attempts, failed)) for cause, failed in of_cause.items() if failed]
    found = {"cause": sorted(causes, key=_order)[:ROWS_LIMIT]}
    cohorts = {number: labels_of(number) for number in of_cohort}
    for name, label_of in _LABELS.items():
        if name != "region" or any(cohort.region for cohort in cohorts.values()):
            found[name] = _by(label_of, cohorts, of_cohort)
    return found


def _by(
    label_of: Callable[[Cohort], str], cohorts: Mapping[int, Cohort], of_cohort: Mapping[int, list[int]]
) -> list[BreakdownRow]:
    groups: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for number, (attempts, failed) in of_cohort.items():
        of_label = groups[label_of(cohorts[number])]
        of_label[0] += attempts
        of_label[1] += failed
    counts = [GroupCount(*each) for each in groups.values()]
    rows = [_row(label, count, apart) for label, count, apart in zip(groups, counts, stands_out(counts), strict=True)]
    return sorted(rows, key=_order)[:ROWS_LIMIT]


def _row(label: str, count: GroupCount, apart: bool = False) -> BreakdownRow:
    low, high = rate_interval(count.attempts, count.failed)
    return BreakdownRow(label, count.failed, count.attempts, low, high, apart)


def _order(row: BreakdownRow) -> tuple[bool, int, int, str]:
    return not row.stands_out, -row.failed, -row.attempts, row.label
