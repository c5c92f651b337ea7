"""Bulk answers for a few look-ups: where they stand for clients whose requests differ in the targeting key alone.

An entry holds no answer and no snapshot. It is good for one second of the worker's clock, in which no key ends and no
stream's address changes, and while what it names stands, which is over with the app's snapshot. What is not found here
is answered the full way, which enters it.
"""

from typing import NamedTuple

from edge.domain.model import AppId
from edge.node.service.features.asking import FeatureAsk
from edge.node.service.features.feature_replies import FeatureReply
from edge.node.service.features.known_contexts import CONTEXTS_LIMIT, KnownContexts, cut_key
from edge.node.service.features.remembered import StandingContext
from edge.node.service.limits.memory import Memory
from edge.wire.ofrep.conditions import ConfigTag, is_older
from edge.wire.ofrep.context import is_uuid

_Place = tuple[bytes, str, AppId, str]  # the words of a body, the country, the app, the digest of its key


class QuickEntry(NamedTuple):
    """What the full way found: `custom_id` is the context's, `tag` the state of the app's features, `turn` and `stream`
    the address at which this key hears of changes, `moment` the second of the clock."""

    standing: StandingContext
    custom_id: str
    tag: ConfigTag
    turn: int
    stream: str
    moment: float


class QuickAnswers:
    """Of one worker, for all apps. `now` is the worker's clock, which turns once a second; `given` counts answers."""

    def __init__(self, contexts: KnownContexts) -> None:
        self._contexts = contexts
        self._entries = Memory[_Place, QuickEntry](CONTEXTS_LIMIT)
        self.given = 0

    def find(self, ask: FeatureAsk, body: bytes, country: str, now: float) -> FeatureReply | None:
        """None: the full way knows."""
        cut = cut_key(body)
        if cut is None:
            return None
        words, key, _ = cut
        place = words, country, ask.app, ask.key
        entry = self._entries.get(place) or self._entries.find(place)
        if entry is None or entry.moment != now or (ask.heard is not None and is_older(entry.tag, ask.heard)):
            return None
        lowered = key.lower()
        if lowered != key and is_uuid(key):
            key = lowered
        standing, custom_id, _, turn, stream, _ = entry
        answer = standing.get(standing.kind_of(key, custom_id))
        if answer is None or answer.exposed:
            return None
        self.given += 1
        return answer.whole(turn, stream, ask.held, stands=True)

    def enter(self, ask: FeatureAsk, body: bytes, country: str, entry: QuickEntry) -> None:
        """Clients that ask so get what stands there."""
        cut = cut_key(body)
        if cut is None or not self._contexts.knows(cut[0], country):
            return
        place = cut[0], country, ask.app, ask.key
        if place in self._entries:
            self._entries[place] = entry
        else:
            self._entries.note(place, entry)
