"""Votes of one batch: noted device by device while it is counted, then applied in the order of time. In the caller's
transaction.

A device votes if a node offered it the bundle in this watch: the note of its check names the rollout's side and the
bundle. The vote is of the node to which it told what became of that, and stays so. The note may come after the report,
so a report waits for it some minutes; if it cannot, nothing of the device counts. Sides and segments are those of the
note itself, never of a bounded label. Emulators, development builds and releases of the plugin that do not tell these
apart have no vote.
"""

import sqlite3
from collections.abc import Callable, Sequence, Set
from typing import NamedTuple

from edge.domain.guard_policy import GuardMetric
from edge.domain.guarding.plan import KNOWN_MS
from edge.domain.statistics.arithmetic import DOWNLOAD_FAIL_MS, LAX_DOWNLOAD_FAIL_MS
from edge.domain.statistics.device_record import DeviceRecord
from edge.domain.statistics.generations import Ability, tells_what_it_is
from edge.domain.statistics.meanings import Meaning
from edge.domain.statistics.observation import Cohort, Step
from edge.domain.statistics.tally import MINUTE_MS
from edge.telemetry.votes.arm_counts import Drawn, draw
from edge.telemetry.votes.breakdowns import LabelsOf
from edge.telemetry.votes.control_notes import SPEAKS, ControlNotes
from edge.telemetry.votes.counted_votes import HERE
from edge.telemetry.votes.vote import (
    BOOT,
    CRASHED,
    EARLIER,
    ERRED,
    INSTALL,
    KNOWN,
    LOST,
    OF_ATTEMPT,
    OFFERED,
    SET,
    Told,
    Vote,
)
from edge.telemetry.votes.vote_keeper import VoteKeeper
from edge.telemetry.votes.watch_book import UNSTORED, VOTES_LIMIT, VOTES_OF_ONE, WatchBook
from edge.telemetry.votes.watch_rows import drop_votes, load_votes, store_book, store_votes

_TOLD = (
    (int(Meaning.SET), SET),
    (int(Meaning.FAILED_BOOT), BOOT),
    (int(Meaning.FAILED_INSTALL), INSTALL),
    (int(Meaning.CRASH), CRASHED),
    (int(Meaning.ERROR), ERRED),
)
_OF_VOTES = int(Meaning.SET | Meaning.FAILED_BOOT | Meaning.FAILED_INSTALL | Meaning.CRASH | Meaning.ERROR)
_OF_OFFER, _EVENTS = int(Meaning.OF_OFFER), int(Meaning.CRASH | Meaning.ERROR)
_HEALTHY = int(Step.HEALTHY)
_FAILURES = BOOT | INSTALL | CRASHED | ERRED
_BEGINS = SET | BOOT | INSTALL  # what a report without an offer is kept for
_DEVICE = "device"
_LOST_MS = 3_600_000  # before the note of a check: who reported then, and has no vote, has lost it


class NotedOffer(NamedTuple):
    """A check was answered with the bundle, by this node ("" for the one that counts)."""

    at_ms: int
    key: int
    cohort: int
    bits: int  # what is known of the device
    tests: int  # the mask of its scope
    is_late: bool  # its device has reported what begins an attempt, shortly before
    node: str


class NotedReport(NamedTuple):
    """`told` are bits of a vote; `speaks`: the device shows that it lives; `is_late` and `node` as of NotedOffer."""

    at_ms: int
    key: int
    told: int
    speaks: bool
    cause: int
    net: int
    is_late: bool
    node: str


class NotedEvent(NamedTuple):
    """An event that is compared with the control, by a device in one of the arms."""

    at_ms: int
    key: int
    test: int
    net: int
    drawn: Drawn
    node: str


class BookNotes:
    """Of one watch in one batch."""

    def __init__(self, book: WatchBook, control: ControlNotes) -> None:
        self.book, self.stamp, self.control = book, book.stamp, control
        book.stamp = UNSTORED  # until the batch is stored: it may be rolled back
        self.items: list[NotedOffer | NotedReport] = []
        self.events: list[NotedEvent] = []
        self.controlled = [(n, test) for n, test in enumerate(book.plan) if test.versus_control]
        self.spoken: set[int] = set()


class AppVotes:
    """Of one app in one batch. `bundle_number` and `labels_of` are of its labels."""

    def __init__(
        self, app: str, books: Sequence[WatchBook], bundle_number: Callable[[str], int], labels_of: LabelsOf
    ) -> None:
        self._app, self._labels_of = app, labels_of
        self.notes = [BookNotes(book, ControlNotes(app, book, labels_of)) for book in books]
        self._by_bundle: dict[int, list[BookNotes]] = {}
        for each in self.notes:
            self._by_bundle.setdefault(bundle_number(each.book.watch.bundle), []).append(each)
        self._offers: dict[tuple[Cohort, int], list[tuple[BookNotes, int]]] = {}
        self._sampled = [each for each in self.notes if each.book.watch.rollout is not None]
        self._compares = any(each.controlled for each in self.notes)

    def offer(self, state: DeviceRecord, at_ms: int, cohort: int, told: Cohort, bundle: int, node: str) -> None:
        """The device's check was answered with the bundle by `node`; `told` are the labels that its note has, `cohort`
        is the number of those that were admitted."""
        found = self._offers.get((told, bundle))
        if found is None:
            found = self._offers[told, bundle] = list(self._watching(told, bundle))
        if not found or not state.key:
            return
        can = _can(state)
        for notes, tests in found:
            since_ms = notes.book.watch.since_ms
            if notes.book.watch.rollout is None and at_ms < since_ms:
                continue
            is_known = 0 < state.first_ms <= since_ms - KNOWN_MS
            scope = tests | (notes.book.known_scope if is_known else 0)
            is_late = _has_reported(state, bundle, since_ms, at_ms)
            notes.items.append(NotedOffer(at_ms, state.key, cohort, can | KNOWN * is_known, scope, is_late, node))

    def report(
        self, state: DeviceRecord, device: str, meaning: int, cause: int, at_ms: int, bundle: int, net: int, node: str,
        *, lax: bool,
    ) -> None:  # fmt: skip
        """A device reported what has this meaning, of the bundle, to `node`."""
        if meaning & _OF_OFFER:
            within_ms = LAX_DOWNLOAD_FAIL_MS if lax else DOWNLOAD_FAIL_MS
            bundle = state.offered if 0 <= at_ms - state.offer_ms <= within_ms else 0
        for notes in self._by_bundle.get(bundle, ()):
            self._note(notes, state, meaning, cause, at_ms, bundle, net, node)
        if meaning & _EVENTS and self._compares:
            self._compare(state, device, meaning, at_ms, net, node)
        for notes in self._sampled:
            notes.control.hear(state, device, meaning, at_ms, net, node)

    def _watching(self, labels: Cohort, bundle: int) -> list[tuple[BookNotes, int]]:
        found = []
        group = labels.group
        for notes in self._by_bundle.get(bundle, ()):
            watch, rollout = notes.book.watch, notes.book.watch.rollout
            is_of_watch = group.side == f"{rollout.salt}/new" if rollout else group.channel == watch.channel
            if is_of_watch and group.kind == _DEVICE and tells_what_it_is(labels.plugin):
                found.append((notes, notes.book.scope(group.segments, 0)))
        return found

    def _note(
        self, notes: BookNotes, state: DeviceRecord, meaning: int, cause: int, at_ms: int, bundle: int, net: int,
        node: str,
    ) -> None:  # fmt: skip
        told = 0
        if meaning & _OF_VOTES:
            for of, bit in _TOLD:
                if meaning & of:
                    told |= bit
        speaks = bool(meaning & SPEAKS)
        if not told & _BEGINS:
            step = state.steps.get(bundle)
            if speaks and (state.key in notes.spoken or (step is not None and step.bits & _HEALTHY)):
                speaks = False
            if speaks:
                notes.spoken.add(state.key)
        if told & SET:
            told |= _can(state)
        if told or speaks:
            is_late = _has_reported(state, bundle, notes.book.watch.since_ms, at_ms)
            notes.items.append(NotedReport(at_ms, state.key, told, speaks, cause, net, is_late, node))

    def _compare(self, state: DeviceRecord, device: str, meaning: int, at_ms: int, net: int, node: str) -> None:
        if not state.followed or not state.cohort:
            return
        labels = self._labels_of(state.cohort)
        group = labels.group
        for notes in self.notes:
            watch = notes.book.watch
            if watch.rollout is None or group.channel != watch.channel or group.kind != _DEVICE or group.arm:
                continue
            if at_ms < watch.since_ms or not tells_what_it_is(labels.plugin):
                continue
            for number, test in notes.controlled:
                of, can = _METRICS[test.metric]
                if meaning & of and state.ability & can and (not test.segment or test.segment in group.segments):
                    drawn = draw(self._app, watch.rollout, device.lower(), group.segments, at_ms)
                    if drawn is not None:
                        notes.events.append(NotedEvent(at_ms, state.key, number, net, drawn, node))


_METRICS = {
    GuardMetric.CRASH: (int(Meaning.CRASH), int(Ability.CRASHES)),
    GuardMetric.ERROR: (int(Meaning.ERROR), int(Ability.ERRORS)),
}


def _can(state: DeviceRecord) -> int:
    """What the device's reports can tell, as bits of a vote."""
    ability = state.ability
    return Told.TELLS_CRASHES * bool(ability & Ability.CRASHES) | Told.TELLS_ERRORS * bool(ability & Ability.ERRORS)


def _has_reported(state: DeviceRecord, bundle: int, since_ms: int, at_ms: int) -> bool:
    """Whether, by its own row, the device has reported what begins an attempt, in this watch and shortly before."""
    step = state.steps.get(bundle)
    if step is None:
        return False
    first_ms = max(since_ms, at_ms - _LOST_MS)
    # A failure's time is kept by the minute.
    return first_ms <= step.set_ms <= at_ms or first_ms < step.failed_ms + MINUTE_MS <= at_ms + MINUTE_MS


class VoteCounting:
    """Of one batch, at `now_ms`."""

    def __init__(self, connection: sqlite3.Connection, keeper: VoteKeeper, now_ms: int) -> None:
        self._connection, self._keeper, self._now_ms = connection, keeper, now_ms
        self._apps: list[AppVotes] = []

    def segments_named(self, app: str) -> Set[str]:
        """By the guards and rollouts of the app that are remembered."""
        watches = [book.watch for of, book in self._keeper.books if of == app]
        of_policies = {each for watch in watches for each in watch.policy.segments}
        rollouts = [watch.rollout for watch in watches if watch.rollout is not None]
        return of_policies | {each for rollout in rollouts for each in (*rollout.segments, *rollout.first)}

    def of_app(self, app: str, bundle_number: Callable[[str], int], labels_of: LabelsOf) -> AppVotes | None:
        """None for an app with no release under guard. Once for each app, after the batch was read."""
        books = self._keeper.begin(self._connection, app, self._now_ms)
        if not books:
            return None
        found = AppVotes(app, books, bundle_number, labels_of)
        self._apps.append(found)
        return found

    def store(self) -> None:
        """Apply everything."""
        for app in self._apps:
            for notes in app.notes:
                told = self._apply(notes) | self._apply_events(notes) | notes.control.store(self._connection)
                changed = self._drop_pending(notes.book) | told
                if changed:
                    store_book(self._connection, notes.book)
                else:
                    notes.book.stamp = notes.stamp

    def _apply(self, notes: BookNotes) -> bool:
        if not notes.items:
            return False
        book = notes.book
        votes = load_votes(self._connection, book.id, (item.key for item in notes.items))
        for item in sorted(notes.items, key=_at):
            vote = votes.get(item.key)
            if vote is None:
                vote = self._begin(book, item, votes)
                if vote is None:
                    continue
                votes[item.key] = vote
            bits, node = vote.bits, vote.node
            if isinstance(item, NotedOffer):
                _apply_offer(book, vote, item, self._now_ms)
            else:
                _apply_report(book, vote, item, min(item.at_ms, self._now_ms))
            if vote.bits != bits:
                book.note_told(vote, bits, node)
        changed = [vote for vote in votes.values() if vote.changed]
        store_votes(self._connection, book.id, changed)
        return bool(changed)

    def _begin(self, book: WatchBook, item: NotedOffer | NotedReport, votes: dict[int, Vote]) -> Vote | None:
        """A device that has no row. One that waits may lose its own for it."""
        node = book.number_of(item.node)
        if isinstance(item, NotedReport) and not _may_wait(book, item, node):
            return None
        crowds = node != HERE and book.rows_of[node] >= VOTES_OF_ONE
        if crowds or book.rows >= VOTES_LIMIT or not self._keeper.has_room(item.node):
            book.is_full = True
            return None
        if isinstance(item, NotedReport):
            pending = book.pending.of(node)
            gone = pending.make_room()
            if gone is not None:
                votes.pop(gone, None)
                drop_votes(self._connection, book.id, [gone])
                book.add_row(node, -1)
            pending.add(item.key, item.at_ms, item.net)
        book.add_row(node)
        return Vote(item.key, node)

    def _apply_events(self, notes: BookNotes) -> bool:
        changed, book = False, notes.book
        for item in sorted(notes.events, key=_at):
            place = (book.id, item.key, item.test)
            known = self._connection.execute(
                "SELECT 1 FROM arm_events WHERE watch = ? AND key = ? AND test = ?", place
            ).fetchone()
            if known:
                continue
            arms, epoch, node = book.arms[item.test], book.epoch_at(item.at_ms), book.number_of(item.node)
            counted = arms.has_room(item.net, node)
            if counted:
                arms.add(item.net, epoch, item.drawn, node)
            self._connection.execute(
                "INSERT INTO arm_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*place, item.net, epoch, item.drawn.share, item.drawn.in_arm, counted, node),
            )
            changed = True
        return changed

    def _drop_pending(self, book: WatchBook) -> bool:
        """Reports for which no note of an offer came."""
        found = [(node, key) for node, keys in book.pending.beyond(self._now_ms) for key in keys]
        for node, key in found:
            book.pending.drop(key)
            book.add_row(node, -1)
        drop_votes(self._connection, book.id, [key for _, key in found])
        return bool(found)


def _may_wait(book: WatchBook, item: NotedReport, node: int) -> bool:
    """Whether a report of a device that has no row is kept. One whose earlier report was not, neither is."""
    return bool(item.told & _BEGINS) and not item.is_late and book.pending.of(node).has_room(item.net)


def _at(item: NotedOffer | NotedReport | NotedEvent) -> int:
    return item.at_ms


def _apply_offer(book: WatchBook, vote: Vote, item: NotedOffer, now_ms: int) -> None:
    if vote.bits & OFFERED:
        return
    vote.changed = True
    if item.is_late and not vote.bits:
        vote.bits |= OFFERED | LOST
    else:
        vote.bits |= OFFERED | item.bits
        vote.tests |= item.tests
    vote.cohort, vote.offered_ms = item.cohort, min(item.at_ms, now_ms)
    book.note_offer(vote)
    book.settle(vote)
    book.note_set(vote)


def _apply_report(book: WatchBook, vote: Vote, item: NotedReport, at_ms: int) -> None:
    told = item.told
    if vote.bits & LOST:
        return
    if at_ms < book.watch.since_ms:
        if told & _BEGINS and not vote.bits & OF_ATTEMPT and not vote.bits & EARLIER:
            vote.bits |= EARLIER
            vote.changed = True
            book.pending.drop(vote.key)
        return
    if vote.bits & EARLIER:
        if not told & SET:
            return
        if not vote.bits & OFFERED:
            pending = book.pending.of(book.number_of(item.node))
            if not pending.has_room(item.net):
                return
            pending.add(vote.key, at_ms, item.net)
        vote.begin_again()
    had_set = bool(vote.bits & SET)
    if told & (CRASHED | ERRED) and not had_set:
        told &= ~(CRASHED | ERRED)
    new = told & ~vote.bits
    if new:
        _tell(book, vote, new, item, at_ms)
    if item.speaks and vote.bits & SET and not vote.spoke_ms and at_ms >= vote.set_ms:
        vote.spoke_ms = at_ms
        vote.changed = True
        if had_set:
            book.note_spoken(vote)
    if new:
        book.settle(vote)
    if new & SET:
        book.note_set(vote)


def _tell(book: WatchBook, vote: Vote, new: int, item: NotedReport, at_ms: int) -> None:
    vote.changed = True
    if not vote.bits & _BEGINS:
        vote.net, vote.epoch = item.net, book.epoch_at(at_ms)
        if item.node or vote.node != HERE:
            book.move(vote, book.number_of(item.node))
    if new & SET:
        vote.set_ms = at_ms
    if new & _FAILURES:
        vote.failed_ms = vote.failed_ms or at_ms
        if not vote.cause or (new & BOOT):
            vote.cause = item.cause
    vote.bits |= new
