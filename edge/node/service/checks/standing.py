"""The answers to one question that stand: those of one snapshot of the app, at one tick of the clock.

Which of them a device gets depends on its traits alone; where it may depend on more there is none, and the check is
decided for that device. Device ids are in lower case, as bytes.
"""

from collections.abc import Callable

from xxhash import xxh3_64_intdigest

from edge.domain.decision.decide import decide
from edge.domain.decision.dependence import depends_on, needs_facts
from edge.domain.decision.outcomes import Decision, Offer, UpToDate
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import NO_FACTS, DeviceFacts, name_hash
from edge.domain.model import DeviceId, UpdateCheck
from edge.domain.schedule.rollout import Moment
from edge.domain.statistics.device_key import key_of_digest
from edge.node.service.checks.known_questions import Question
from edge.node.service.common_answers import Reply
from edge.node.service.heard.check_notes import CheckKind, CheckNotes
from edge.node.service.heard.kinds import CommonSegments, common_segments

TRAITS_LIMIT = 8  # to find one out costs some 0.4 µs: with more of them, to decide costs little more
ANSWERS_LIMIT = 64  # of one question: where traits divide devices into more kinds, the rest is decided one by one
# A worker, between two ticks: 4,000 questions with an offer of a kilobyte each.
STANDING_LIMIT_BYTES = 32 * 2**20
_QUESTION_BYTES = 3_000  # the largest template, in two orders, and what stands for it
_ANSWER_BYTES = 800  # without copies that are ready
_COPIES, _HEAD_BYTES = 4, 400  # with `Connection: close` or without, to who takes gzip or not

Replying = Callable[[AppSnapshot, UpdateCheck, Decision], Reply]
Sorting = Callable[[AppSnapshot, UpdateCheck, Decision, DeviceFacts, Moment], CheckKind]


class GivenAnswer:
    """One decision, with its reply. `given` counts the devices that it was given to; `is_all`: there is nothing to look
    up or to note. `waits`: nor is there for a device of which nothing is known but that this bundle is on its way."""

    __slots__ = ("bundle", "decision", "given", "is_all", "kind", "needs_facts", "notes_arm", "reply", "waits")

    def __init__(
        self, decision: Decision, needs_facts: bool, usual: bool, listed: bool, kind: CheckKind, reply: Reply
    ) -> None:
        self.decision = decision
        self.kind = kind  # under which the checks are noted that get it
        self.needs_facts = needs_facts  # which may be against it
        self.notes_arm = isinstance(decision, Offer | UpToDate) and bool(decision.arm)
        self.bundle = name_hash(decision.bundle.version) if isinstance(decision, Offer) else 0
        self.is_all = listed and not (needs_facts or self.notes_arm)
        self.waits = self.bundle if usual and listed and not self.notes_arm else 0
        self.given = 0
        self.reply = reply


class Room:
    """How many more bytes may stand, for all questions together, until the next turn: an estimate from above."""

    __slots__ = ("left",)

    def __init__(self, limit: int = STANDING_LIMIT_BYTES) -> None:
        self.left = limit


class Standing:
    """`only` is the answer that every device gets, unless facts are against that; None: devices differ."""

    __slots__ = (
        *(
            "_answers",
            "_kind_of",
            "_overrides",
            "_read",
            "_reads_custom_id",
            "_reply",
            "_room",
            "_segments",
            "_sort",
            "_varies",
            "app",
            "check",
        ),
        *("app_name", "decided", "moment", "only", "question", "snapshot"),
    )

    def __init__(
        self,
        question: Question,
        snapshot: AppSnapshot,
        moment: Moment,
        reply: Replying,
        sort: Sorting,
        room: Room,
    ) -> None:
        self.question = question
        self.check = question.check
        self.app = question.check.app
        self.app_name = self.app.encode() + b"\0"  # before a device id: its name in the table of facts
        self.decided = 0  # devices that were decided for one by one
        self._reply, self._sort, self._room = reply, sort, room
        room.left -= _QUESTION_BYTES
        self.begin(snapshot, moment)

    def begin(self, snapshot: AppSnapshot, moment: Moment) -> None:
        """Forget all answers: another snapshot is served now."""
        self.snapshot = snapshot
        self.moment = moment
        traits = depends_on(snapshot, self.check, moment)
        self._read, self._reads_custom_id = traits.read, traits.custom_id
        self._kind_of = traits.read[0].of if len(traits.read) == 1 else self._kind_by_many
        self._segments: CommonSegments | None = None
        self._overrides = snapshot.overrides
        self._varies = traits.device_id or len(traits.read) > TRAITS_LIMIT
        self._answers: dict[int | tuple[int, ...], GivenAnswer] = {}
        self.only: GivenAnswer | None = None
        if not (traits.read or traits.device_id or traits.custom_id or snapshot.overrides):
            self.only = self._answers[()] = self._decide(self.check)

    def answer(self, device: bytes, custom_id: str) -> GivenAnswer | None:
        """What the device gets, unless facts about it are against that. None: it has to be decided for."""
        if self._varies or (custom_id and self._reads_custom_id) or (self._overrides and self._has_override(device)):
            return None
        kind = self._kind_of(device, custom_id)
        answer = self._answers.get(kind)
        if answer is None and len(self._answers) < ANSWERS_LIMIT and self._room.left > 0:
            answer = self._answers[kind] = self._decide(self.check_of(device, custom_id))
        return answer

    def remember(self, notes: CheckNotes, kind: CheckKind, digest: int, device: bytes, custom_id: str) -> int:
        """Note the device, whose digest is not remembered with the kind; as `CheckNotes.remember`."""
        common = self._segments
        if common is None:
            common = self._segments = common_segments(self.snapshot, self.check)
        segments = common.fixed
        if common.varying:
            check = self.check_of(device, custom_id)
            segments = common.of(check, notes.with_use(self.snapshot, check, NO_FACTS))
        return notes.remember(kind, digest, segments, key_of_digest(xxh3_64_intdigest(self.app_name + device)))

    def check_of(self, device: bytes, custom_id: str) -> UpdateCheck:
        return self.check._replace(device=DeviceId(device.decode()), custom_id=custom_id)

    def _kind_by_many(self, device: bytes, custom_id: str) -> tuple[int, ...]:
        return tuple([trait.of(device, custom_id) for trait in self._read])  # a generator costs twice the time

    def _has_override(self, device: bytes) -> bool:
        return self._overrides.get(DeviceId(device.decode())) is not None

    def answers(self) -> list[GivenAnswer]:
        return list(self._answers.values())

    def _decide(self, check: UpdateCheck) -> GivenAnswer:
        decision = decide(self.snapshot, check, self.moment)
        asks = needs_facts(self.snapshot, check, decision)
        reply, usual = self._reply(self.snapshot, check, decision), not self.snapshot.asks_facts
        copies = 0 if reply.ready is None else _COPIES * (_HEAD_BYTES + len(reply.body.plain))
        self._room.left -= _ANSWER_BYTES + copies
        kind = self._sort(self.snapshot, check, decision, NO_FACTS, self.moment)
        return GivenAnswer(decision, asks, usual, check.plugin.listed, kind, reply)
