"""The cases through the pure code: parse, decide, encode; the plan of a delivery. No socket, no file, no clock."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from conformance_cases import BASE, OTHER_APP, Answer, Case, Exchange, Request, faults_of
from conformance_states import blobs, changes_of, contents, event_faults, fact_changes, stored_faults

from edge.domain.changes.apply import apply
from edge.domain.decision.channel_choice import ChannelSelfRequest, Forget, Store, decide_choice
from edge.domain.decision.explain import explain
from edge.domain.decision.outcomes import Offer, unserved
from edge.domain.decision.snapshot import AppSnapshot, build_snapshot
from edge.domain.facts import DAY_SECONDS, NO_FACTS, DeviceFacts, mark_of
from edge.domain.model import AppState, ChannelName, UpdateCheck
from edge.domain.schedule.rollout import Moment
from edge.facts.changes import Chose, FactChange, Offered, change_facts
from edge.node.delivery.plan import CONTENT_TYPES, Blob, DeliveryRequest, plan_delivery
from edge.node.service.common_answers import refusal_body
from edge.node.service.limits.rate_limits import ChannelLimits
from edge.node.service.peers import Peer
from edge.node.service.reported import changes_in, downloads_in
from edge.wire.answers import encode_answer
from edge.wire.body import WireError
from edge.wire.channels import encode_channel_answer, encode_too_many, parse_channel_request
from edge.wire.manifest_size import encode_manifest_size, parse_manifest_size
from edge.wire.plugins.forms import ZipEnd, form_of
from edge.wire.stats import Event, encode_stats_answer, parse_stats
from edge.wire.updates import parse_update_check

NOW = 1_750_000_000.0
MOMENT = Moment(NOW, NOW)
PEER = Peer("192.0.2.1", "192.0.2.1")
MODIFIED = 1_700_000_000.0  # of every blob
JSON = {"content-type": "application/json"}

CONDITIONS = ("range", "if-range", "if-none-match", "if-modified-since", "if-match", "if-unmodified-since")

_BUNDLE = re.compile(r"/bundles/([^/]+)/([^/]+)/([0-9a-f]{64})", re.ASCII)


@dataclass
class Seen:
    """What a check led to, beside its bytes."""

    because: str = ""
    generation: str = ""
    passed: frozenset[str] = frozenset()


@dataclass
class PureNode:
    """One case's node: its apps, what is known of devices, what was stored."""

    snapshots: dict[str, AppSnapshot]
    facts: dict[tuple[str, str], DeviceFacts] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    limits: ChannelLimits = field(default_factory=ChannelLimits)
    seen: Seen = field(default_factory=Seen)

    def ask(self, request: Request) -> Answer:
        parts = urlsplit(request.target)
        try:
            match parts.path:
                case "/updates":
                    return Answer(200, JSON, self._check(request.body))
                case "/updates/manifest_size":
                    return Answer(200, JSON, self._sizes(request.body))
                case "/stats":
                    return Answer(200, JSON, self._report(request.body))
                case "/channel_self":
                    query = parse_qsl(parts.query, keep_blank_values=True)
                    return self._choose(parse_channel_request(request.method, request.body, query))
        except WireError as error:
            return Answer(error.status, JSON, error.body)
        return self._deliver(request, parts.path, dict(parse_qsl(parts.query)))

    def record(self, change: FactChange, now: float = NOW) -> None:
        key = change.app, change.device
        self.facts[key] = change_facts(self.facts.get(key, NO_FACTS), change, now)

    def facts_of(self, app: str, device: str) -> DeviceFacts:
        return self.facts.get((app, device), NO_FACTS)

    def _check(self, body: bytes) -> bytes:
        check = parse_update_check(body)
        snapshot = self.snapshots.get(check.app)
        self.seen = Seen(generation=form_of(check.platform, check.plugin.version).generation.value)
        if snapshot is None:
            blocked = unserved(check.app)
            self.seen.because = blocked.code
            return encode_answer(blocked, check, BASE)
        return self._decide(snapshot, check)

    def _decide(self, snapshot: AppSnapshot, check: UpdateCheck) -> bytes:
        steps, decision = explain(snapshot, check, MOMENT, self.facts_of(check.app, check.device))
        self.seen.passed = frozenset(step.rule for step in steps if step.outcome == "pass")
        manifest = b""
        self.seen.because = decision.code
        if isinstance(decision, Offer):
            bundle = decision.bundle
            self.record(Offered(check.app, check.device, bundle.version, check.version_name, mark_of(bundle, check)))
            manifest = snapshot.manifest_of(bundle)
        return encode_answer(decision, check, BASE, manifest=manifest, expose_metadata=snapshot.expose_metadata)

    def _sizes(self, body: bytes) -> bytes:
        def size_of(app: str, digest: str) -> int | None:
            snapshot = self.snapshots.get(app)
            return len(blobs()[digest]) if snapshot and snapshot.may_read("file", digest) else None

        return encode_manifest_size(parse_manifest_size(body), size_of)

    def _report(self, body: bytes) -> bytes:
        report = parse_stats(body)
        known = [event for event in report.events if event.app in self.snapshots]
        if known:  # one change after the other: each changes what the next one meets
            for downloaded in downloads_in(known, self.snapshots[known[0].app], self.facts_of):
                self.record(downloaded)
            for _, change in changes_in(known, self.snapshots[known[0].app], self.facts_of, MOMENT, PEER):
                self.record(change)
        self.events += known
        return encode_stats_answer(report)

    def _choose(self, asked: ChannelSelfRequest) -> Answer:
        if not self.limits.admit(asked, PEER.prefix, NOW):
            return Answer(200, JSON, encode_too_many(asked))
        snapshot = self.snapshots.get(asked.app)
        outcome = decide_choice(snapshot, asked, self._chosen(snapshot, asked))
        if isinstance(outcome, Store | Forget) and asked.device is not None:
            self.record(Chose(asked.app, asked.device, outcome.channel if isinstance(outcome, Store) else ""))
        return Answer(200, JSON, encode_channel_answer(outcome, asked))

    def _chosen(self, snapshot: AppSnapshot | None, asked: ChannelSelfRequest) -> ChannelName | None:
        if snapshot is None or asked.device is None:
            return None
        stored = self.facts_of(asked.app, asked.device).channel
        return snapshot.channels_by_hash.get(stored, ChannelName("")) if stored else None

    def _deliver(self, request: Request, path: str, query: dict[str, str]) -> Answer:
        match = _BUNDLE.fullmatch(path)
        snapshot = self.snapshots.get(match[1]) if match else None
        if not match or not snapshot or match[2] not in CONTENT_TYPES or not snapshot.may_read(match[2], match[3]):
            return Answer(404, JSON | {"cache-control": "no-store"}, refusal_body(404))
        headers = {name.lower(): value for name, value in request.headers.items()}
        content = blobs()[match[3]]
        words = (headers.get(name) for name in CONDITIONS)
        end = next((each for each in ZipEnd if each.value == query.get("end")), ZipEnd.REFUSE)
        plan = plan_delivery(
            Blob(match[2], match[3], len(content), MODIFIED), DeliveryRequest(request.method, *words, end)
        )
        answered = {name.lower(): value for name, value in plan.headers}
        return Answer(plan.status, answered, content[plan.offset : plan.offset + plan.length])


def run_case(case: Case) -> Iterator[str]:
    """Every fault of one case."""
    node = node_of(case)
    for number, exchange in enumerate(case.exchanges, 1):
        for fault in _exchange_faults(node, exchange, case):
            yield f"exchange {number}: {fault}"
    yield from event_faults(node.events, case)


def node_of(case: Case) -> PureNode:
    node = PureNode({case.app: _snapshot(case.app, (case,)), OTHER_APP: _snapshot(OTHER_APP, ())})
    for dated in fact_changes(case):
        node.record(dated.change, NOW - dated.days_ago * DAY_SECONDS)
    return node


def _exchange_faults(node: PureNode, exchange: Exchange, case: Case) -> Iterator[str]:
    yield from faults_of(node.ask(exchange.request), exchange.expect)
    yield from stored_faults(node.facts_of(case.app, case.device), exchange.stored)
    for name in ("because", "generation"):
        wanted = getattr(exchange, name)
        if wanted is not None and wanted != getattr(node.seen, name):
            yield f"{name} {getattr(node.seen, name)!r}, not {wanted!r}"


def _snapshot(app: str, cases: tuple[Case, ...]) -> AppSnapshot:
    state: AppState | None = None
    for change in changes_of(app, list(cases), NOW):
        state = apply(state, change)
    assert state is not None
    documents = {each.bundle.manifest: each.manifest for each in contents().values()}
    return build_snapshot(state, documents.__getitem__, now=NOW)
