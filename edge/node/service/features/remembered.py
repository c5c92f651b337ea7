"""Answers that stand: bulk answers by what a context says and, of what differs from device to device, by its traits.

All clients that agree in both get the same features. What answers depend on is stated by the app's compiled features;
where that is more than traits, the client is answered one by one. An app's answers are forgotten with its snapshot.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from sys import getsizeof

from xxhash import xxh3_64_intdigest

from edge.domain.app_parts.stored_features import Feature
from edge.domain.buckets import BUCKETS
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import NO_FACTS, DeviceFacts
from edge.domain.features.evaluation import Evaluation, Subject
from edge.domain.model import AppId
from edge.domain.targeting.traits import Draw, Traits
from edge.node.service.features.feature_replies import FeatureReply, squeezed
from edge.wire.ofrep.answers import (
    BulkAnswer,
    EncodedPiece,
    encode_keyless,
    encode_piece,
    etag_of,
    join_answer,
    whole_answer,
)
from edge.wire.ofrep.context import AskedContext, SaidAttributes, check_of

# To find one out costs 0.4 µs; to evaluate 50 features some 40 µs.
TRAITS_LIMIT = 24
ANSWERS_LIMIT = 256  # of one context: where shares divide devices into more kinds, the rest is answered one by one
# A worker: 2,300 answers of 50 features, plain and compressed, in all contexts of all apps.
ANSWERS_LIMIT_BYTES = 32 * 2**20
SEEN_LIMIT = 65_536  # contexts that were asked with once, by their hashes; the next one empties the list
ENDS_LIMIT = 8  # of one answer: an app's keys have streams of their own, and those change with the hour
PERIOD_SECONDS = 10.0  # full room is emptied at most so often: what is asked most is the first to stand again
_CONTEXT_BYTES, _ANSWER_BYTES = 1_500, 2_400  # without its bytes, but with the heads that the lane keeps

ContextKey = tuple[bool, bool, SaidAttributes]  # for a server; with a targeting key; what the context says


class StandingFeatures:
    """A bulk answer; `whole` adds the stream of changes. `exposed` are the evaluations that are noted of devices."""

    __slots__ = ("_bulk", "_ends", "app", "exposed")

    def __init__(self, app: str, bulk: BulkAnswer, exposed: Sequence[Evaluation]) -> None:
        self.app, self._bulk, self.exposed = app, bulk, exposed
        self._ends: dict[tuple[int, str], tuple[FeatureReply, FeatureReply]] = {}

    @property
    def size_bytes(self) -> int:
        return len(self._bulk.text)

    def whole(self, turn: int, stream: str, held: Collection[str] = (), *, stands: bool) -> FeatureReply:
        """With the stream at this address, whose turn is in the entity tag; 304 if the client's tags, `held`, have it.
        What `stands` is given again, so it is compressed, and kept."""
        found = self._ends.get((turn, stream))
        if found is None:
            found = self._make(turn, stream, stands)
            if stands:
                self._keep(turn, stream, found)
        reply, unchanged = found
        return unchanged if reply.etag in held else reply

    def _make(self, turn: int, stream: str, stands: bool) -> tuple[FeatureReply, FeatureReply]:
        body, etag = whole_answer(self._bulk, stream), etag_of(self._bulk, turn)
        packed = squeezed(body) if stands else None
        reply = FeatureReply(200, body, self.app, etag, packed, ready={} if stands else None)
        return reply, FeatureReply(304, b"", self.app, etag, ready={} if stands else None)

    def _keep(self, turn: int, stream: str, replies: tuple[FeatureReply, FeatureReply]) -> None:
        for place in [each for each in self._ends if each[0] not in (0, turn)]:  # of hours that are over
            del self._ends[place]
        if len(self._ends) >= ENDS_LIMIT:
            self._ends.clear()
        self._ends[turn, stream] = replies


class AppAnswers:
    """Of one app's snapshot. Its evaluations are encoded once."""

    def __init__(self, snapshot: AppSnapshot) -> None:
        self.snapshot = snapshot
        self.features = snapshot.features
        self._pieces: dict[int, tuple[Evaluation, EncodedPiece]] = {}  # by identity; it holds what has it
        self._keyless: dict[str, EncodedPiece] = {}
        self._draws = {name for name, each in self.features.features.items() if _draws(each.traits)}
        self._needs_key: dict[str, bool] = {}
        self._noted = frozenset(name for name, each in self.features.features.items() if is_noted(each.feature))
        self.standing: dict[ContextKey, StandingContext] = {}
        self.held_bytes = 0

    def end(self) -> None:
        """Nothing of it stands from now on, whoever holds a part."""
        for each in self.standing.values():
            each.end()

    def decide(self, asked: AskedContext, facts: DeviceFacts, *, for_server: bool) -> StandingFeatures:
        """The answer to one client."""
        subject = Subject(check_of(self.snapshot.app, asked), facts, asked.key)
        found = self.features.evaluate_all(subject, public=not for_server)
        piece_of = self.piece if asked.key else self._without_key
        pieces = [piece_of(each) for each in found]
        return StandingFeatures(self.snapshot.app, join_answer(pieces), self.noted(found))

    def noted(self, given: Sequence[Evaluation]) -> Sequence[Evaluation]:
        """Those of which it is recorded who gets them."""
        return [each for each in given if each.key in self._noted] if self._noted else ()

    def piece(self, evaluation: Evaluation) -> EncodedPiece:
        """One feature of an answer."""
        held = self._pieces.get(id(evaluation))
        if held is not None and held[0] is evaluation:
            return held[1]
        made = encode_piece(evaluation)
        self._pieces[id(evaluation)] = evaluation, made
        return made

    def needs_key(self, name: str) -> bool:
        """Whether the feature draws by the targeting key, itself or by what it needs."""
        needs = self._needs_key.get(name)
        if needs is None:
            wanted = self.features.features[name].prerequisites
            needs = name in self._draws or any(self.needs_key(each.feature) for each in wanted)
            self._needs_key[name] = needs
        return needs

    def _without_key(self, evaluation: Evaluation) -> EncodedPiece:
        name = evaluation.key
        if self.features.features[name].always is not None or not self.needs_key(name):
            return self.piece(evaluation)
        return self._keyless.setdefault(name, encode_keyless(name))


class StandingContext:
    """The answers to one context, by the traits of devices; none once it `is_over`."""

    __slots__ = ("_answers", "_draws", "_others", "_reads_custom_id", "_varies", "is_over")

    def __init__(self, traits: Traits) -> None:
        self._draws = tuple((each.salt, each.borders) for each in traits.read if isinstance(each, Draw))
        self._others = tuple(each for each in traits.read if not isinstance(each, Draw))
        self._reads_custom_id = traits.custom_id
        self._varies = traits.device_id or len(traits.read) > TRAITS_LIMIT
        self._answers: dict[tuple[int, ...], StandingFeatures] = {}
        self.is_over = False

    def kind_of(self, key: bytes, custom_id: str) -> tuple[int, ...] | None:
        """Clients of one kind get one answer; `key` is as of an AskedContext. None: this one's may be its own."""
        if self._varies or (custom_id and self._reads_custom_id):
            return None
        # `Draw.of`, whose calls would take twice the time.
        drawn = [bisect_right(borders, xxh3_64_intdigest(salt + key) % BUCKETS) for salt, borders in self._draws]
        return tuple(drawn + [trait.of(key, custom_id) for trait in self._others] if self._others else drawn)

    def get(self, kind: tuple[int, ...] | None) -> StandingFeatures | None:
        return self._answers.get(kind) if kind is not None else None

    def add(self, kind: tuple[int, ...], answer: StandingFeatures) -> None:
        if len(self._answers) < ANSWERS_LIMIT:
            self._answers[kind] = answer

    def end(self) -> None:
        self.is_over = True
        self._answers.clear()


class FeatureMemory:
    """Of one worker, for all apps. `given` counts answers that stood, `decided` the others."""

    def __init__(self, limit_bytes: int = ANSWERS_LIMIT_BYTES) -> None:
        self._apps: dict[AppId, AppAnswers] = {}
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._emptied = 0.0
        self._seen: set[int] = set()
        self.given = self.decided = 0

    @property
    def held_bytes(self) -> int:
        """An estimate from above."""
        return self._held_bytes

    def of_app(self, snapshot: AppSnapshot) -> AppAnswers:
        """Those of this snapshot; another one's are forgotten."""
        found = self._apps.get(snapshot.app)
        if found is None or found.snapshot is not snapshot:
            self.forget(snapshot.app)
            found = self._apps[snapshot.app] = AppAnswers(snapshot)
        return found

    def forget(self, app: AppId) -> None:
        """The app has another snapshot, or none."""
        if (found := self._apps.pop(app, None)) is not None:
            self._held_bytes -= found.held_bytes
            found.end()

    def standing(self, snapshot: AppSnapshot, asked: AskedContext, *, for_server: bool) -> StandingContext | None:
        """What stands for such a context."""
        return self.of_app(snapshot).standing.get((for_server, bool(asked.key), asked.said))

    def answer(
        self,
        snapshot: AppSnapshot,
        asked: AskedContext,
        facts: DeviceFacts,
        now: float,
        *,
        for_server: bool,
        admits: Callable[[], bool] = lambda: True,
    ) -> StandingFeatures | None:
        """The bulk answer to a client. `facts` are NO_FACTS unless segments of the features read what they say; `now`
        in seconds of any clock that runs on. None: none stands, and deciding one is not admitted."""
        answers = self.of_app(snapshot)
        standing = kind = None
        if facts is NO_FACTS:
            context = for_server, bool(asked.key), asked.said
            standing = answers.standing.get(context) or self._begin(answers, context, now)
            kind = standing.kind_of(asked.key, asked.custom_id) if standing is not None else None
            found = standing.get(kind) if standing is not None else None
            if found is not None:
                self.given += 1
                return found
        if not admits():
            return None
        self.decided += 1
        answer = answers.decide(asked, facts, for_server=for_server)
        wanted = 2 * answer.size_bytes + _ANSWER_BYTES
        if standing is not None and kind is not None and self._take(answers, wanted, now):
            standing.add(kind, answer)
        return answer

    def _begin(self, answers: AppAnswers, context: ContextKey, now: float) -> StandingContext | None:
        """None for a context that nobody has asked with before, of late: many are asked with once."""
        place = hash((answers.snapshot.app, context))
        if place not in self._seen:
            if len(self._seen) >= SEEN_LIMIT:
                self._seen.clear()
            self._seen.add(place)
            return None
        texts = sum(getsizeof(each) for each in context[2] if isinstance(each, str))  # a stranger's may have 60 kB
        if not self._take(answers, _CONTEXT_BYTES + texts, now):
            return None
        standing = answers.standing[context] = StandingContext(answers.features.depends_on)
        return standing

    def _take(self, answers: AppAnswers, wanted: int, now: float) -> bool:
        """Whether there was room. What fills it makes room for the next, at most once a period."""
        if self._held_bytes + wanted > self._limit_bytes:
            if abs(now - self._emptied) >= PERIOD_SECONDS:
                self._emptied = now
                for each in self._apps.values():
                    each.end()
                self._apps.clear()
                self._held_bytes = 0
            return False
        self._held_bytes += wanted
        answers.held_bytes += wanted
        return True


def is_noted(feature: Feature) -> bool:
    """Whether it is recorded who gets which value of it."""
    return feature.noted or feature.experiment is not None


def _draws(traits: Traits) -> bool:
    return any(isinstance(each, Draw) for each in traits.read)
