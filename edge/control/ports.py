"""What the control API needs from the process around it: one port per topic, implemented where a node is assembled."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

from edge.control.access.people import People
from edge.control.access.tokens import Tokens
from edge.control.audit.audit_log import AuditLog
from edge.control.audit.timelines import Timelines
from edge.control.login.people_login import PeopleLogin
from edge.control.push.push_desk import PushDesk
from edge.control.shapes.apps import AppStats
from edge.control.shapes.devices import Explanation, RawErasedView
from edge.control.shapes.features.feature_shapes import (
    FeatureExplanation,
    FeatureOfDevice,
    FeaturePreview,
    FeaturesReach,
)
from edge.control.shapes.figures.audit import AuditView
from edge.control.shapes.impact import ImpactView, ReachView
from edge.control.shapes.insight.segment_reach import SegmentsReach
from edge.control.shapes.node import NodeStatus
from edge.control.shapes.rollouts import PreviewAnswer, WaitingView
from edge.control.upload_quota import UploadQuota
from edge.domain.changes.commands import StartRollout
from edge.domain.facts import DeviceFacts
from edge.domain.model import AppId, ChannelName, DeviceId, UpdateCheck, VersionName
from edge.domain.schedule.rollout import Moment
from edge.domain.targeting.places import NodePlace
from edge.facts.changes import Recordable
from edge.messages.messaging import Messaging
from edge.push.questions import MessageFigures, MessagesFound, PreviewAsked, PreviewFound
from edge.regions.feed.feed import Feed
from edge.regions.fleet.known_nodes import KnownNodes
from edge.regions.following.followed_releases import FollowedReleases
from edge.regions.sending.receiving import Receiving
from edge.regions.sharing.home import SharingHome
from edge.store.damage import NotTaken
from edge.store.objects.port import ObjectStore
from edge.store.releases import Head, Rehearsed, Releases
from edge.telemetry.devices.device_search import DevicePage, DeviceSearch
from edge.telemetry.devices.device_story import StoryPage
from edge.telemetry.devices.known_devices import KnownDevice
from edge.telemetry.spool.app_records import KnownOutcomes, Outcomes

T = TypeVar("T")


class ServingPort(Protocol):
    """The workers that serve devices."""

    async def announce(self, app: AppId, head: Head) -> NotTaken:
        """Return once every worker serves this head or a later one, or once the time for a stuck worker is up; with
        what workers did not take."""


class ExplainPort(Protocol):
    """Why a device gets what it gets."""

    async def explain(self, app: AppId, body: bytes, country: str) -> Explanation:
        """Explain the answer to a device's `/updates` body; `country` is two capital letters or empty.

        `reported` of the answer is None. Raises NotFound `unknown_app`, and Invalid with the code that the device
        would get for a body that is malformed.
        """

    async def features_of(self, app: AppId, body: bytes, country: str) -> list[FeatureOfDevice]:
        """What a device with such a body gets of each feature. Raises as `explain`."""

    async def explain_feature(
        self, app: AppId, name: str, body: bytes, country: str, *, by_context: bool = False
    ) -> FeatureExplanation:
        """Explain what a device with such a body gets of a feature; `by_context`: with such a request by OFREP. Raises
        NotFound `unknown_app`, `unknown_feature`, and as `explain`; Invalid with the protocol's codes in lower case."""


class FoundDevices(NamedTuple):
    """One page. `since` is the time of the oldest report read, in seconds since the epoch; `cut`: a limit was reached
    before the end of the reports, so there may be more devices."""

    page: DevicePage
    since: float | None
    cut: bool


class Matcher(Protocol):
    """An expression, ready to be asked about devices."""

    def matches(self, check: UpdateCheck, facts: DeviceFacts) -> bool:
        """Whether it selects the device."""

    def unknown(self, check: UpdateCheck, facts: DeviceFacts) -> Iterable[str]:
        """What it reads that is unknown of the device."""


class MatchCount(NamedTuple):
    """`unknown` counts devices by what is unknown of them; `since` and `cut` as of `FoundDevices`."""

    devices: int
    matching: int
    unknown: Counter[str]
    since: float | None
    cut: bool


class MessagesPort(Protocol):
    """Questions about messages to devices. Raises Unavailable `messages_unavailable`, `busy`."""

    async def preview(self, asked: PreviewAsked) -> PreviewFound:
        """How many devices a message would be sent to. Raises what creating it would."""

    async def listing(self, app: AppId) -> MessagesFound:
        """How far each message of an app is."""

    async def figures(self, app: AppId, message: str) -> MessageFigures:
        """What became of one. Raises NotFound `message_not_planned`."""


class KnownDevicesPort(Protocol):
    """Questions about the devices whose reports this node still holds. Each reads the spool, which takes seconds at
    worst, one caller at a time; callers beyond the queue's limit get Unavailable `busy` unless stated otherwise."""

    def as_of(self, app: AppId, now: float) -> float:
        """When what is told of known devices was read, for who asks at `now`: at `now`, or for a page some seconds
        before."""

    async def preview(self, app: AppId, command: StartRollout, change_id: str, listed: int) -> PreviewAnswer:
        """Which devices a rollout would reach if it were started with this command and id; at most `listed` device ids
        per step. Raises what `apply` raises for the command, and Conflict `command_id_used`."""

    async def reported(self, app: AppId, device: str) -> KnownDevice | None:
        """What the device would request now, judged by its latest report; None without a report."""

    async def find(self, app: AppId, search: DeviceSearch, limit: int) -> FoundDevices:
        """The devices that `search` matches, at most `limit` of them."""

    async def waiting(self, app: AppId, bundle: VersionName) -> WaitingView | None:
        """On how many devices the bundle waits for the next start; None instead of `busy`."""

    async def reach(self, app: AppId, channel: ChannelName) -> ReachView:
        """Which devices can take what the channel offers. Raises NotFound `unknown_app`, `unknown_channel`."""

    async def story(self, app: AppId, device: DeviceId, limit: int, before_ms: int) -> StoryPage:
        """What the device reported before this time, in epoch milliseconds, newest first."""

    async def segments(self, app: AppId) -> SegmentsReach:
        """Which devices are in which segment. Raises NotFound `unknown_app`."""

    async def count_matching(self, app: AppId, build: Callable[[], Matcher]) -> MatchCount:
        """How many devices the expression selects; it is built where it may block. Raises what `build` raises."""

    async def features(self, app: AppId) -> FeaturesReach:
        """Which devices get what of each feature. Raises NotFound `unknown_app`."""

    async def preview_feature(self, rehearsed: Rehearsed, name: str) -> FeaturePreview:
        """Which devices get what of the feature before and after the change."""

    async def weigh(self, rehearsed: Rehearsed) -> ImpactView:
        """What the change does to channels and devices; without devices instead of `busy`."""


class DeviceFactsPort(Protocol):
    """What is known about single devices."""

    def facts_of(self, app: str, device: str) -> DeviceFacts:
        """Empty facts for a device that is not known. Reads memory only."""

    async def record(self, changes: list[Recordable]) -> Sequence[object]:
        """Return once the changes are durable and every worker sees them. Raises Unavailable."""

    async def lift_all(self, app: str, version: str, since: float, *, dry_run: bool) -> int:
        """Allow the bundle again to all devices from which it was withheld at `since` or later, in seconds since the
        epoch; return how many. In a dry run nothing changes. Raises Unavailable, `busy` while another one runs."""


class BlobProofsPort(Protocol):
    """What this node knows of the bytes of stored blobs."""

    async def prove_all(self, digests: Iterable[str], app: str) -> None:
        """Read those that were not read since their files changed; returns once it is known which are damaged."""

    def is_damaged(self, digest: str) -> bool:
        """Whether the stored bytes are known to be wrong, gone or unreadable."""

    async def note_upload(self, digest: str, app: str) -> None:
        """Right bytes were stored for the blob; returns once all workers serve them."""


class Asker(NamedTuple):
    """For whom an operation is performed: a token by its name, or the page that one with it looks at; "" is the node
    itself."""

    name: str = ""
    on_page: bool = False


# Questions about figures wait in a bounded room, in which everybody has a share.
ASKED_BY: ContextVar[Asker] = ContextVar("asked_by", default=Asker())  # noqa: B039  it is a tuple


class TelemetryPort(Protocol):
    """What devices have reported."""

    def counted_until(self, now: float) -> float:
        """Until when `ask` counts for who asks at `now`: until then, or on a page until some seconds before."""

    async def stats(self, app: AppId) -> AppStats:
        """Counts of every acknowledged event, those of a moment ago included. An unknown app has none."""

    async def ask(self, question: str, parameters: object, answer: type[T]) -> T:
        """The answer to one of `edge/telemetry/questions/registry.py`, from everything acknowledged so far, and on
        a page as `counted_until` says. Raises Unavailable `figures_unavailable`, and what the question raises."""

    async def erase(self, app: AppId, device: DeviceId) -> RawErasedView | None:
        """Return once it is durable that a device is erased from events and figures, with what is erased by now; None:
        nothing is yet. Raises Unavailable `busy`."""

    async def known_outcomes(self, stated: Outcomes) -> KnownOutcomes | None:
        """What is known of them before they are kept; None: the figures cannot be asked now."""

    async def audit(self) -> AuditView:
        """Whether all that this node acknowledged is accounted for."""


ExportFormat = Literal["ndjson", "parquet"]


class ExportPort(Protocol):
    """What devices sent, as far as it is kept."""

    def export(self, app: AppId, since_ms: int, until_ms: int, form: ExportFormat) -> AsyncGenerator[bytes, None]:
        """The raw events received in this time as the bytes of a file. Raises Invalid `parquet_unavailable`,
        Unavailable `busy`, `export_failed`."""


class OutcomesPort(Protocol):
    """What the team's own systems say of devices."""

    async def keep(self, outcomes: Outcomes, now: float) -> None:
        """Return once they are on disk; `now` is in seconds since the epoch. Raises Unavailable: none of them is."""


class LoginLinksPort(Protocol):
    """Links that sign a browser in to the page once."""

    def make(self, token_hash: str, now: float) -> tuple[str, float]:
        """The secret of a new link for the token whose secret has this hash, and until when it works, in seconds since
        the epoch."""


class FileSender(Protocol):
    """Parts of files, over connections of this port."""

    async def send(self, transport: asyncio.Transport, descriptor: int, offset: int, count: int) -> None:
        """After what the transport still buffers. Raises ConnectionError for a peer that is gone or too slow; after any
        exception the connection has to be cut."""


class NodePort(Protocol):
    """The state of this node."""

    async def status(self) -> NodeStatus:
        """The node's version, apps, workers and heads now."""

    async def metrics(self) -> bytes:
        """Counters and gauges in the Prometheus text format."""


class ClockPort(Protocol):
    """The two readings of time that changes and answers use."""

    def now(self) -> float:
        """The node's clock, in seconds since the epoch."""

    def moment(self, app: AppId) -> Moment:
        """The app's rollout clock now. It never goes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPorts:
    """One object per topic; `place` is where this node is. `origin` is where changes are made, empty on that node
    itself; `push` has push providers' credentials there, None elsewhere; `receiving` takes other nodes' reports and
    `sharing` what devices brought about there, both None at a node that sends its own home.
    `login` is how people sign in."""

    store: ObjectStore
    releases: Releases | FollowedReleases
    tokens: Tokens
    audit: AuditLog
    timelines: Timelines
    messaging: Messaging
    serving: ServingPort
    explaining: ExplainPort
    known_devices: KnownDevicesPort
    proofs: BlobProofsPort
    facts: DeviceFactsPort
    telemetry: TelemetryPort
    exporting: ExportPort
    outcomes: OutcomesPort
    node: NodePort
    fleet: KnownNodes
    sharing: SharingHome | None
    receiving: Receiving | None
    clock: ClockPort
    quota: UploadQuota
    login_links: LoginLinksPort
    login: PeopleLogin | None = None
    feed: Feed
    sender: FileSender
    place: NodePlace
    messages: MessagesPort | None = None
    push: PushDesk | None = None
    origin: str = ""
    trusted_proxies: tuple[str, ...] = ()  # in front of the control port

    @property
    def people(self) -> People:
        """Who may do what; tokens hold roles by the same document."""
        return self.tokens.people
