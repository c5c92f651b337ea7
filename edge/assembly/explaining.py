"""Why a device gets what it gets: the decision on the app's latest snapshot, with every step that led to it."""

import asyncio
from typing import Any

import orjson

from edge.assembly.clock import NodeClock
from edge.assembly.current_snapshots import CurrentSnapshots
from edge.control.ports import DeviceFactsPort
from edge.control.segment_trial import refused
from edge.control.shapes.devices import ExplainStep, Explanation
from edge.control.shapes.features.feature_shapes import FeatureExplanation, FeatureOfDevice, FeatureStepView
from edge.domain.decision.advice import advice_of
from edge.domain.decision.decide import resolve
from edge.domain.decision.explain import explain
from edge.domain.decision.outcomes import Blocked, Decision, Offer, RevertToBuiltin, UpToDate
from edge.domain.decision.pick import pick
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import Invalid, NotFound
from edge.domain.facts import NO_FACTS
from edge.domain.features.evaluation import Subject
from edge.domain.features.explaining import explain_feature
from edge.domain.model import AppId, UpdateCheck
from edge.domain.targeting.places import NodePlace
from edge.node.service.features.remembered import AppAnswers
from edge.wire.answers import encode_answer
from edge.wire.ofrep.answers import KEY_NEEDED
from edge.wire.ofrep.context import check_of, parse_context
from edge.wire.ofrep.refusals import OfrepCode, OfrepRefused
from edge.wire.updates import WireError, fields_of, parse_update_check


class Explaining:
    """`base` is the base address of downloads in the answers shown: scheme, host and port. `place` is the node's."""

    def __init__(
        self, snapshots: CurrentSnapshots, facts: DeviceFactsPort, clock: NodeClock, base: str, place: NodePlace
    ) -> None:
        self._snapshots = snapshots
        self._facts = facts
        self._clock = clock
        self._base = base
        self._distances = place.distances

    async def explain(self, app: AppId, body: bytes, country: str = "") -> Explanation:
        """Explain the answer to a device's `/updates` body. Raises NotFound `unknown_app`, and Invalid with the code
        that the device would get for a malformed body."""
        check = _parsed(body, country)
        snapshot = await asyncio.to_thread(self._snapshots.load, app)
        moment = self._clock.moment(app)
        facts = self._facts.facts_of(app, check.device)
        steps, decision = explain(snapshot, check, moment, facts)
        compiled = resolve(snapshot, check, facts).channel
        held = pick(compiled, check, facts, moment).held if compiled else None
        manifest = snapshot.manifest_of(decision.bundle) if isinstance(decision, Offer) else b""
        answer = encode_answer(decision, check, self._base, manifest=manifest, expose_metadata=snapshot.expose_metadata)
        return Explanation(
            asked=self._asked(check),
            reported=None,
            steps=[ExplainStep(**step._asdict()) for step in steps],
            decision=_summary(decision),
            next=advice_of(decision, app, compiled.channel.name if compiled else "", held),
            answer=orjson.loads(answer),
        )

    async def features_of(self, app: AppId, body: bytes, country: str = "") -> list[FeatureOfDevice]:
        """What a device with such a body gets of each feature, by name. Raises as `explain`."""
        check = _parsed(body, country)
        features = (await asyncio.to_thread(self._snapshots.load, app)).features
        subject = Subject(check, self._facts.facts_of(app, check.device), check.device.encode())
        return [
            FeatureOfDevice(
                feature=each.key,
                value=None if each.value_json is None else orjson.loads(each.value_json),
                variant=each.variant,
                reason=each.reason.value,
            )
            for each in features.evaluate_all(subject)
        ]

    async def explain_feature(
        self, app: AppId, name: str, body: bytes, country: str = "", *, by_context: bool = False
    ) -> FeatureExplanation:
        """What a device with such a body gets of a feature. Raises NotFound `unknown_app`, `unknown_feature`, and as
        `explain`. `by_context`: the body is what an app asks with by OFREP, and is understood as that. Raises Invalid
        `invalid_context`, `parse_error`, `targeting_key_missing`."""
        snapshot = await asyncio.to_thread(self._snapshots.load, app)
        features = snapshot.features
        if name not in features.features:
            raise NotFound("unknown_feature", f"unknown feature {name!r} for app {app!r}")
        if by_context:
            subject = self._subject_of_context(snapshot, name, body, country)
        else:
            check = _parsed(body, country)
            subject = Subject(check, self._facts.facts_of(app, check.device), check.device.encode())
        steps, given = explain_feature(features, name, subject)
        return FeatureExplanation(
            asked=self._asked(subject.check),
            reported=None,
            name=name,
            steps=[FeatureStepView(**{**each._asdict(), "saw": dict(each.saw)}) for each in steps],
            value=None if given.value_json is None else orjson.loads(given.value_json),
            variant=given.variant,
            reason=given.reason.value,
            metadata=dict(given.metadata),
        )

    def _subject_of_context(self, snapshot: AppSnapshot, name: str, body: bytes, country: str) -> Subject:
        """As a worker understands it."""
        try:
            asked = parse_context(body, country)
        except OfrepRefused as error:
            raise Invalid(error.code.value.lower(), error.details) from error
        if not asked.key and snapshot.features.features[name].always is None and AppAnswers(snapshot).needs_key(name):
            raise Invalid(OfrepCode.TARGETING_KEY_MISSING.value.lower(), KEY_NEEDED)
        facts = self._facts.facts_of(snapshot.app, asked.device) if asked.is_device else NO_FACTS
        return Subject(check_of(snapshot.app, asked), facts, asked.key)

    def _asked(self, check: UpdateCheck) -> dict[str, Any]:
        return {**fields_of(check), "country": check.country, **self._distance(check.country)}

    def _distance(self, country: str) -> dict[str, int]:
        """From this node, where that is known: segments may compare it."""
        return {"distance": self._distances[country]} if country in self._distances else {}


def _parsed(body: bytes, country: str) -> UpdateCheck:
    try:
        return parse_update_check(body, country)
    except WireError as error:
        raise refused(error) from error


def _summary(decision: Decision) -> dict[str, Any]:
    """With the code that metrics count it by."""
    match decision:
        case Offer(bundle, channel, arm):
            told: dict[str, Any] = {"bundle": bundle.version, "channel": channel} | ({"arm": arm} if arm else {})
            return {"outcome": "offer", "code": decision.code, **told}
        case Blocked(reason, target):
            return {"outcome": "blocked", "code": decision.code, "message": reason.message, "target": target}
        case UpToDate(channel, held):
            why = {"message": held.message} if held else {}
            return {"outcome": "up_to_date", "code": decision.code, **why, "channel": channel}
        case RevertToBuiltin(channel):
            return {"outcome": "revert_to_builtin", "code": decision.code, "channel": channel}
