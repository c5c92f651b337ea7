"""Changes of releases: read the head, apply the change, write the revision, move the head if no other writer has.

Any number of writers may work on one store. A change is made exactly once or refused. A head never refers to a revision
that is not complete, and no revision is lost from the chain.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from typing import NamedTuple

from edge.domain.approving.judging import FrozenNow, NeedsApproval
from edge.domain.changes.apply import NEVER_PROPOSED, ProposedAlready, apply_and_record
from edge.domain.changes.commands import (
    AcceptRestored,
    Change,
    Command,
    CreateApp,
    MoveRollout,
    RollBack,
    Undo,
    WithdrawBundle,
)
from edge.domain.changes.features.feature_commands import SwitchFeature
from edge.domain.changes.going_back.putting_back import to_propose
from edge.domain.changes.guard.guard_commands import GuardActs, GuardDeed
from edge.domain.changes.messages.message_commands import CancelMessage
from edge.domain.errors import Conflict, Invalid, NotFound, Unavailable
from edge.domain.model import AppId, AppState
from edge.domain.schedule.rollout import Move
from edge.store.acceptance import Acceptance, AcceptedBy, AcceptedShard
from edge.store.blobs import check_references
from edge.store.disk.room import NoReserve, Reserve
from edge.store.heads import (
    OLDER,
    SHARDS,
    Head,
    HeadShard,
    VerifiedShard,
    build_successor,
    encode_shard,
    has_history,
    shard_of,
)
from edge.store.key_set import Trust
from edge.store.objects.port import AlreadyExists, ObjectStore, Stale, head_key
from edge.store.reading import ReleaseReader, parts_of
from edge.store.revision_document import Revision
from edge.store.revisions import Revisions
from edge.store.signing import Writer
from edge.store.stored_document import Untrusted, refusal_of

__all__ = ["Committed", "Head", "Releases", "Revisions"]

COMMIT_ATTEMPT_LIMIT = 50  # each lost attempt is another's success in the same shard; more means overload
REFRESH_AFTER_SECONDS = 60.0  # how old a shard's proof of freshness may be before any writer signs it again

_MENDS = {  # what can be done about the latest revision, by what is wrong with it
    "missing_object": "restore it, or go on from the latest revision that is there with `edge store accept-restored`",
    "bad_digest": "run `edge store repair --from COPY`, with a copy of the store from a backup",
}

log = logging.getLogger("edge.store")

# Takes the states before and after a change, None before an app's first; raises Forbidden.
Permit = Callable[[AppState | None, AppState], None]


class Committed(NamedTuple):
    """`changed` is False if the change altered nothing or was made before: then nothing was written. `before` is the
    state that it was applied to; None for an app's first. `recorded` is the change as its revision has it."""

    state: AppState
    head: Head
    changed: bool
    before: AppState | None
    recorded: Change


class Rehearsed(NamedTuple):
    """The states before and after a change that was only tried: the same object if it would alter nothing. `before` is
    None for a new app. `waits`: it would wait for approval, and this is why; "" if it would be made."""

    before: AppState | None
    after: AppState
    waits: str = ""


class Releases(ReleaseReader):
    """The releases in a store, for a writer. Safe among threads; every call blocks."""

    def __init__(self, store: ObjectStore, writer: Writer, trust: Trust, reserve: Reserve | None = None) -> None:
        """What stops something, and a shard's new signature, may use `reserve` when the disk is full. Raises Forbidden
        `unlisted_writer`."""
        super().__init__(store, trust)
        trust.require(writer)
        self._reserve = reserve or NoReserve()
        self._writer = writer
        self._acceptance = Acceptance(store, writer, self.shards, self._revisions, self._remembered)
        # One process's threads take turns instead of undoing each other's attempts.
        self._turns = {shard: threading.Lock() for shard in SHARDS}

    def commit(self, app: AppId, change: Change, permit: Permit | None = None, at: int | None = None) -> Committed:
        """Make the change: durable and visible to every reader of the store when it returns.

        `permit` is called at every attempt, with what the change makes of the app. `at`: only if that is the latest
        revision, else Conflict `somebody_was_faster`; a repeat of a change that has landed is none.

        Raises what `permit` and `apply` raise, Invalid `missing_blob`, TooLarge `revision_too_large`, Untrusted,
        Conflict `older_store` for a shard that is refused, and `busy` if others moved the shard at every attempt, and
        DiskFull. Nothing has changed then.
        """
        shard = shard_of(app)
        with self._turns[shard]:
            for _ in range(COMMIT_ATTEMPT_LIMIT):
                held = self._changeable(shard)
                try:
                    return self._with_room(change, partial(self._attempt, held, app, change, permit, at))
                except (AlreadyExists, Stale):
                    continue
        raise Conflict("busy", f"app {app!r}: other writers won {COMMIT_ATTEMPT_LIMIT} times in a row; try again")

    def rehearse(self, app: AppId, change: Change, permit: Permit | None = None) -> Rehearsed:
        """Try the change without writing anything, as if it were approved. Raises as `commit`, but does not check for
        blobs."""
        try:
            return self._apply(self._changeable(shard_of(app)), app, change, permit)[1]
        except NeedsApproval as needs:
            if isinstance(to_propose(change.command, needs), NEVER_PROPOSED):
                raise
            return Rehearsed(needs.before, needs.after, needs.message)
        except ProposedAlready as waits:
            return Rehearsed(waits.after, waits.after, waits.message)

    def put_keys_back(self, *, dry: bool) -> str:
        """What was wrong with the key set that is replaced by the one that this node has seen, unless `dry`; empty if
        nothing was."""
        with suppress(Untrusted):
            self._trust.reload()
        problem = self._trust.problem
        self._trust.put_back(dry=dry)
        return problem

    def accept_restored(self, by: AcceptedBy, *, dry: bool, every: bool = False) -> list[AcceptedShard]:
        """Accept the head shards that are refused, or all; see `acceptance`."""
        with ExitStack() as turns:
            for shard in SHARDS:
                turns.enter_context(self._turns[shard])
            return self._acceptance.run(by, dry=dry, every=every)

    def refresh(self, now: float, at_once: int = 1) -> int:
        """Sign again the shards whose proof is over a minute old, and create missing ones; returns how many. `now` is
        in seconds since the epoch; `at_once` are renewed side by side.

        A refused shard stays as it is; one that another writer has just moved is fresh.
        """
        if at_once == 1:
            return sum(self._refresh(shard, now) for shard in SHARDS)
        with ThreadPoolExecutor(at_once, "refresh") as threads:
            due = [shard for shard in SHARDS if not self._is_fresh(shard, now)]
            return sum(threads.map(lambda shard: self._refresh(shard, now), due))

    def _is_fresh(self, shard: str, now: float) -> bool:
        """As this process knows, without asking a store that is far away."""
        return abs(now - self.shards.known(shard).issued) <= REFRESH_AFTER_SECONDS

    def _changeable(self, shard: str) -> VerifiedShard:
        """Raises Conflict `older_store` for a refused shard."""
        try:
            return self.shards.shard(shard)
        except Untrusted as error:
            raise refusal_of(error) from error

    def _apply(
        self, held: VerifiedShard, app: AppId, change: Change, permit: Permit | None
    ) -> tuple[Revision | None, Rehearsed, Change]:
        """Apply the change without writing; also returns the revision that it was applied to, and the change as it is
        recorded."""
        head = held.shard.apps.get(app)
        if head is None and has_history(self._store, app):
            lost = f"head shard {shard_of(app)} has lost app {app!r}, whose revisions are in the store"
            raise refusal_of(Untrusted(OLDER, lost))
        before = self._read_head(app, head) if head else None
        earlier = self._before(app, before) if before and isinstance(change.command, Undo) else None
        if before is None and not isinstance(change.command, CreateApp | AcceptRestored):
            raise NotFound("unknown_app", f"unknown app {app!r}")
        try:
            state, recorded = apply_and_record(before.state if before else None, change, earlier)
        except (NeedsApproval, FrozenNow) as refused:
            if permit is not None:  # what a person may not do is not for others to approve
                permit(refused.before, refused.after)
            raise
        if state.app != app:
            raise Invalid("wrong_app", f"a change that creates app {state.app!r} was sent to app {app!r}")
        if permit is not None:
            permit(before.state if before else None, state)
        return before, Rehearsed(before.state if before else None, state), recorded

    def _read_head(self, app: AppId, head: Head) -> Revision:
        """What a change is applied to; a missing or altered one is named with what can be done."""
        try:
            return self._revisions.read(app, *parts_of(head))
        except Unavailable as error:
            advice = _MENDS.get(error.code)
            if advice is None:
                raise
            raise type(error)(error.code, f"{error.message}; {advice}") from error

    def _with_room(self, change: Change, attempt: Callable[[], Committed]) -> Committed:
        return self._reserve.lending(attempt) if stops_something(change.command) else attempt()

    def _attempt(
        self, held: VerifiedShard, app: AppId, change: Change, permit: Permit | None, at: int | None
    ) -> Committed:
        head = held.shard.apps.get(app)
        before, (was, state, _), recorded = self._apply(held, app, change, permit)
        if head and state is was:
            return Committed(state, head, changed=False, before=was, recorded=change)
        if at is not None and (head.revision if head else 0) != at:
            raise Conflict("somebody_was_faster", f"app {app!r} is not at revision {at} any more; nothing was changed")
        with self._store.referring():
            check_references(self._store, was, state)
            digest = self._revisions.write(state, recorded, before, head.digest if head else None)
            moved = Head(state.revision, digest, deleted=bool(state.deleted))
            self._move(held, build_successor(held.shard, change.at, {**held.shard.apps, app: moved}))
        self._remembered.note(state, was)
        return Committed(state, moved, changed=True, before=was, recorded=recorded)

    def _before(self, app: AppId, revision: Revision) -> AppState | None:
        """The state before a revision; None for the first."""
        if revision.previous is None:
            return None
        return self.load_revision(app, revision.previous_number, revision.previous)

    def _refresh(self, shard: str, now: float) -> bool:
        with self._turns[shard]:
            try:
                held = self.shards.shard(shard)
                # Also one from the future: a clock that was wrong once must not stop renewal.
                if held.tag is not None and abs(now - held.shard.issued) <= REFRESH_AFTER_SECONDS:
                    return False
                self._sign_again(held, now)
            except Untrusted:
                return self._overrule(shard, now)
            except (AlreadyExists, Stale):
                return False
        return True

    def _sign_again(self, held: VerifiedShard, now: float) -> None:
        successor = build_successor(held.shard, now, held.shard.apps)
        self._reserve.lending(lambda: self._move(held, successor))

    def _overrule(self, shard: str, now: float) -> bool:
        """Put the last good shard back in place of one that a key signed after it was revoked."""
        held = self.shards.overruled(shard)
        if held is None:
            return False
        with suppress(AlreadyExists, Stale):
            self._sign_again(held, now)
            log.warning("head shard %s was signed by a key that is revoked: the last good one is back", shard)
        return True

    def _move(self, held: VerifiedShard, shard: HeadShard) -> None:
        """The commit point. Raises AlreadyExists or Stale if another writer was first."""
        key, content = head_key(shard.shard), encode_shard(self._writer, shard)
        tag = self._store.create(key, content) if held.tag is None else self._store.swap(key, content, held.tag)
        self.shards.remember(VerifiedShard(shard, tag), content)


def stops_something(command: Command) -> bool:
    """Whether it keeps devices from something bad: that must be possible on a full disk, too."""
    if isinstance(command, MoveRollout):
        return command.move in (Move.PAUSE, Move.ROLL_BACK)
    if isinstance(command, GuardActs):
        return command.deed not in (GuardDeed.ADVANCE, GuardDeed.WAIT)
    if isinstance(command, SwitchFeature):
        return not command.on
    return isinstance(command, RollBack | WithdrawBundle | CancelMessage)
