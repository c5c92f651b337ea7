"""Questions to the audit: the node's records and the revisions of the apps as one list by time, newest first.

A change that this node made is a record, which has the revision's number; any other revision, made by another node, by
the guard or before there was an audit, stands for itself. So each change is listed once.
"""

import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from edge.control.audit.chain.files import AuditFiles, first_line, records_of
from edge.control.audit.chain.record import AuditRecord, parse_line
from edge.control.audit.entry import ActKind, ActOutcome
from edge.control.audit.timelines import Timelines, ToldRevision
from edge.domain.errors import Invalid
from edge.domain.model import AppId

SCANNED_LIMIT = 100_000  # of which a filter may leave nothing, per page: a second or two
APPS_LIMIT = 1_000  # whose revisions are merged if no app is named: each costs a document to read the first time
COVER_SECONDS = 600.0  # how long after its revision a record is written at most
CURSOR_LIMIT = 512
PREFIX_LEAST = 4  # letters: three, such as `app`, begin too many words
_SPELT = {"rollback": "roll_back", "people": "person", "signin": "login", "secret": "secrets"}


class AuditQuery(NamedTuple):
    """Times are in seconds since the epoch, `since` inclusive, `until` exclusive. `what` are kinds, outcomes, codes or
    operations, or words of operations; empty texts ask for all."""

    since: float = 0.0
    until: float = float("inf")
    who: str = ""
    what: frozenset[str] = frozenset()
    app: str = ""
    refused: bool = False


class Position(NamedTuple):
    """A place in the list: everything there is strictly ordered by it."""

    at: float
    rank: int
    app: str
    number: int


class ListedAct(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `n` and `digest` are the record's number and its line's digest; 0 and the revision's digest for a
    revision alone, whose `operation` is the command. `since` is the first of `count` that are the same."""

    at: float
    who: str
    address: str
    kind: str
    operation: str
    outcome: str
    code: str
    app: str
    target: str
    revision: int
    summary: str
    reason: str
    change: str
    page: bool
    count: int
    since: float | None
    n: int
    digest: str


class ListedPage(NamedTuple):
    """`next_page` "" after the last; `unmerged_apps`: there are so many apps that only this node's records are here."""

    entries: list[ListedAct]
    next_page: str
    unmerged_apps: int


def read_page(files: AuditFiles, timelines: Timelines, query: AuditQuery, limit: int, page: str = "") -> ListedPage:
    """At most `limit` entries after the place that `page` names. Blocks. Raises Invalid `invalid_cursor`."""
    after = parse_cursor(page) if page else None
    upper = min(query.until, after.at) if after is not None else query.until
    apps = [AppId(query.app)] if query.app else timelines.apps()
    unmerged = len(apps) if len(apps) > APPS_LIMIT else 0
    covered: set[tuple[str, int]] = set()
    streams = [_records(files, query, upper, covered)]
    streams += [_revisions(timelines, app, query, upper, covered) for app in ([] if unmerged else apps)]
    entries: list[ListedAct] = []
    place, scanned = after, 0
    for position, item in heapq.merge(*streams, key=lambda each: each[0], reverse=True):
        if position.at < query.since:
            break
        if item is None or position.at >= query.until or (after is not None and position >= after):
            continue
        if isinstance(item, _Revision) and (item.app, item.told.number) in covered:
            continue
        if len(entries) >= limit or scanned >= SCANNED_LIMIT:
            assert place is not None, "something was scanned"
            return ListedPage(_with_summaries(entries, timelines), format_cursor(place), unmerged)
        place, scanned = position, scanned + 1
        listed = _of_record(item) if isinstance(item, _Recorded) else _of_revision(item)
        if _matches(listed, query):
            entries.append(listed)
    return ListedPage(_with_summaries(entries, timelines), "", unmerged)


class _Recorded(NamedTuple):
    record: AuditRecord
    digest: str


class _Revision(NamedTuple):
    app: AppId
    told: ToldRevision


_Item = tuple[Position, _Recorded | _Revision | None]


def _records(files: AuditFiles, query: AuditQuery, upper: float, covered: set[tuple[str, int]]) -> Iterator[_Item]:
    """Newest first, from a while before `upper` on: what the first ones cover is older."""
    paths = files.paths()
    begun = [_first_at(first_line(path)) for path in paths]
    for path, at in reversed(list(zip(paths, begun, strict=True))):
        if at > upper + COVER_SECONDS:
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # retention was there
            return
        for record, digest in reversed(list(records_of(content))):
            if record.at > upper + COVER_SECONDS:
                continue
            if record.at < query.since:
                return
            if record.app and record.revision:
                covered.add((record.app, record.revision))
            shown = not query.app or record.app == query.app
            yield Position(record.at, 1, "", record.n), _Recorded(record, digest) if shown else None


def _first_at(line: bytes) -> float:
    """When a file begins; 0 for one that cannot be read: it is looked at."""
    try:
        first = parse_line(line)
    except ValueError:
        return 0.0
    return first.at if isinstance(first, AuditRecord) else 0.0


def _revisions(
    timelines: Timelines, app: AppId, query: AuditQuery, upper: float, covered: set[tuple[str, int]]
) -> Iterator[_Item]:
    """Newest first. A clock that went back does not reorder the chain."""
    at = float("inf")
    for told in timelines.lines(app):
        at = min(at, told.at)
        if at < query.since:
            return
        if at <= upper:
            yield Position(at, 0, app, told.number), _Revision(app, told)


def _of_record(item: _Recorded) -> ListedAct:
    record = item.record
    return ListedAct(
        at=record.at,
        who=record.who,
        address=record.address,
        kind=record.kind.value,
        operation=record.operation,
        outcome=record.outcome.value,
        code=record.code,
        app=record.app,
        target=record.target,
        revision=record.revision,
        summary="",
        reason="",
        change=record.change,
        page=record.page,
        count=record.count,
        since=record.since or None,
        n=record.n,
        digest=item.digest,
    )


def _of_revision(item: _Revision) -> ListedAct:
    told = item.told
    return ListedAct(
        at=told.at,
        who=told.by,
        address="",
        kind=ActKind.CHANGE.value,
        operation=told.kind,
        outcome=ActOutcome.DONE.value,
        code="",
        app=item.app,
        target="",
        revision=told.number,
        summary=told.summary,
        reason=told.reason,
        change=told.change,
        page=False,
        count=1,
        since=None,
        n=0,
        digest=told.digest,
    )


def _with_summaries(entries: list[ListedAct], timelines: Timelines) -> list[ListedAct]:
    """What the revisions say that records name."""
    filled = []
    for each in entries:
        told = timelines.find(AppId(each.app), each.revision) if each.n and each.app and each.revision else None
        if told is not None:
            each = msgspec.structs.replace(each, summary=told.summary, reason=told.reason)
        filled.append(each)
    return filled


def _matches(listed: ListedAct, query: AuditQuery) -> bool:
    if query.refused and listed.outcome in (ActOutcome.DONE.value, ActOutcome.WAITING.value):
        return False
    if query.who and listed.who.casefold() != query.who.casefold():
        return False
    words = (listed.kind, listed.operation, listed.code, listed.outcome)
    if not query.what or not query.what.isdisjoint(words):
        return True
    return any(is_of(word, listed.operation) for word in query.what)


def is_of(word: str, operation: str) -> bool:
    """Whether a person who asks for `freezes` or `rollback` means this operation: it has each part of the word, or from
    four letters on a word that begins with it."""
    asked = _SPELT.get(word.casefold(), word.casefold()).replace("-", "_").replace(" ", "_").split("_")
    parts = operation.split("_")
    return all(any(_begins(part, each) for part in parts) for each in asked)


def _begins(part: str, asked: str) -> bool:
    return part in (asked, asked.removesuffix("s")) or (len(asked) >= PREFIX_LEAST and part.startswith(asked))


def format_cursor(place: Position) -> str:
    """The name of a place, for who asks for what comes after it."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def parse_cursor(text: str) -> Position:
    """Raises Invalid `invalid_cursor`."""
    text = text[:CURSOR_LIMIT]
    try:
        return msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Position)
    except (ValueError, msgspec.MsgspecError) as error:
        raise Invalid("invalid_cursor", "invalid cursor: use the next_page of the page before") from error
