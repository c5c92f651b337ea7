"""A guard on a store, with a release that is being rolled out."""

from dataclasses import dataclass, field

import msgspec
from factories import APP, NOW
from truths import Truth

from edge.assembly.guarding.guard_duty import GuardDuty
from edge.domain.changes.commands import (
    MoveRollout,
    StartRollout,
)
from edge.domain.changes.guard.guard_commands import GuardSettings, SetGuard
from edge.domain.errors import Unavailable
from edge.domain.guarding.evidence import Evidence, Verdict
from edge.domain.guarding.reported import ReportedUntil
from edge.domain.guarding.watch import rules_of, watch_of
from edge.domain.schedule.rollout import Move
from edge.store.damage import NotTaken

LATER = NOW + 1_000.0


@dataclass
class Node:
    """A guard on a store, with workers that take everything and an outbox that may refuse."""

    truth: Truth
    now: float = LATER
    announced: list = field(default_factory=list)
    posted: list = field(default_factory=list)
    guarding: list = field(default_factory=list)
    known: Evidence | None = None
    refuses: bool = False
    blind: str = ""
    on: str = "production"
    nodes: tuple[ReportedUntil, ...] = ()

    def __post_init__(self):
        releases = self.truth.releases
        self.guard = GuardDuty(
            *(releases, releases.heads, self._announce, self._standing, self._post, lambda: self.now),
            tell_guarding=self.guarding.append,
            blindness=lambda: self.blind,
            nodes=lambda: self.nodes,
        )

    async def _announce(self, app, head):
        self.announced.append((app, head.revision))
        return NotTaken()

    async def _standing(self, app, channel):
        return self.known

    async def _post(self, notice):
        if self.refuses:
            raise Unavailable("outbox_unavailable", "the disk is full")
        self.posted.append(notice)

    @property
    def channel(self):
        return self.truth.releases.load(APP).channels[self.on]

    def evidence(self, verdict=Verdict.FAILS, **changes) -> Evidence:
        watch = watch_of(self.channel)
        assert watch is not None
        told = Evidence(
            app=APP,
            watch=watch.id,
            as_of_ms=int(self.now * 1000),
            verdict=verdict,
            offered=300,
            attempts=96,
            failed=14,
            low=0.055,
            high=0.29,
            reason="14 of 96 installs failed, 5.5 to 29 %; the limit is 2 %",
            rules=rules_of(watch.policy),
        )
        return msgspec.structs.replace(told, **changes)

    async def find(self, verdict=Verdict.FAILS, **changes):
        await self.guard.hear(self.evidence(verdict, **changes))
        await self.guard.act()
        await self.guard.tell()

    async def unseen(self):
        await self.guard.look()
        await self.guard.stop_unseen()

    def last(self):
        return self.truth.releases.history(APP, 1)[0]


def rules(**settings) -> SetGuard:
    return SetGuard(channel="production", settings=GuardSettings(**settings))


def a_move(move: Move) -> MoveRollout:
    return MoveRollout(channel="production", move=move)


def roll_out(node: Node, *before, **how) -> None:
    for command in before:
        node.truth.commit(command)
    steps = {"steps": (5_000, 50_000, 100_000), "every_seconds": 3_600}
    node.truth.commit(StartRollout(channel="production", bundle="1.1.0", **(steps | how)))
