"""The values of the history page: changes by day, the filters, how each is taken back. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple
from urllib.parse import quote, urlencode

from edge.control.shapes.apps import HistoryEntry
from edge.page.views.history.told import GROUPS, Delta, group_of, tell
from edge.page.words.numbers import named
from edge.page.words.times import day, moment, stamp

PAGE = 50  # changes on a page
SCANNED = 200  # revisions read for a page with a filter: each is a document that is read and verified
GUARD = "guard"


class HistoryFilter(NamedTuple):
    """Empty: any."""

    by: str = ""
    channel: str = ""
    group: str = ""

    @property
    def is_set(self) -> bool:
        return any(self)

    def passes(self, entry: HistoryEntry) -> bool:
        return (
            self.by in ("", entry.by)
            and self.group in ("", group_of(entry.kind))
            and (not self.channel or self.channel in _channels(entry))
        )


class ShownChange(NamedTuple):
    """`undo` is the address of the act, `undo_verb` its button; else `hint` says what to do instead."""

    revision: int
    time: str
    iso: str
    title: str
    by: str
    deltas: tuple[Delta, ...]
    more: int
    reason: str
    undo: str
    undo_verb: str
    hint: str


class HistoryDay(NamedTuple):
    label: str
    changes: list[ShownChange]


def show_days(
    entries: Iterable[HistoryEntry], app: str, latest: int, now: float, *, may_undo: bool
) -> list[HistoryDay]:
    """`entries` newest first; `latest` is the app's revision, whose change alone can be undone."""
    shown = [(day(each.at, now), _shown(each, app, latest, now, may_undo)) for each in entries]
    today = day(now, now)
    return [
        HistoryDay(f"Today, {label}" if label == today else label, [change for _, change in changes])
        for label, changes in groupby(shown, key=lambda each: each[0])
    ]


def _shown(entry: HistoryEntry, app: str, latest: int, now: float, may_undo: bool) -> ShownChange:
    told = tell(entry)
    undo, verb, hint = "", "", ""
    if entry.revision == latest and entry.revision > 1:
        undo, verb = (f"/apps/{quote(app, safe='')}/acts/undo", "Undo") if may_undo else ("", "")
    elif told.undo == "put-back":
        address = f"/apps/{quote(app, safe='')}/acts/put-back?of={entry.revision}"
        undo, verb = (address, "Put back") if may_undo else ("", "")
    elif told.undo:
        hint = told.undo
    return ShownChange(
        revision=entry.revision,
        time=moment(entry.at, entry.at),
        iso=stamp(entry.at),
        title=told.title,
        by=by_words(entry),
        deltas=told.deltas,
        more=told.more,
        reason=told.reason,
        undo=undo,
        undo_verb=verb,
        hint=hint,
    )


def by_words(entry: HistoryEntry) -> str:
    """`ann, approved by bob`; a rollback that nobody approved is marked."""
    by = "the guard" if entry.by == GUARD else named(entry.by)
    if entry.approved_by:
        return f"{by}, approved by {', '.join(map(named, entry.approved_by))}"
    return f"{by}, in an emergency, not approved" if entry.emergency else by


def authors_of(entries: Iterable[HistoryEntry], chosen: str) -> list[tuple[str, str]]:
    """(value, words) of everybody in these, the guard first."""
    found = {each.by for each in entries} | ({chosen} if chosen else set())
    return [(each, "the guard" if each == GUARD else named(each)) for each in sorted(found, key=_guard_first)]


def kinds() -> list[tuple[str, str]]:
    return list(GROUPS.items())


def older_address(path: str, wanted: HistoryFilter, last: int) -> str:
    given = {"by": wanted.by, "channel": wanted.channel, "kind": wanted.group, "before": str(last)}
    return f"{path}?{urlencode({name: value for name, value in given.items() if value})}"


def page_of(scanned: Sequence[HistoryEntry], wanted: HistoryFilter) -> tuple[list[HistoryEntry], int]:
    """The changes to show, and the revision below which the next page begins (0: there is none)."""
    found: list[HistoryEntry] = []
    last = 0
    for each in scanned:
        if len(found) >= PAGE:
            break
        last = each.revision
        if wanted.passes(each):
            found.append(each)
    return found, last if last > 1 else 0


def _channels(entry: HistoryEntry) -> set[str]:
    return {each.channel for each in entry.channels} | {
        each.name for each in entry.changes if each.subject == "channel"
    }


def _guard_first(author: str) -> tuple[bool, str]:
    return author != GUARD, author
