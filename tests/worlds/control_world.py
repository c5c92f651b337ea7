"""A control API on the real store and releases, a token of every role, and a client that checks every answer."""

import asyncio
import hashlib
import io
import zipfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any

import msgspec
from aiohttp import web
from message_world import MessagesWorld
from proving import a_prover
from sending_world import a_receiving
from sharing_world import SharingNode
from token_making import make_token

from edge.assembly.region.file_sending import FileSending
from edge.config import AuditOptions, PushOptions, WebhookRules
from edge.control.access.roles import Role
from edge.control.access.shared_document import SharedDocument
from edge.control.access.tokens import Tokens
from edge.control.audit.audit_log import AuditLog
from edge.control.audit.opening import open_audit
from edge.control.audit.timelines import Timelines
from edge.control.doors.table import OPERATIONS
from edge.control.openapi import statuses_of
from edge.control.ports import ControlPorts, FoundDevices, MatchCount
from edge.control.push.push_credentials import PushCredentials
from edge.control.push.push_desk import PushDesk
from edge.control.push.push_document import PUSH_KIND
from edge.control.segment_trial import read_device
from edge.control.shapes.approvals.approval_shapes import ProposalMadeAnswer
from edge.control.shapes.apps import AppStats, BundleCount
from edge.control.shapes.common import ErrorAnswer
from edge.control.shapes.devices import ExplainStep, Explanation, RawErasedView
from edge.control.shapes.features.counted import view_feature_impact, view_given
from edge.control.shapes.features.feature_shapes import (
    FeatureExplanation,
    FeatureOfDevice,
    FeaturePreview,
    FeatureReachView,
    FeaturesReach,
    FeatureStepView,
)
from edge.control.shapes.figures.audit import AuditView
from edge.control.shapes.impact import ReachView, view_impact
from edge.control.shapes.insight.segment_reach import view_segments
from edge.control.shapes.node import NodeStatus
from edge.control.shapes.rollouts import KnownView, PreviewAnswer, StepView, WaitingView
from edge.control.upload_quota import UploadQuota
from edge.domain.changes.apply import foresee
from edge.domain.changes.commands import Change
from edge.domain.decision.foresight.feature_counts import GivenValue, changed_features
from edge.domain.decision.foresight.impact import impact_of
from edge.domain.decision.foresight.segment_counts import SegmentCounts, SegmentUse
from edge.domain.errors import Unavailable
from edge.domain.facts import NO_FACTS, DeviceFacts, failure_of, hour_of, name_hash
from edge.domain.features.compiling import compile_features
from edge.domain.features.evaluation import Subject
from edge.domain.features.explaining import explain_feature
from edge.domain.manifest import encode_manifest
from edge.domain.model import FileEntry
from edge.domain.schedule.rollout import Moment
from edge.domain.shares import format_share
from edge.domain.states import channel_of, feature_of
from edge.domain.targeting.places import NO_PLACE, NodePlace
from edge.facts.changes import Lifted, change_facts
from edge.messages.messaging import Messaging
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.fact_limits import NodeFailures
from edge.regions.feed.feed import Feed
from edge.regions.fleet.known_nodes import KnownNodes
from edge.regions.fleet.node_report import NodeReport
from edge.regions.fleet.registry import NodeRegistry, RegisteredNode
from edge.regions.sending.receiving import Receiving
from edge.regions.sharing.home import SharingClocks, SharingHome
from edge.store.damage import NotTaken
from edge.store.disk.room import NoReserve
from edge.store.objects.fs import FsStore
from edge.store.releases import Releases
from edge.store.secrets.secret_box import SecretBox
from edge.telemetry.behaviour.news import BehaviourPages
from edge.telemetry.devices.device_search import find_devices
from edge.telemetry.devices.device_story import take_page
from edge.telemetry.devices.known_devices import KnownDevice
from edge.telemetry.folding.batches.known_outcomes import known_outcomes
from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.questions.registry import QUESTIONS
from edge.telemetry.questions.sqlite_figures import SqliteFigures, empty_database
from edge.telemetry.trials.trial_reading import read_experiment
from edge.telemetry.votes.standing import GuardStanding

NOW = 1_700_000_000.0
APP, OTHER = "com.acme.app", "com.other.app"
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
GRANTS = {
    "root": (Role.ADMIN, None),
    "publisher": (Role.PUBLISHER, None),
    "publisher-acme": (Role.PUBLISHER, APP),
    "publisher-other": (Role.PUBLISHER, OTHER),
    "uploader": (Role.UPLOADER, None),
    "uploader-acme": (Role.UPLOADER, APP),
    "reader": (Role.READER, None),
    "reader-acme": (Role.READER, APP),
    "reader-other": (Role.READER, OTHER),
    "reporter": (Role.REPORTER, None),
    "reporter-acme": (Role.REPORTER, APP),
    "node": (Role.NODE, None),
    "releaser-acme": (Role.RELEASER, APP),
    "developer-acme": (Role.DEVELOPER, APP),
    "support-acme": (Role.SUPPORT, APP),
    "viewer": (Role.VIEWER, None),
}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Packed:
    """The blobs of a bundle, as a publisher makes them."""

    blobs: dict[str, bytes]
    zip: str
    manifest: str


def pack(**pages: str | bytes) -> Packed:
    """The pages are scripts, unless their names have an ending."""
    files = {"index.html": "<html></html>"} | {
        n if PurePath(n).suffix else f"{n}.js": page for n, page in pages.items()
    }
    contents = {name: page if isinstance(page, bytes) else page.encode() for name, page in files.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(contents.items()):
            archive.writestr(zipfile.ZipInfo(name), content)
    entries = [FileEntry(name, digest(c), digest(c), len(c)) for name, c in contents.items()]
    manifest, packed = encode_manifest(entries), buffer.getvalue()
    blobs = {digest(content): content for content in (*contents.values(), manifest, packed)}
    return Packed(blobs, digest(packed), digest(manifest))


class Secrets(dict):
    """The secret of each token of GRANTS, which is made when it is first asked for: each one costs a write."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens

    def __missing__(self, name):
        role, app = GRANTS[name]
        self[name] = make_token(self.tokens, name, role, app, now=NOW)
        return self[name]

    def all(self):
        return {name: self[name] for name in (*GRANTS, *self)}


@dataclass
class World:
    """The server's side: its ports, what it announced, and the requests it has finished."""

    store: FsStore
    releases: Releases
    tokens: Tokens
    secrets: Secrets
    logins: Any = None
    announced: list[tuple[str, Any]] = field(default_factory=list)
    figures: Path | None = None
    standing: GuardStanding | None = field(default_factory=GuardStanding)
    figures_away: bool = False
    not_taken: NotTaken = field(default_factory=NotTaken)  # of every change
    facts: dict[tuple[str, str], DeviceFacts] = field(default_factory=dict)
    known: dict[tuple[str, str], KnownDevice] = field(default_factory=dict)
    stories: dict[tuple[str, str], list[Any]] = field(default_factory=dict)  # (milliseconds, event), newest first
    export_fails_after: int | None = None  # so many blocks
    outcomes: list[Any] = field(default_factory=list)
    targets: dict[tuple[str, str], list[Any]] = field(default_factory=dict)  # how devices are reached

    def push(self, **options):
        """The real thing, in the same store."""
        tokens, path = self.tokens, self.store.root.parent / "node" / "secrets.key"
        document = SharedDocument(PUSH_KIND, self.store, tokens._trust, tokens._writer)
        return PushDesk(PushCredentials(document, SecretBox(path, make=True)), PushOptions(**options), self.targets_of)

    def targets_of(self, app, device):
        return self.targets.get((app, device), [])

    async def announce(self, app, head):
        self.announced.append((app, head))
        return self.not_taken

    async def explain(self, app, body, country):
        asked = msgspec.json.decode(body)
        return Explanation(
            asked=asked | {"country": country},
            reported=None,
            steps=[ExplainStep(rule="no_channel", saw={"device": asked.get("device_id")}, outcome="stop")],
            decision={"reason": "no_channel"},
            next="make a channel public",
            answer={"error": "no_channel"},
        )

    async def features_of(self, app, body, country):
        """As a node does that knows nothing of devices."""
        state = await asyncio.to_thread(self.releases.load, app)
        check = read_device(body, app, country)
        subject = Subject(check, NO_FACTS, check.device.encode())
        return [
            FeatureOfDevice(
                feature=each.key,
                value=msgspec.json.decode(each.value_json) if each.value_json else None,
                variant=each.variant,
                reason=each.reason.value,
            )
            for each in compile_features(state, NO_PLACE, {}).evaluate_all(subject)
        ]

    async def explain_feature(self, app, name, body, country, *, by_context=False):
        """As a node does that knows nothing of devices, and only what they post to /updates."""
        assert not by_context
        state = await asyncio.to_thread(self.releases.load, app)
        feature_of(state, name)
        check = read_device(body, app, country)
        features = compile_features(state, NO_PLACE, {})
        steps, given = explain_feature(features, name, Subject(check, NO_FACTS, check.device.encode()))
        return FeatureExplanation(
            asked=msgspec.json.decode(body) | {"country": country},
            reported=None,
            name=name,
            steps=[FeatureStepView(**{**each._asdict(), "saw": dict(each.saw)}) for each in steps],
            value=None if given.value_json is None else msgspec.json.decode(given.value_json),
            variant=given.variant,
            reason=given.reason.value,
            metadata=dict(given.metadata),
        )

    async def features(self, app):
        """Of the devices that are known, as they last checked."""
        state = await asyncio.to_thread(self.releases.load, app)
        compiled = compile_features(state, NO_PLACE, {})
        checks = [each.check for (known, _), each in sorted(self.known.items()) if known == app]
        subjects = [Subject(check, NO_FACTS, check.device.encode()) for check in checks]
        given = {name: Counter() for name in compiled.names}
        for subject in subjects:
            for each in compiled.evaluate_all(subject):
                given[each.key][GivenValue(each.variant, each.value_json and each.value_json.decode())] += 1
        views = [FeatureReachView(feature=name, given=view_given(each)) for name, each in given.items()]
        return FeaturesReach(devices=len(subjects), since=None, cut=False, features=views)

    async def preview_feature(self, rehearsed, name):
        return FeaturePreview(
            app=rehearsed.after.app,
            name=name,
            devices=0,
            since=None,
            cut=False,
            touched=0,
            before=[],
            after=[],
            moves=[],
            others=view_feature_impact(changed_features(rehearsed.before, rehearsed.after) - {name}, None),
        )

    async def preview(self, app, command, change_id, listed):
        """As a node does that knows no device."""
        before = await asyncio.to_thread(self.releases.load, app)
        after = foresee(before, Change(id=change_id, at=NOW, by="preview", command=command))
        steps = [
            StepView(
                share=format_share(share),
                after_seconds=None,
                buckets=share,
                offered=0,
                has_it=0,
                held_back={},
                joining=[],
            )
            for share in after.channels[command.channel].rollout.steps
        ]
        return PreviewAnswer(
            app=app,
            channel=command.channel,
            bundle=command.bundle,
            id=change_id,
            hold_out=format_share(command.hold_out),
            hold_out_group=command.hold_out_group,
            steps=steps,
            known=KnownView(devices=0, elsewhere=listed, since=None, cut=False),
        )

    async def find(self, app, search, limit):
        known = [device for (owner, _), device in self.known.items() if owner == app]
        return FoundDevices(find_devices(known, search, limit), NOW if known else None, cut=False)

    def make_link(self, token_hash, now):
        return "once", now + 600

    async def reported(self, app, device):
        return self.known.get((app, device))

    async def reach(self, app, channel):
        """As a node does that knows no device."""
        found = channel_of(await asyncio.to_thread(self.releases.load, app), channel)
        return ReachView(
            channel=channel,
            bundle=found.bundle,
            devices=0,
            offered=0,
            has_it=0,
            kept={},
            elsewhere=0,
            since=None,
            cut=False,
        )

    async def story(self, app, device, limit, before_ms):
        return take_page(self.stories.get((app, device), ()), limit, before_ms, erased_ms=-1)

    async def segments(self, app):
        state = await asyncio.to_thread(self.releases.load, app)
        counts = SegmentCounts(uses={name: SegmentUse() for name in sorted(state.segments)})
        return view_segments(app, counts, since=None, cut=False)

    async def count_matching(self, app, build):
        matcher, devices = build(), [known.check for (owner, _), known in self.known.items() if owner == app]
        facts = [self.facts_of(app, check.device) for check in devices]
        matching = sum(map(matcher.matches, devices, facts))
        unknown = Counter(name for each in map(matcher.unknown, devices, facts) for name in each)
        return MatchCount(len(devices), matching, unknown, NOW if devices else None, cut=False)

    async def weigh(self, rehearsed):
        return view_impact(
            impact_of(rehearsed.before, rehearsed.after),
            None,
            view_feature_impact(changed_features(rehearsed.before, rehearsed.after), None),
        )

    async def stats(self, app):
        return AppStats(counts=[BundleCount(bundle="1.0.0", action="set", n=3)], duplicates=1)

    async def erase(self, app, device):
        return RawErasedView(rows=1, lines=2, segments=1, open_segments=1)

    async def audit(self):
        return AuditView(
            exact=True,
            kinds=[],
            segments=0,
            deleted_segments=0,
            lost_places=0,
            lost_bytes=0,
            differences=[],
            devices_beyond_limit=0,
            groups_beyond_limit=0,
        )

    async def export(self, app, since_ms, until_ms, form):
        if self.export_fails_after == 0:
            raise Unavailable("export_failed", "the process that exports failed")
        yield b'{"app":"%s","since_ms":%d,"until_ms":%d,' % (app.encode(), since_ms, until_ms)
        if self.export_fails_after == 1:
            raise Unavailable("export_failed", "the process that exports failed")
        yield b'"form":"%s"}\n' % form.encode()

    async def known_outcomes(self, stated):
        connection = (open_for_reading(self.figures) if self.figures else None) or empty_database()
        with closing(connection):
            return None if self.figures_away else known_outcomes(connection, stated)

    async def keep(self, outcomes, now):
        self.outcomes.append(outcomes)

    async def ask(self, question, parameters, answer):
        """As a folding process does: from JSON to JSON. `figures` is a database; None: nothing was counted. `standing`
        is what is known of releases under guard; None: that cannot be had."""
        if question == "guard_standing":
            if self.standing is None:
                raise Unavailable("figures_unavailable", "events are not counted")
            return self.standing
        connection = (open_for_reading(self.figures) if self.figures else None) or empty_database()
        with closing(connection):
            if question == "experiment_reading":
                return read_experiment(connection, parameters)
            found = QUESTIONS[question].ask(SqliteFigures(connection), msgspec.json.encode(parameters))
        return msgspec.json.decode(msgspec.json.encode(found), type=answer)

    async def status(self):
        return NodeStatus(version="0", apps=1, workers=[], heads={}, refused={}, damaged=[])

    async def metrics(self):
        return b"# TYPE edge_apps gauge\nedge_apps 1\n"

    async def waiting(self, app, bundle):
        return WaitingView(downloaded=2, offered=3, since=NOW, cut=False) if bundle == "1.1.0" else None

    def facts_of(self, app, device):
        return self.facts.get((app, device), NO_FACTS)

    async def record(self, changes):
        for change in changes:
            before = self.facts_of(change.app, change.device)
            self.facts[change.app, change.device] = change_facts(before, change, NOW)

    async def lift_all(self, app, version, since, *, dry_run):
        """As a node does: failures whose hour is after `since`."""
        bundle, lifted = name_hash(version), 0
        for (owner, device), facts in list(self.facts.items()):
            failure = failure_of(facts, bundle)
            if owner == app and failure and failure.withheld and failure.hour >= hour_of(since):
                lifted += 1
                if not dry_run:
                    await self.record([Lifted(app, device, version)])
        return lifted

    def ports(self, **changed) -> ControlPorts:
        """Each port's methods are this world's own, but for those in `changed`, by name."""

        self.feed = Feed(changed.get("store", self.store))
        self.prover = a_prover(changed.get("store", self.store))

        def port(**methods):
            return SimpleNamespace(**methods | {name: changed[name] for name in methods if name in changed})

        return ControlPorts(
            store=changed.get("store", self.store),
            releases=self.releases,
            tokens=self.tokens,
            audit=self.audit_log(),
            timelines=Timelines(self.releases),
            messaging=changed.get("messaging") or Messaging(self.store.root.parent / "node", WebhookRules()),
            push=changed.get("push") or self.push(),
            serving=port(announce=self.announce),
            explaining=port(explain=self.explain, explain_feature=self.explain_feature, features_of=self.features_of),
            known_devices=port(
                preview=self.preview,
                preview_feature=self.preview_feature,
                features=self.features,
                reported=self.reported,
                as_of=lambda app, now: now,
                find=self.find,
                waiting=self.waiting,
                reach=self.reach,
                weigh=self.weigh,
                story=self.story,
                segments=self.segments,
                count_matching=self.count_matching,
            ),
            facts=port(facts_of=self.facts_of, record=self.record, lift_all=self.lift_all),
            proofs=self.prover,
            exporting=port(export=self.export),
            outcomes=port(keep=self.keep),
            login_links=port(make=self.make_link),
            login=self.logins.login if self.logins is not None else None,
            feed=self.feed,
            sender=FileSending(),
            telemetry=port(
                counted_until=lambda now: now,
                stats=self.stats,
                audit=self.audit,
                erase=self.erase,
                ask=self.ask,
                known_outcomes=self.known_outcomes,
            ),
            node=port(status=self.status, metrics=self.metrics),
            fleet=self.fleet(),
            sharing=changed.get("sharing") or self.sharing(),
            receiving=changed.get("receiving") or self.receiving(),
            quota=UploadQuota(self.store.root.parent / "uploads", changed.get("upload_limit_bytes", 0), NOW),
            clock=port(now=lambda: NOW, moment=lambda app: Moment(NOW, NOW)),
            place=NodePlace(changed.get("region", "")),
            messages=changed.get("messages") or MessagesWorld(self.store, lambda: NOW),
            origin=changed.get("origin", ""),
        )

    def audit_log(self) -> AuditLog:
        """Of a node called "homeid", in a folder of its own."""
        folder, trust = self.store.root.parent, self.releases._trust
        writer, options = self.releases._writer, AuditOptions()
        return open_audit(folder, "homeid", self.store, trust, writer, NoReserve(), options, clock=lambda: NOW)

    def sharing(self, home: SharingNode | None = None) -> SharingHome:
        """With the facts of `home`; None: while another process writes them."""
        clocks = SharingClocks(lambda: NOW, lambda: NOW)
        pages = BehaviourPages(self.store.root.parent / "behaviour.table", self.store.root.parent / "news")
        journal = (lambda: home.journal) if home else (lambda: None)
        record = home.record_all if home else self.record
        return SharingHome(journal, record, lambda app: True, NodeFailures(EventLimits(0, 0)), clocks, pages)

    def receiving(self) -> Receiving:
        """Into a spool of its own, as of now."""
        folder = self.store.root.parent
        (folder / "spool").mkdir(exist_ok=True)
        return a_receiving(folder / "spool", folder / "reports.json", own_node="homeid", clock=lambda: NOW)

    def fleet(self) -> KnownNodes:
        """Of a node called "home", whose every change is its own."""
        folder = self.store.root.parent
        registry = NodeRegistry(folder / "nodes.json", "homeid", "eu", is_token=lambda name: name in GRANTS)

        async def own():
            return RegisteredNode(node="homeid", name="home", region="eu"), NodeReport(region="eu")

        changes = lambda: sum(head.revision for head in self.releases.heads().values())  # noqa: E731
        return KnownNodes(registry, folder / "heard.json", own, changes, net_key="key", clock=lambda: NOW)

    def scratch_files(self) -> list[str]:
        return sorted(path.name for path in (self.store.root / "tmp").iterdir())


class Api:
    """Calls the server and holds every answer against what the table of operations declares."""

    def __init__(self, client, secrets):
        self.client = client
        self.secrets = secrets

    async def __call__(self, method, path, body=None, *, by="root", status=200, content=None, headers=None):
        """The decoded answer, whose status must be `status`; for a failure its code."""
        headers = dict(headers or {})
        if by:
            headers["Authorization"] = f"Bearer {self.secrets[by]}"
        if body is not None:
            content = msgspec.json.encode(body)
        if isinstance(content, bytes):
            content = io.BytesIO(content)  # streamed by the client, as large bodies are
        async with self.client.request(method, path, data=content, headers=headers) as response:
            text = await response.read()
            assert response.status == status, text
            assert response.content_type == "application/json"
            operation = operation_of(method, path)
            if operation is not None:
                assert status in statuses_of(operation), f"{operation.name} does not declare {status}"
            if status == 200:
                msgspec.json.decode(text, type=operation.answer)
                return msgspec.json.decode(text)
            answer = msgspec.json.decode(text)
            if status == 202:
                assert msgspec.convert(answer, ProposalMadeAnswer)
                return answer
            assert set(answer) == {"error", "message"} and answer["message"]
            assert msgspec.convert(answer, ErrorAnswer)
            return answer["error"]

    async def upload(self, packed, by="root"):
        for name, content in packed.blobs.items():
            await self("PUT", f"/v1/apps/{APP}/blobs/{name}", content=content, by=by)

    async def publish(self, version, packed=None, *, by="root", status=200, headers=None, **fields):
        packed = packed or pack(page=version)
        await self.upload(packed, by)
        body = {"version": version, "zip": packed.zip, "manifest": packed.manifest} | fields
        return await self("POST", f"/v1/apps/{APP}/bundles", body, by=by, status=status, headers=headers)


def operation_of(method, path):
    """The operation that the address belongs to; literal segments before variable ones, as the router has it."""
    wanted = path.partition("?")[0].split("/")
    for operation in sorted(OPERATIONS, key=lambda operation: operation.path.count("{")):
        segments = operation.path.split("/")
        if operation.method == method and len(segments) == len(wanted):
            pairs = zip(segments, wanted, strict=True)
            if all(segment == given or (segment.startswith("{") and given) for segment, given in pairs):
                return operation
    return None


def recording(finished):
    """A middleware that tells when a request's handler has ended, however it did."""

    @web.middleware
    async def record(request, handler):
        try:
            return await handler(request)
        finally:
            finished.set()

    return record
