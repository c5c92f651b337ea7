"""Answers requests for an app's features in one worker, from memory (OFREP.md).

Takes heads and bodies and returns replies; knows no HTTP library. `take_bulk` answers at once or says that it cannot:
then the app is not loaded, or this node is behind what the client has heard of, and `await_bulk` waits for that.
"""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from edge.domain.app_parts.feature_keys import FeatureKey, KeyFault
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import NO_FACTS, NOT_JUDGED, DeviceFacts
from edge.domain.features.evaluation import Subject
from edge.domain.model import AppId
from edge.node.service.facts_client import FactsClient
from edge.node.service.features.asking import FeatureAsk
from edge.node.service.features.change_streams import ChangeStreams, config_tag
from edge.node.service.features.evaluation_rates import EvaluationRates
from edge.node.service.features.exposures import Exposures
from edge.node.service.features.feature_replies import (
    BUSY,
    TOO_MANY,
    UNAVAILABLE,
    UNKNOWN_APP,
    WRONG_KEY,
    FeatureReply,
    refused,
)
from edge.node.service.features.known_contexts import KnownContexts
from edge.node.service.features.quick_answers import QuickAnswers, QuickEntry
from edge.node.service.features.remembered import FeatureMemory
from edge.node.service.limits.overload import Overload
from edge.node.service.peers import Proxies, Whence, find_peer
from edge.node.service.rollout_clock import Moments
from edge.node.service.snapshots.served import ServedSnapshots
from edge.wire.ofrep.answers import KEY_NEEDED
from edge.wire.ofrep.conditions import is_older
from edge.wire.ofrep.context import AskedContext, check_of, parse_context
from edge.wire.ofrep.refusals import OfrepCode, OfrepRefused, encode_feature_fault

HINT_SECONDS = 3.0  # a region hears of a change within a second or two; a client gives up after 10 s
SINGLE_COST, BULK_COST = 1, 20


class FeatureService:
    """Of one worker. `counts` has what became of requests, under names of this module."""

    def __init__(
        self,
        current: ServedSnapshots,
        facts: FactsClient,
        moments: Moments,
        exposures: Exposures,
        streams: ChangeStreams,
        *,
        overload: Overload,
        proxies: Proxies,
        counts: Counter[str],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.streams = streams
        self.remembered = FeatureMemory()
        self._contexts = KnownContexts()
        self.quick = QuickAnswers(self._contexts)
        self._current, self._facts, self._moments = current, facts, moments
        self._exposures, self._overload, self._proxies = exposures, overload, proxies
        self._counts, self._steady = counts, steady
        self._rates = EvaluationRates()
        current.swapped = self._hear_swap

    def take_bulk(self, ask: FeatureAsk, body: bytes, whence: Whence) -> FeatureReply | None:
        """All features of the app that this client may have. None: `await_bulk` is for it, and nothing was done."""
        if not self._overload.overloaded and not self._current.unserved_shards:
            reply = self.quick.find(ask, body, "" if whence.states_nothing else whence.country, self._moments.now)
            if reply is not None:
                self._counts["bulk" if reply.status == 200 else "unchanged"] += 1
                return reply
        snapshot = self._current.snapshot(ask.app)
        if snapshot is None or (ask.heard is not None and is_older(config_tag(snapshot), ask.heard)):
            return None
        if not snapshot.features.names and self._current.is_deleted(ask.app):
            return None
        return self._bulk(snapshot, ask, body, whence)

    async def await_bulk(self, ask: FeatureAsk, body: bytes, whence: Whence) -> FeatureReply:
        """As `take_bulk`, after a wait for what this node lacks; 503 if that does not come, for old values must not
        replace newer ones that the client has from elsewhere."""
        snapshot = await self._snapshot(ask.app)
        if isinstance(snapshot, FeatureReply):
            return snapshot
        if ask.heard is not None and is_older(config_tag(snapshot), ask.heard):
            if isinstance(self._key_of(ask, snapshot), KeyFault):
                return self._told(WRONG_KEY, "wrong_key")
            prefix = find_peer(whence, self._proxies).prefix
            newer = await self.streams.newer(snapshot, ask.heard, HINT_SECONDS, prefix)
            if newer is None:
                return self._told(UNAVAILABLE, "behind")
            snapshot = newer
        return self._bulk(snapshot, ask, body, whence)

    async def take_one(self, ask: FeatureAsk, name: str, body: bytes, whence: Whence) -> FeatureReply:
        """One feature."""
        snapshot = await self._snapshot(ask.app)
        if isinstance(snapshot, FeatureReply):
            return snapshot
        if self._overload.overloaded:
            return self._told(BUSY, "shed")
        if self._current.is_withheld(ask.app):
            return self._told(UNAVAILABLE, "unserved")
        key = self._key_of(ask, snapshot)
        if isinstance(key, KeyFault):
            return self._told(WRONG_KEY, "wrong_key")
        if not self._admits(ask.app, whence, key, SINGLE_COST):
            return self._told(TOO_MANY, "over_limit")
        features = snapshot.features
        known = features.names if _is_server(key) else features.public
        if name not in features.features or name not in known:
            fault = encode_feature_fault(name, OfrepCode.FLAG_NOT_FOUND, "the app has no such feature")
            return self._told(FeatureReply(404, fault, ask.app), "not_found")
        try:
            asked = parse_context(body, whence.country)
        except OfrepRefused as refusal:
            fault = encode_feature_fault(name, refusal.code, refusal.details)
            return self._told(FeatureReply(refusal.status, fault, ask.app), "refused")
        return self._one(snapshot, asked, name)

    def _one(self, snapshot: AppSnapshot, asked: AskedContext, name: str) -> FeatureReply:
        features, answers = snapshot.features, self.remembered.of_app(snapshot)
        if not asked.key and features.features[name].always is None and answers.needs_key(name):
            fault = encode_feature_fault(name, OfrepCode.TARGETING_KEY_MISSING, KEY_NEEDED)
            return self._told(FeatureReply(400, fault, snapshot.app), "keyless")
        subject = Subject(check_of(snapshot.app, asked), self._facts_of(snapshot, asked), asked.key)
        evaluation = features.evaluate(name, subject)
        assert evaluation is not None, "the name is one of the features"
        self._exposures.note(snapshot, asked, answers.noted((evaluation,)), self._moments.now)
        return self._told(FeatureReply(200, answers.piece(evaluation).text, snapshot.app), "single")

    def _bulk(self, snapshot: AppSnapshot, ask: FeatureAsk, body: bytes, whence: Whence) -> FeatureReply:
        if self._overload.overloaded:
            return self._told(BUSY, "shed")
        if self._current.unserved_shards and self._current.is_withheld(ask.app):
            return self._told(UNAVAILABLE, "unserved")
        key = self._key_of(ask, snapshot)
        if isinstance(key, KeyFault):
            return self._told(WRONG_KEY, "wrong_key")
        country = "" if whence.states_nothing else whence.country
        try:
            asked = self._contexts.read(body, country)
        except OfrepRefused as refusal:
            return self._told(refused(refusal, ask.app), "refused")
        facts, decided, now = self._facts_of(snapshot, asked), self.remembered.decided, self._moments.now
        admits = partial(self._admits, ask.app, whence, key, BULK_COST)
        answer = self.remembered.answer(snapshot, asked, facts, now, for_server=_is_server(key), admits=admits)
        if answer is None:
            return self._told(TOO_MANY, "over_limit")
        if answer.exposed:
            self._exposures.note(snapshot, asked, answer.exposed, now)
        turn, stream = self.streams.address_of(snapshot, key, now)
        stands = self.remembered.decided == decided
        reply = answer.whole(turn, stream, ask.held, stands=stands)
        standing = self.remembered.standing(snapshot, asked, for_server=_is_server(key)) if stands else None
        if standing is not None and not snapshot.features.asks_facts:
            entry = QuickEntry(standing, asked.custom_id, config_tag(snapshot), turn, stream, now)
            self.quick.enter(ask, body, country, entry)
        return self._told(reply, "bulk" if reply.status == 200 else "unchanged")

    async def _snapshot(self, app: AppId) -> AppSnapshot | FeatureReply:
        """Or why there is none."""
        await self._current.wait_for(app)
        snapshot = self._current.snapshot(app)
        if snapshot is not None and not self._current.is_deleted(app):
            return snapshot
        if snapshot is None and self._current.is_unserved(app):
            return self._told(UNAVAILABLE, "unserved")
        return self._told(UNKNOWN_APP, "unknown_app")

    def _key_of(self, ask: FeatureAsk, snapshot: AppSnapshot) -> FeatureKey | KeyFault | None:
        """None: none is given, nor needed."""
        return snapshot.feature_keys.find(ask.key, self._moments.now)

    def _facts_of(self, snapshot: AppSnapshot, asked: AskedContext) -> DeviceFacts:
        """How the device is used, where a segment of the features asks that and somebody knows it."""
        if not snapshot.features.asks_facts or not asked.is_device:
            return NO_FACTS
        facts = self._facts.all_of(snapshot.app, asked.device)
        return facts if facts.behaviour is not NOT_JUDGED else NO_FACTS

    def _admits(self, app: str, whence: Whence, key: FeatureKey | None, cost: int) -> bool:
        prefix = find_peer(whence, self._proxies).prefix
        return self._rates.admit(app, prefix, cost, self._steady(), for_server=_is_server(key))

    def _hear_swap(self, snapshot: AppSnapshot) -> None:
        self.remembered.forget(snapshot.app)
        self.streams.tell(snapshot)

    def _told(self, reply: FeatureReply, outcome: str) -> FeatureReply:
        self._counts[outcome] += 1
        return reply


def _is_server(key: FeatureKey | None) -> bool:
    return key is not None and key.server
