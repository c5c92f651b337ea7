"""The full way of a check: from its body to its answer, and what is noted of it. From memory, without waiting.

Knows no HTTP library, and nothing of questions that were asked before.
"""

from collections.abc import Mapping

from edge.domain.decision.decide import decide
from edge.domain.decision.dependence import needs_facts
from edge.domain.decision.outcomes import Decision, Offer, UpToDate, unserved
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import NO_FACTS, DeviceFacts
from edge.domain.forms.manifest_forms import sent_to
from edge.domain.model import ChannelName, UpdateCheck
from edge.domain.plugin import Sent
from edge.facts.changes import Installed, Offered
from edge.node.observing.counts import ServiceCounts
from edge.node.service.answer_cache import EncodedBody, Offers
from edge.node.service.common_answers import Reply
from edge.node.service.experiment_log import ArmNotes
from edge.node.service.facts_client import FactsClient, installed_anew, offered_anew
from edge.node.service.heard.check_notes import CheckNotes
from edge.node.service.limits.fact_limits import FactLimits
from edge.node.service.limits.overload import Overload
from edge.node.service.own_faults import OwnFaults
from edge.node.service.peers import Proxies, Whence, find_peer
from edge.node.service.rollout_clock import SYSTEM, Moments, ServiceClock
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.heads import shard_of
from edge.wire.answers import encode_answer, encode_offer, encode_up_to_date
from edge.wire.plugins.forms import form_of
from edge.wire.updates import WireError, parse_update_check

_SHED = UpToDate(ChannelName(""))  # no channel was looked at


class NotLoaded(Exception):
    """The check is for an app that is known and not loaded yet: answer it with `CheckService.take_late`."""

    def __init__(self, check: UpdateCheck) -> None:
        super().__init__(check.app)
        self.check = check


class CheckService:
    """`unserved` are the head shards whose apps are offered nothing, with the reason: the store went back to an old
    copy."""

    def __init__(
        self,
        current: ServedSnapshots,
        moments: Moments,
        facts: FactsClient,
        arms: ArmNotes,
        notes: CheckNotes,
        *,
        overload: Overload,
        proxies: Proxies,
        fact_limits: FactLimits,
        counts: ServiceCounts,
        faults: OwnFaults,
        clock: ServiceClock = SYSTEM,
    ) -> None:
        self.current = current
        self.moments = moments
        self.facts = facts
        self.overload = overload
        self.counts = counts
        self.unserved: Mapping[str, str] = {}
        self.offers = Offers()
        self.notes = notes
        self._arms = arms
        self._proxies = proxies
        self._fact_limits = fact_limits
        self._faults = faults
        self._clock = clock
        self._decisions = counts.decisions

    def take(self, body: bytes, base: str, country: str, whence: Whence) -> Reply:
        """Answer a `POST /updates`. `base` is the address of downloads, `country` the device's as one of our proxies
        states it, else ""; what is noted is charged to `whence`. Raises NotLoaded."""
        try:
            check = parse_update_check(body, country, self.current.apps)
        except WireError as error:
            self.counts.others["bad_request"] += 1
            return Reply(error.status, EncodedBody(error.body, None))
        return Reply(200, self.answer(check, base, whence), check.app)

    async def take_late(self, check: UpdateCheck, base: str, whence: Whence) -> Reply:
        """Answer the check of a NotLoaded once its app is loaded; with "nothing new" if that takes too long."""
        await self.current.wait_for(check.app)
        try:
            body = self.answer(check, base, whence)
        except NotLoaded:
            self.counts.shed["unloaded_checks"] += 1
            self.notes.note_shed(check)
            body = EncodedBody(encode_answer(_SHED, check, base), None)
        return Reply(200, body, check.app)

    def answer(self, check: UpdateCheck, base: str, whence: Whence) -> EncodedBody:
        """Decide, note and encode. Raises NotLoaded."""
        if not check.plugin.listed:
            self.counts.others["unlisted_plugin_releases"] += 1
        if self.overload.overloaded:
            # "Nothing new" as the device's release expects it: it takes an error for a failed download.
            self.counts.shed["checks"] += 1
            self._faults.note_everything()
            self.notes.note_shed(check)
            return EncodedBody(encode_answer(_SHED, check, base), None)
        if self.unserved and shard_of(check.app) in self.unserved:
            self.counts.shed["unserved_checks"] += 1
            self.notes.note_shed(check)
            return EncodedBody(encode_answer(_SHED, check, base), None)
        snapshot = self.current.snapshot(check.app)
        if snapshot is None:
            return self._answer_unserved(check, base)
        moment = self.moments.of(snapshot.shard)
        decision, facts = decide(snapshot, check, moment), NO_FACTS
        if needs_facts(snapshot, check, decision):
            facts = (self.facts.all_of if snapshot.asks_facts else self.facts.of)(check.app, check.device)
            if facts is not NO_FACTS:
                decision = decide(snapshot, check, moment, facts)
                if facts.failures:
                    self._note(installed_anew(check, facts), whence)
        self._decisions[decision.code] += 1
        self.notes.note(snapshot, check, decision, facts, moment)
        self.note(snapshot, check, decision, facts, moment.now, whence)
        return self.encode(snapshot, check, decision, base)

    def _answer_unserved(self, check: UpdateCheck, base: str) -> EncodedBody:
        """An app that the store has is never called unknown: its devices hear that there is nothing new. Raises
        NotLoaded."""
        if self.current.is_awaited(check.app):
            raise NotLoaded(check)
        if check.app in self.current.apps:
            self.counts.shed["unserved_checks"] += 1
            self.notes.note_shed(check)
            return EncodedBody(encode_answer(_SHED, check, base), None)
        blocked = unserved(check.app)
        self._decisions[blocked.code] += 1
        return EncodedBody(encode_answer(blocked, check, base), None)

    def encode(self, snapshot: AppSnapshot, check: UpdateCheck, decision: Decision, base: str) -> EncodedBody:
        """The answer's bytes. Of the device they depend on its release alone, and what it runs."""
        if isinstance(decision, Offer):
            return self._encode_offer(decision, snapshot, check, base)
        if type(decision) is UpToDate:
            return EncodedBody(encode_up_to_date(check, base), None)
        return EncodedBody(encode_answer(decision, check, base), None)

    def _encode_offer(self, offer: Offer, snapshot: AppSnapshot, check: UpdateCheck, base: str) -> EncodedBody:
        bundle = offer.bundle
        form = form_of(check.platform, check.plugin.version)
        sent = sent_to(bundle, offer.forms, check)
        # A version name is never reused for other bytes; publishing it again changes its time and maybe its metadata.
        key = (check.app, bundle.version, bundle.published, form, sent, base)
        body = self.offers.get(key)
        if body is None:
            document = b"" if sent is Sent.ZIP else snapshot.manifest_of(bundle)
            plain = encode_offer(offer, check.app, form, sent, base, document, snapshot.expose_metadata)
            body = self.offers.add(key, plain)
        return body

    def note(
        self,
        snapshot: AppSnapshot,
        check: UpdateCheck,
        decision: Decision,
        facts: DeviceFacts,
        now: float,
        whence: Whence,
    ) -> None:
        """Record the device's arm, whether it is offered the arm's bundle or already runs it, and an offer that is
        news."""
        if isinstance(decision, Offer):
            if decision.arm:
                self._note_arm(snapshot, check, decision, decision.bundle.version, now, whence)
            self._note(offered_anew(check, decision.bundle, facts), whence)
        elif isinstance(decision, UpToDate) and decision.arm:
            self._note_arm(snapshot, check, decision, check.version_name, now, whence)

    def _note(self, change: Offered | Installed | None, whence: Whence) -> None:
        """Record a change that a check brought, within the limits of its peer; without, the answer is the same."""
        if change is not None and self._admits_note(change.app, whence):
            self.facts.note(change)

    def _note_arm(
        self,
        snapshot: AppSnapshot,
        check: UpdateCheck,
        decision: Offer | UpToDate,
        bundle: str,
        now: float,
        whence: Whence,
    ) -> None:
        routed = snapshot.channels[decision.channel].experiment
        assert routed is not None, "an arm is an experiment's"
        if self._arms.has(check, routed.experiment) or not self._admits_note(check.app, whence):
            return
        _, _, arm = decision.arm.partition("/")
        self._arms.note(check, decision.channel, routed.experiment, arm, bundle, now)

    def _admits_note(self, app: str, whence: Whence) -> bool:
        prefix = find_peer(whence, self._proxies).prefix
        admitted = self._fact_limits.admit_note(app, prefix, self._clock.steady())
        if not admitted:
            self.counts.over_limit["notes"] += 1
        return admitted
