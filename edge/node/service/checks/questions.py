"""Answers checks whose question was asked before, as the full way would and with the same notes, for a few look-ups.

1. `template` cuts the ids out of the body. The rest, the base address and the country are the question.
2. `standing` has the answers to it that stand since the last tick of the clock; else `known_questions` has its meaning,
   and it is decided again. Where the members may have any order, both know all orders as one (`member_order`). A
   question that is not known goes the full way, and may be known the next time.
3. The device's traits say which answer it gets, its facts whether anything is against that. If so it is decided for,
   without parsing.

A swap of the app's snapshot, or a tick, ends what stands, and when it fills its room all of it is decided anew. What is
overloaded or not served is answered the full way.
"""

from xxhash import xxh3_64_intdigest

from edge.domain.decision.dependence import facts_matter
from edge.domain.decision.outcomes import Decision
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import NO_FACTS, is_on_its_way, is_only_on_its_way
from edge.domain.model import AppId, UpdateCheck
from edge.node.service.checks.check_service import CheckService
from edge.node.service.checks.known_questions import QuestionKey, QuestionMemory
from edge.node.service.checks.member_order import form_of_members
from edge.node.service.checks.standing import STANDING_LIMIT_BYTES, GivenAnswer, Room, Standing
from edge.node.service.checks.template import cut_custom_id, cut_device
from edge.node.service.common_answers import Reply
from edge.node.service.heard.check_notes import NUMBERS_LIMIT, PLACES
from edge.node.service.peers import NOWHERE, Whence

READY_LIMIT_BYTES = 4 * 1024  # of a body that is kept with its head: offers of some 15 files, and all other answers


class Questions:
    """In front of `full`, the service that parses and decides every check. `room` is for what stands, in bytes."""

    def __init__(self, full: CheckService, room: int = STANDING_LIMIT_BYTES) -> None:
        self.memory = QuestionMemory()
        self._full = full
        self._moments = full.moments
        self._overload = full.overload
        self._snapshot = full.current.snapshot
        self._facts_of = full.facts.of_name
        self._standing: dict[QuestionKey, Standing] = {}
        self._limit, self._room = room, Room(room)
        self._notes, self._seed = full.notes, full.notes.seed
        self._marks, self._checks = full.notes.marks, full.notes.counts
        self._decisions = full.counts.decisions
        full.counts.fold = self._fold
        self._moments.turned = self._begin_turn

    def take(self, body: bytes, base: str, country: str = "", whence: Whence = NOWHERE) -> Reply:
        """As `CheckService.take`. Raises NotLoaded."""
        cut = cut_device(body)
        if cut is None:
            return self._full.take(body, base, country, whence)
        words, device = cut
        key, custom_id = (words, base, country), b""
        standing = self._standing.get(key)
        if standing is None:
            without = cut_custom_id(words)
            if without is None:
                return self._full.take(body, base, country, whence)
            template, custom_id = without
            key = template, base, country
            standing = self._standing.get(key) or self._find(key)
        if standing is None or (standing.snapshot is not self._snapshot(standing.app) and not self._renew(standing)):
            return self._take_fully(key, body, whence)
        device = device.lower()
        person = custom_id.decode() if custom_id else ""
        if self._overload.overloaded or self._full.unserved:
            return self._decide(standing, device, person, base, whence)
        answer = standing.only or standing.answer(device, person)
        if answer is None or not (answer.is_all or self._holds(answer, standing, device, person, whence)):
            return self._decide(standing, device, person, base, whence)
        answer.given += 1
        # `CheckNotes.note`, but for the kind, which is known: calls would take twice the time.
        digest = xxh3_64_intdigest(device, self._seed)
        number = self._marks[digest % PLACES] ^ digest ^ answer.kind.seed
        if number >= NUMBERS_LIMIT:
            number = standing.remember(self._notes, answer.kind, digest, device, person)
        self._checks[number] += 1
        return answer.reply

    def _decide(self, standing: Standing, device: bytes, custom_id: str, base: str, whence: Whence) -> Reply:
        """The full way, but for parsing."""
        standing.decided += 1
        body = self._full.answer(standing.check_of(device, custom_id), base, whence)
        return Reply(200, body, standing.app)

    def _holds(self, answer: GivenAnswer, standing: Standing, device: bytes, custom_id: str, whence: Whence) -> bool:
        """Whether no fact is against the answer; then what is to be noted and counted is."""
        full, facts = self._full, NO_FACTS
        if answer.needs_facts:
            facts = self._facts_of(standing.app_name + device)
            if standing.snapshot.asks_facts:
                facts = full.facts.with_behaviour(facts, standing.app_name + device)
            if answer.waits and is_only_on_its_way(facts, answer.waits):
                return True
            if facts is not NO_FACTS and facts_matter(standing.snapshot, facts):
                return False
        if not standing.check.plugin.listed:
            full.counts.others["unlisted_plugin_releases"] += 1
        if answer.notes_arm or (answer.bundle and not is_on_its_way(facts, answer.bundle)):
            check = standing.check_of(device, custom_id)
            full.note(standing.snapshot, check, answer.decision, facts, standing.moment.now, whence)
        return True

    def _take_fully(self, key: QuestionKey, body: bytes, whence: Whence) -> Reply:
        _, base, country = key
        reply = self._full.take(body, base, country, whence)
        if reply.app and self._snapshot(AppId(reply.app)) is not None:
            self.memory.note(key, self._full.current.apps, self._moments.now)
        return reply

    def _find(self, key: QuestionKey) -> Standing | None:
        """What stands for the question in another order, or begins to stand for it."""
        if self.memory.is_odd(key):
            return None
        template, base, country = key
        form = form_of_members(template)
        if form is not None:
            unordered = form, base, country
            standing = self._standing.get(unordered)
            if standing is None and (standing := self._stand(unordered)) is not None:
                self._standing[key] = standing  # most systems write one order: the next look-up needs no sorting
            if standing is not None:
                return standing
        return self._stand(key)

    def _stand(self, key: QuestionKey) -> Standing | None:
        """Decide a known question anew."""
        question = self.memory.get(key)
        snapshot = self._snapshot(question.check.app) if question is not None else None
        if question is None or snapshot is None:
            return None
        if self._room.left <= 0:
            self._begin_turn()
        _, base, _ = key

        def reply(snapshot: AppSnapshot, check: UpdateCheck, decision: Decision) -> Reply:
            body = self._full.encode(snapshot, check, decision, base)
            return Reply(200, body, check.app, {} if len(body.plain) <= READY_LIMIT_BYTES else None)

        moment = self._moments.of(snapshot.shard)
        standing = self._standing[key] = Standing(question, snapshot, moment, reply, self._notes.kind_of, self._room)
        return standing

    def _renew(self, standing: Standing) -> bool:
        """Decide it by the snapshot that is served now; False if there is none."""
        snapshot = self._snapshot(standing.app)
        if snapshot is None:
            return False
        self._fold_one(standing)
        standing.begin(snapshot, self._moments.of(snapshot.shard))
        return True

    def _begin_turn(self) -> None:
        self._fold()
        self._notes.turn(self._moments.now)
        self._standing.clear()
        self._room.left = self._limit

    def _fold(self) -> None:
        """Add what was counted at the answers to the counts of the service."""
        for standing in self._standing.values():
            self._fold_one(standing)

    def _fold_one(self, standing: Standing) -> None:
        for answer in standing.answers():
            if answer.given:
                self._decisions[answer.decision.code] += answer.given
                standing.question.asked += answer.given
                answer.given = 0
        standing.question.asked += standing.decided
        standing.decided = 0
