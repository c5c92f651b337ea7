"""Which groups or cohorts of an app a question is about, and under which labels their rows are added up.

They are put into a temporary table of the connection, `chosen (id, label)`, for queries to join: a group in two
segments has a row for each when the question is by segment.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from edge.domain.errors import Invalid
from edge.domain.statistics.observation import Cohort, Group
from edge.telemetry.folding.words import NO_APP, WordKind, read_cohort, read_group
from edge.telemetry.questions.port import By, RowLabels, Where

OF_DEVICES = frozenset({By.OS, By.COUNTRY, By.PLUGIN, By.REGION})  # labels of single devices, which groups do not have
OF_ROWS = frozenset({By.BUNDLE, By.SUBJECT})  # columns of rows, which no group has


def number_of(connection: sqlite3.Connection, app: int, kind: WordKind, word: str) -> int | None:
    """None for a word that no row can have."""
    query = "SELECT id FROM words WHERE app = ? AND kind = ? AND word = ?"
    found = connection.execute(query, (app, kind, word)).fetchone()
    return int(found[0]) if found else None


def app_number(connection: sqlite3.Connection, app: str) -> int | None:
    """None for an app of which nothing was counted."""
    return number_of(connection, NO_APP, WordKind.APP, app)


def subject_numbers(connection: sqlite3.Connection, app: int, subjects: Iterable[str]) -> list[int]:
    """Of the subjects that were ever counted; one that ends in * stands for all that begin so."""
    known = dict(connection.execute("SELECT word, id FROM words WHERE app = ? AND kind = ?", (app, WordKind.SUBJECT)))
    wanted = set()
    for each in subjects:
        if each.endswith("*"):
            wanted |= {number for word, number in known.items() if word.startswith(each[:-1])}
        elif each in known:
            wanted.add(known[each])
    return sorted(wanted)


def choose_groups(connection: sqlite3.Connection, app: int, where: Where, by: Sequence[By]) -> list[RowLabels]:
    """For tables with a group. Returns the labels by their number in `chosen`; those of OF_ROWS are empty. Raises
    Invalid `invalid_by` for labels that only single devices have."""
    if wrong := [each.value for each in by if each in OF_DEVICES]:
        raise Invalid("invalid_by", f"counts are not kept by {wrong[0]}: only figures of devices are")
    groups = connection.execute("SELECT id, word FROM words WHERE app = ? AND kind = ?", (app, WordKind.GROUP))
    return _fill(connection, ((number, Cohort(read_group(word))) for number, word in groups.fetchall()), where, by)


def choose_cohorts(connection: sqlite3.Connection, app: int, where: Where, by: Sequence[By]) -> list[RowLabels]:
    """The same for tables with a cohort."""
    if By.SUBJECT in by:
        raise Invalid("invalid_by", "single devices have no subject")
    cohorts = connection.execute("SELECT id, word FROM words WHERE app = ? AND kind = ?", (app, WordKind.COHORT))
    return _fill(connection, ((number, read_cohort(word)) for number, word in cohorts.fetchall()), where, by)


def _fill(
    connection: sqlite3.Connection, known: Iterable[tuple[int, Cohort]], where: Where, by: Sequence[By]
) -> list[RowLabels]:
    connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS chosen (id INTEGER, label INTEGER, PRIMARY KEY (id, label)) WITHOUT ROWID"
    )
    connection.execute("DELETE FROM chosen")
    numbers: dict[RowLabels, int] = {}
    rows = [
        (number, numbers.setdefault(labels, len(numbers)))
        for number, cohort in known
        if _matches(cohort.group, where)
        for labels in _labels(cohort, by)
    ]
    connection.executemany("INSERT INTO chosen VALUES (?, ?)", sorted(rows))
    return list(numbers)


def _matches(group: Group, where: Where) -> bool:
    return (
        (not where.channel or group.channel == where.channel)
        and (not where.segment or where.segment in group.segments)
        and (not where.platform or group.platform == where.platform)
        and (not where.side or group.side == where.side)
        and (not where.arm or group.arm == where.arm)
        and (not where.kind or group.kind == where.kind)
    )


def _labels(cohort: Cohort, by: Sequence[By]) -> list[RowLabels]:
    """More than one only by segment."""
    found: list[RowLabels] = [()]
    for each in by:
        words = cohort.group.segments or ("",) if each is By.SEGMENT else (_label(cohort, each),)
        found = [(*labels, word) for labels in found for word in words]
    return found


def _label(cohort: Cohort, by: By) -> str:
    if by in OF_ROWS:
        return ""
    return str(getattr(cohort if by in OF_DEVICES else cohort.group, by.value))
