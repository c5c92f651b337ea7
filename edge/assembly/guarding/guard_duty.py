"""The guard at work, in the process that holds the node: what was found becomes a change, is announced and told.

A finding is acted on at once, and again after a while if the store cannot be written; the fold after it finds the same
again. What people hear of it is posted until it is on disk: at a start, what was done shortly before is posted again,
and the outbox keeps each notice once.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from edge.assembly.guarding.notices import notice_of
from edge.assembly.guarding.watched_apps import WatchedApps
from edge.domain.changes.commands import Change
from edge.domain.changes.guard.acting import (
    act_on,
    change_id_of,
    hold_at,
    is_due,
    is_soon_known,
    is_unseen,
    may_follow,
    reason_of,
    stop_unseen,
    wait_at,
    waits_for,
)
from edge.domain.changes.guard.guard_commands import GUARD_NAME, GuardActs
from edge.domain.errors import EdgeError, Unavailable
from edge.domain.guarding.evidence import Evidence
from edge.domain.guarding.reported import ReportedUntil, held_by, missing_sentence
from edge.domain.guarding.watch import Watch
from edge.domain.model import AppId, AppState, UsedId
from edge.messages.notice import Notice
from edge.store.damage import NotTaken
from edge.store.heads import Head
from edge.store.releases import Committed, Releases

LOOK_SECONDS = 2.0  # between two tries of what could not be done
WATCH_SECONDS = 1.0  # between two looks at releases that are new, and at steps whose time is up
TRIES_LIMIT = 300  # ten minutes; a finding that still holds is found again by the next fold
NOTICES_WAITING_LIMIT = 1_000  # beyond it the oldest is dropped: the revision and the log have it
TOLD_AGAIN_SECONDS = 3_600.0  # what was done before a start no longer ago may not have been posted
# A person was first, the release is over, or this was done before.
DECIDED = frozenset({"watch_over", "already_told", "command_id_used", "unknown_app", "unknown_channel", "last_step"})
LINES_READ = 256  # of the history, for that: as many changes as an app's state names

Announce = Callable[[AppId, Head], Awaitable[NotTaken]]
EvidenceOf = Callable[[str, str], Awaitable[Evidence | None]]  # of an app's channel; raises Unavailable
DeedPlan = Callable[[AppState, float], GuardActs | None]
PostNotice = Callable[[Notice], Awaitable[None]]  # raises Unavailable: it is not kept

log = logging.getLogger("edge.guard")


class GuardDuty:
    """`hear` takes what the folding process finds, `run` is a duty of the node. `deeds` counts what was done since the
    start, `given_up` the findings that could not be acted on for too long."""

    def __init__(
        self,
        releases: Releases,
        heads: Callable[[], Mapping[AppId, Head]],
        announce: Announce,
        standing: EvidenceOf,
        post: PostNotice,
        clock: Callable[[], float],
        tell_guarding: Callable[[bool], None],
        blindness: Callable[[], str],
        nodes: Callable[[], tuple[ReportedUntil, ...]] = tuple,
    ) -> None:
        """`heads` are those that this node serves; `clock` is in seconds since the epoch. `tell_guarding` is told after
        each look whether there is a release that the guard may act on. `blindness` is why nothing is counted now, "" if
        it is. `nodes` send their reports here."""
        self.held_steps = 0  # whose time is up, and which nodes that say nothing hold
        self.deeds = Counter[str]()
        self.given_up = 0
        self.watched = WatchedApps(releases, heads)
        self._releases = releases
        self._announce = announce
        self._standing = standing
        self._post = post
        self._clock = clock
        self._tell_guarding = tell_guarding
        self._blindness, self._nodes = blindness, nodes
        self._held_told: set[tuple[str, int]] = set()
        self._began = self._seen_at = clock()
        self._heard = asyncio.Event()
        self._found: dict[tuple[str, str], Evidence] = {}  # by app and watch
        self._tries = Counter[tuple[str, str]]()
        self._notices: dict[str, Notice] = {}  # by id, not posted yet
        self._caught_up: set[AppId] = set()

    @property
    def blocked(self) -> int:
        """How many findings could not be acted on yet."""
        return len(self._tries)

    async def hear(self, evidence: Evidence) -> None:
        """The latest of a watch counts; acting on it is `run`'s. What nothing follows from comes after each fold."""
        watch = self.watched.find(evidence.app, evidence.watch)
        if watch is not None and not may_follow(watch, evidence):
            return
        self._found[evidence.app, evidence.watch] = evidence
        self._heard.set()

    async def run(self) -> None:
        """Until cancelled. A look asks what is known, which may take long: what was found does not wait for it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_looking())
            tasks.create_task(self._keep_acting())

    async def _keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(WATCH_SECONDS)

    async def _keep_acting(self) -> None:
        while True:
            await self.act()
            await self.stop_unseen()
            await self.tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._heard.wait()

    async def act(self) -> None:
        """On everything that was heard."""
        self._heard.clear()
        for key, evidence in list(self._found.items()):
            done = await self._attempt(AppId(key[0]), evidence.reason, partial(_about, evidence))
            self._tries[key] += 1
            if done or self._tries[key] >= TRIES_LIMIT:
                self._tries.pop(key)
                if self._found.get(key) is evidence:  # else a later one came meanwhile
                    del self._found[key]
            if not done and key not in self._tries:
                self.given_up += 1
                log.error("the guard gives up on watch %s of %s, until it finds it again", key[1], key[0])

    async def look(self) -> None:
        """At steps whose time is up, and at what was done before this process began."""
        read = await asyncio.to_thread(self.watched.look)
        self._tell_guarding(self.watched.acting > 0)
        for state in read:
            if state.app not in self._caught_up:
                self._caught_up.add(state.app)
                await self._catch_up(state)
        for app, watch in self._watches():
            if is_due(watch, self._clock()):
                await self._end_step(app, watch)
        await self._tell_held()

    async def _tell_held(self) -> None:
        """Of steps whose time is up and that wait for nodes which say nothing: nobody may be awake to look."""
        now = self._clock()
        held = held_by(self._nodes(), now * 1000)
        due = [(app, watch) for app, watch in self._watches() if held and is_due(watch, now)]
        self.held_steps = len(due)
        steps = {(watch.id, watch.rollout.step) for _, watch in due if watch.rollout is not None}
        self._held_told &= steps
        for app, watch in due:
            step = (watch.id, watch.rollout.step if watch.rollout is not None else 0)
            if step not in self._held_told:
                said = f"{missing_sentence(held, now * 1000)}; without them no step begins"
                if await self._attempt(app, said, partial(_held, watch, held)):
                    self._held_told.add(step)

    async def stop_unseen(self) -> None:
        """Rollouts whose next step would begin by time while nothing is counted."""
        why, now = self._blindness(), self._clock()
        if not why:
            self._seen_at = now
            return
        for app, watch in self._watches():
            if is_unseen(watch, self._seen_at, now):
                said = f"the guard is blind, so no step begins by time: {why}"
                await self._attempt(app, said, partial(_unseen, watch.id, self._seen_at))

    def _watches(self) -> list[tuple[AppId, Watch]]:
        return [(app, each) for app, watches in list(self.watched.watches.items()) for each in watches]

    async def tell(self) -> None:
        """Post the notices of what was done; what cannot be posted now waits."""
        for notice in list(self._notices.values()):
            try:
                await self._post(notice)
            except (Unavailable, OSError) as error:
                log.error("what the guard did cannot be told yet: %s", error)
                return
            del self._notices[notice.id]

    async def _end_step(self, app: AppId, watch: Watch) -> None:
        """Ask what is known, once a step; from then on each fold says when it is enough."""
        state = await asyncio.to_thread(self._load, app)
        if state is None or wait_at(state, watch, None, self._clock()) is None:
            return
        try:
            known = await self._standing(app, watch.channel)
        except EdgeError as error:
            known, why = None, f"what is known cannot be asked: {error.message}"
        else:
            known = known if known is not None and known.watch == watch.id else None
            why = "no device has reported yet" if known is None else self._why_not(watch, known)
        if known is not None and act_on(state, known, self._clock()) is not None:
            await self.hear(known)
        elif known is not None and is_soon_known(watch, known, self._clock()):
            return
        else:
            await self._attempt(app, why, lambda state, now: wait_at(state, watch, known, now))

    async def _attempt(self, app: AppId, why: str, plan: DeedPlan) -> bool:
        """Commit, announce and tell what `plan` makes of the state now. False: the store cannot be read or written."""
        try:
            made = await asyncio.to_thread(self._commit, app, why, plan)
        except (EdgeError, OSError) as error:
            code = error.code if isinstance(error, EdgeError) else ""
            if code in DECIDED:
                log.info("the guard of %s leaves it: %s", app, error)
                return True
            log.error("the guard of %s cannot act: %s", app, error)
            return False
        if made is not None:
            change, committed = made
            self._note(app, change)
            not_taken = await self._announce(app, committed.head)
            if not_taken != NotTaken():
                log.error("workers did not take what the guard did for %s: %s", app, not_taken)
            else:
                log.info("%s: every worker serves revision %d, by the guard", app, committed.head.revision)
        return True

    def _commit(self, app: AppId, why: str, plan: DeedPlan) -> tuple[Change, Committed] | None:
        """None: there is nothing to be done. Blocks."""
        command = plan(self._releases.load(app), self._clock())
        if command is None:
            return None
        change = Change(
            id=change_id_of(app, command),
            at=self._clock(),
            by=GUARD_NAME,
            command=command,
            reason=reason_of(command, why),
        )
        committed = self._releases.commit(app, change)
        return (change, committed) if committed.changed else None

    def _note(self, app: AppId, change: Change) -> None:
        command = change.command
        assert isinstance(command, GuardActs), "the guard makes no other change"
        self.deeds[command.deed.value] += 1
        log.warning("%s %s %s: %s", app, command.channel, command.bundle, change.reason)
        self._queue(notice_of(app, change.id, change.at, change.reason, command))

    def _queue(self, notice: Notice) -> None:
        self._notices[notice.id] = notice
        while len(self._notices) > NOTICES_WAITING_LIMIT:
            log.error("too many notices wait: the oldest is dropped")
            del self._notices[next(iter(self._notices))]

    async def _catch_up(self, state: AppState) -> None:
        """Tell what the guard did shortly before this process began, whose end may have come in between."""
        since = self._began - TOLD_AGAIN_SECONDS
        recent = [each for each in state.recent if isinstance(each, UsedId) and each.by == GUARD_NAME]
        if not any(since <= each.at < self._began for each in recent):
            return
        try:
            lines = await asyncio.to_thread(self._releases.history, state.app, LINES_READ)
        except (EdgeError, OSError) as error:
            log.error("what the guard did for %s before the start cannot be read: %s", state.app, error)
            return
        for line in reversed(lines):
            if isinstance(line.guard, GuardActs) and since <= line.at < self._began:
                self._queue(notice_of(state.app, line.change_id, line.at, line.reason, line.guard))

    def _why_not(self, watch: Watch, known: Evidence) -> str:
        return known.waits or waits_for(watch, known, self._clock()) or _stands_still(known)

    def _load(self, app: AppId) -> AppState | None:
        try:
            return self._releases.load(app)
        except (EdgeError, OSError):
            return None


def _stands_still(known: Evidence) -> str:
    counted = datetime.fromtimestamp(known.as_of_ms / 1000, UTC)
    return f"nothing was counted since {counted:%H:%M} UTC, so too little is known of this step"


def _unseen(watch: str, seen_at: float, state: AppState, now: float) -> GuardActs | None:
    return stop_unseen(state, watch, seen_at, now)


def _held(watch: Watch, held: tuple[ReportedUntil, ...], state: AppState, now: float) -> GuardActs | None:
    return hold_at(state, watch, held, now)


def _about(evidence: Evidence, state: AppState, now: float) -> GuardActs | None:
    return act_on(state, evidence, now)
