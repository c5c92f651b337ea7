"""The nouns of the project, as values. A value that exists is valid: its maker has checked it.

What is built per publish is a frozen dataclass, what is built per request a NamedTuple. Stored documents have these
fields: a new one needs a default.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, NewType

from edge.domain.app_parts.feature_keys import FeatureKey
from edge.domain.app_parts.protection import ApprovalRule, DecidedProposal, Freeze, Proposal, RolloutHold
from edge.domain.app_parts.stored_features import Feature
from edge.domain.app_parts.stored_messages import MESSAGE_CAPS, MessageCaps, StoredMessage
from edge.domain.errors import Invalid
from edge.domain.file_names import NameFacts
from edge.domain.guard_policy import GUARD_DEFAULT, GuardPolicy, GuardTold
from edge.domain.plugin import Plugin, Prefer
from edge.domain.versions import VERSION_LIMIT, Version, parse_version

AppId = NewType("AppId", str)
DeviceId = NewType("DeviceId", str)  # a lower-case UUID
ChannelName = NewType("ChannelName", str)
VersionName = NewType("VersionName", str)
SegmentName = NewType("SegmentName", str)
IdSetName = NewType("IdSetName", str)
Digest = NewType("Digest", str)  # SHA-256 as 64 lower-case hexadecimal characters

BUILTIN = VersionName("builtin")  # the web code shipped inside the native app; never the name of a bundle

APP_ID_LIMIT = 128  # characters; PROTOCOL.md §10
CHANNEL_NAME_LIMIT = 64  # characters; every check can carry one as `defaultChannel`

_APP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_RESERVED_APP_ID = "other"  # statistics count all apps beyond their limit under it
_DEVICE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Platform(enum.Enum):
    """What a device runs, as it names itself."""

    ANDROID = "android"
    IOS = "ios"
    ELECTRON = "electron"

    # Enum's own is a call in Python; every check looks its platform up three times: 0.3 µs.
    __hash__ = object.__hash__


class Policy(enum.Enum):
    """How far a channel's bundle may be from the native version (PROTOCOL.md §1.4, rules 23-27)."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"
    VERSION_NUMBER = "version_number"
    NONE = "none"


class FileEntry(NamedTuple):
    """One file of a bundle's manifest. `name` ends in `.br` if `blob` is compressed with brotli."""

    name: str
    hash: Digest  # of the plain bytes, which a device verifies
    blob: Digest  # of the stored bytes, which a device downloads
    bytes: int  # stored size
    signed: str = ""  # in an encrypted bundle: `hash`, encrypted with the publisher's key; 512 hexadecimal characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """What an encrypted bundle carries for the device, in form V3 (PROTOCOL.md §6). Opaque to the node."""

    session_key: str
    checksum: str
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One published version of an app's web code. What it refers to are blobs in the store; it contains none."""

    version: VersionName
    content: Digest  # identity: `content_digest` of the plain files; without a manifest, the zip's digest
    zip: Digest
    zip_bytes: int
    zip_crc32: str  # 8 lower-case hexadecimal characters; what plugins before SHA-256 verify
    manifest: Digest | None  # of the manifest document, a blob; None: encrypted elsewhere, contents unknown
    files: int  # 0: unknown
    plain_bytes: int  # all files together, uncompressed; 0: unknown
    names: NameFacts | None = None  # None: no manifest, or published before these existed (`build_snapshot` adds them)
    plain_files: bool = False  # whether the store has the plain bytes of every file, under its hash
    patches: Digest | None = None  # of the patches document, a blob; None: every file is sent whole
    min_native: str = ""  # the oldest native version that can run it, a semantic version; empty: any
    max_native: str = ""  # the newest, likewise
    link: str = ""
    comment: str = ""
    encryption: Encryption | None = None
    published: float = 0.0  # seconds since the epoch; set by `apply`
    withdrawn: str = ""  # the reason; a withdrawn bundle is never offered again


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """A deleted bundle. Its name never gets other bytes; its blobs stay readable for a while."""

    content: Digest
    zip: Digest
    manifest: Digest | None
    deleted: float  # seconds since the epoch
    plain_files: bool = False
    withdrawn: str = ""  # the reason; a withdrawn name never comes back
    min_native: str | None = None  # None: deleted by an older node, which did not keep it
    max_native: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Devices selected by an expression. With a channel it sends them there; rollouts and experiments can name it."""

    name: SegmentName
    where: str  # an expression, checked when it was saved
    channel: ChannelName | None = None
    priority: int = 100  # lowest first, then by name
    # Whether it leaves a device on its own `defaultChannel`. None: if that is self-set and not public.
    yield_to_self_set: bool | None = None
    leave: str | None = None  # an expression about behaviour: a device that was in stays until it is true
    # Where judgements remember that a device was in, one place for each part of `where` that reads behaviour; and the
    # revision from which on they mean this segment. A later definition has another.
    places: tuple[int, ...] = ()
    since: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIdSet:
    """An uploaded list of ids; `blob` is its encoding (targeting.id_sets)."""

    name: IdSetName
    blob: Digest
    ids: int


class Phase(enum.Enum):
    """The state of a rollout: the first two are active, the others final."""

    RUNNING = "running"
    PAUSED = "paused"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"

    @property
    def is_active(self) -> bool:
        return self is Phase.RUNNING or self is Phase.PAUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A bundle offered to a channel's devices share by share. Shares are in thousandths of a percent."""

    bundle: VersionName
    salt: str  # draws the early devices; different in every rollout
    steps: tuple[int, ...]
    every_seconds: int = 0  # how long a step lasts; 0: until advanced
    segments: tuple[SegmentName, ...] = ()  # only devices in one of them; empty: all devices
    first: tuple[SegmentName, ...] = ()  # devices in one of them get it from the start, at any share
    hold_out: int = 0  # the share that does not get it before it is promoted
    hold_out_group: str = "control"  # one name holds out the same devices in every rollout of the app
    phase: Phase = Phase.RUNNING
    step: int = 0  # the index of the one that began at `began`; later ones follow from the time
    began: float = 0.0  # seconds since the epoch
    frozen: int | None = None  # the share while it is paused, and at its end
    paused: float = 0.0  # since when, in seconds since the epoch; 0: not paused, or unknown
    started: float = 0.0  # seconds since the epoch
    resumed: int = 0  # how often; the guard's count begins again with each
    resumed_at: float = 0.0  # the last time, in seconds since the epoch
    gated: bool = False  # a step ends when the guard knows enough, never by time alone
    holds: tuple[
        RolloutHold, ...
    ] = ()  # freezes since the step began and to come, in order and apart (approving.holding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One bundle of an experiment, or one value of a feature, as JSON, with "" as its bundle. `weight` is its share of
    the devices, in thousandths of a percent.

    Its devices get the bundle in its windows and over its spread, which take the place of the channel's. With a
    segment, only those of them that match get it; the others get what the channel offers, and stay in the arm.
    """

    name: str
    bundle: VersionName
    weight: int  # thousandths of a percent; all arms add up to 100 percent
    windows: tuple[str, ...] = ()  # maintenance windows (schedule.windows); empty: the channel's
    spread_seconds: int = 0  # over which its offers open, from the start of the experiment; 0: at once
    segment: SegmentName | None = None
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Several bundles on one channel, each for a share of its devices; `salt` decides which device is in which arm. It
    carries its question, in words, and what it measures (comparing.measures)."""

    name: str
    arms: tuple[Arm, ...]
    salt: str
    segment: SegmentName | None = None  # None: every device of the channel
    started: float = 0.0  # seconds since the epoch
    question: str = ""
    measures: tuple[str, ...] = ()  # empty: as an older node started it, the usual ones

    @property
    def segments(self) -> tuple[SegmentName, ...]:
        """All that it reads."""
        named = (self.segment, *(arm.segment for arm in self.arms))
        return tuple(dict.fromkeys(name for name in named if name is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """A bundle that a channel was rolled back from, at a time in seconds since the epoch, by a token."""

    bundle: VersionName
    at: float
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What a team points at a bundle, and which devices it serves."""

    name: ChannelName
    bundle: VersionName | None = None  # a version, BUILTIN, or None: offers nothing and reverts no device
    public: bool = False
    self_set: bool = False
    test: bool = False  # whoever may change test channels may change it, unless it is public
    ios: bool = True
    android: bool = True
    electron: bool = True
    emulator: bool = True
    device: bool = True
    dev: bool = True
    prod: bool = True
    policy: Policy = Policy.MAJOR
    block_under_native: bool = True
    windows: tuple[str, ...] = ()  # maintenance windows (schedule.windows); empty: always open
    rollback_passes: bool = False  # whether ways back are open outside the windows
    spread_seconds: int = 0  # over which the offers of a new bundle open
    prefer: Prefer | None = None  # None: what the node prefers
    changed: float = 0.0  # when `bundle` last changed, in seconds since the epoch
    changed_by: str = ""  # the token that changed it; empty: unknown
    rolled_back: bool = False  # whether that change was a way back
    earlier: tuple[VersionName, ...] = ()  # what it offered to all devices before, latest last
    taken_back: tuple[TakenBack, ...] = ()  # what it was rolled back from, latest last (changes.taking_back)
    rollout: Rollout | None = None
    experiment: Experiment | None = None
    guard: GuardPolicy = GUARD_DEFAULT
    guard_told: GuardTold | None = None  # None: nothing yet

    def serves(self, platform: Platform) -> bool:
        match platform:
            case Platform.IOS:
                return self.ios
            case Platform.ANDROID:
                return self.android
            case Platform.ELECTRON:
                return self.electron


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKey:
    """What an app's code states with its own events. Published with the app, so no secret: it keeps out who does not
    know the app. Times are in seconds since the epoch; `until` 0: until another takes its place."""

    key: str
    made: float
    until: float = 0.0


class UsedId(NamedTuple):
    """A command id and the command that used it. Stored as an array: a revision holds 256 of them."""

    id: str
    digest: str  # of the command and its author (changes.command_ids)
    kind: str
    target: str
    by: str
    at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """One app's release state at one revision. `recent` has the latest command ids, oldest first; those from revisions
    of format 1 are ids alone. A `deleted` app has nothing but its retired names, and what protects its channels:
    devices still ask for them."""

    app: AppId
    revision: int
    expose_metadata: bool = False
    bundles: Mapping[VersionName, Bundle] = field(default_factory=dict)
    retired: Mapping[VersionName, Retired] = field(default_factory=dict)
    channels: Mapping[ChannelName, Channel] = field(default_factory=dict)
    overrides: Mapping[DeviceId, ChannelName] = field(default_factory=dict)
    segments: Mapping[SegmentName, Segment] = field(default_factory=dict)
    id_sets: Mapping[IdSetName, StoredIdSet] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    messages: Mapping[str, StoredMessage] = field(default_factory=dict)  # by id
    message_caps: MessageCaps = MESSAGE_CAPS
    event_keys: tuple[EventKey, ...] = ()  # latest last; none: events of its code are taken without one
    feature_keys: tuple[FeatureKey, ...] = ()  # latest last; none for apps' code: it gets its features without one
    approvals: Mapping[ChannelName, ApprovalRule] = field(default_factory=dict)  # also of channels that are gone
    proposals: Mapping[str, Proposal] = field(default_factory=dict)  # that wait, by id
    decided: tuple[DecidedProposal, ...] = ()  # the latest, last
    freezes: tuple[Freeze, ...] = ()  # on now or to come
    recent: tuple[UsedId | str, ...] = ()
    deleted: float = 0.0  # seconds since the epoch; 0: it is not


class UpdateCheck(NamedTuple):
    """A device's validated update check (PROTOCOL.md §1.2, §1.3)."""

    app: AppId  # empty if the device sent an id that no app can have
    device: DeviceId
    platform: Platform
    version_name: str  # the bundle it runs; equals `version_build` on builtin
    version_build: str  # as the device sent it; empty if its native app has none
    native: Version  # `version_build`, coerced; UNNUMBERED if that has no number
    plugin: Plugin
    is_prod: bool = True
    is_emulator: bool = False
    default_channel: str = ""
    custom_id: str = ""
    key_id: str = ""
    version_os: str = ""
    install_source: str = ""
    country: str = ""  # two capital letters, from a trusted proxy; or empty
    says_builtin: bool = False  # it names its builtin code `builtin` and not by its native version

    @property
    def own_name(self) -> str:
        """The device's own name for the bundle it runs, with which it compares the version in an answer."""
        return BUILTIN if self.says_builtin else self.version_name


def parse_app_id(text: str) -> AppId:
    """The id of a native app: usually a reverse-domain name, but one part is enough (PROTOCOL.md §1.3.1). At most
    APP_ID_LIMIT ASCII characters. Raises Invalid `invalid_app_id`."""
    if text == _RESERVED_APP_ID:
        raise Invalid("invalid_app_id", f"app id {text!r} is reserved for statistics")
    if len(text) > APP_ID_LIMIT or _APP_ID.fullmatch(text) is None:
        raise Invalid(
            "invalid_app_id",
            f"invalid app id {text[:APP_ID_LIMIT]!r}: use up to {APP_ID_LIMIT} letters, digits, '-' and '_', in parts "
            "separated by '.', such as com.example.app",
        )
    return AppId(text)


def parse_device_id(text: str) -> DeviceId:
    """A UUID in any case, lower-cased. Raises Invalid `invalid_device_id`."""
    lowered = text.lower()
    if _DEVICE_ID.fullmatch(lowered) is None:
        raise Invalid("invalid_device_id", f"device id {text[:40]!r} is not a UUID")
    return DeviceId(lowered)


def parse_channel_name(text: str) -> ChannelName:
    """One name, or several separated by `/`, as in names of branches. Raises Invalid `invalid_channel_name`."""
    if len(text) > CHANNEL_NAME_LIMIT or not all(map(_NAME.fullmatch, text.split("/"))):
        raise _invalid_name("channel", text, "; '/' separates several names")
    return ChannelName(text)


def parse_name(noun: str, text: str) -> str:
    """The name of a segment, an id set, an experiment, an arm or a group: the `noun`. Raises Invalid
    `invalid_<noun>_name`."""
    if len(text) > CHANNEL_NAME_LIMIT or _NAME.fullmatch(text) is None:
        raise _invalid_name(noun, text)
    return text


def _invalid_name(noun: str, text: str, more: str = "") -> Invalid:
    return Invalid(
        f"invalid_{noun.replace(' ', '_')}_name",
        f"invalid {noun} name {text[:CHANNEL_NAME_LIMIT]!r}: use 1 to {CHANNEL_NAME_LIMIT} letters, digits, '_', '.' "
        f"and '-', starting with a letter or digit{more}",
    )


def parse_version_name(text: str) -> VersionName:
    """A bundle's name: a semantic version of at most VERSION_LIMIT characters. Raises Invalid `invalid_version`."""
    if parse_version(text) is None:
        raise Invalid(
            "invalid_version", f"bundle version {text[:VERSION_LIMIT]!r} is not a semantic version like 1.2.3"
        )
    return VersionName(text)


def parse_digest(text: str) -> Digest:
    """64 lower-case hexadecimal characters. Raises Invalid `invalid_digest`."""
    if _DIGEST.fullmatch(text) is None:
        raise Invalid("invalid_digest", f"{text[:64]!r} is not a SHA-256 digest in lower-case hexadecimal")
    return Digest(text)
