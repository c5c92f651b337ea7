"""The nouns of the project, as values. A value that exists is valid: whoever makes one has checked it.

What is built per publish is a frozen dataclass; what is built per request is a NamedTuple.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, NewType

from edge.domain.errors import Invalid
from edge.domain.file_names import NameFacts, NameRules
from edge.domain.versions import VERSION_LIMIT, Version, parse_version

AppId = NewType("AppId", str)
DeviceId = NewType("DeviceId", str)  # a lower-case UUID
ChannelName = NewType("ChannelName", str)
VersionName = NewType("VersionName", str)
SegmentName = NewType("SegmentName", str)
IdSetName = NewType("IdSetName", str)
Digest = NewType("Digest", str)  # SHA-256 as 64 lower-case hexadecimal characters

BUILTIN = VersionName("builtin")  # the web code shipped inside the native app; never the name of a bundle

APP_ID_LIMIT = 128  # characters; device-protocol §10
CHANNEL_NAME_LIMIT = 64  # characters; a name travels in every check as `defaultChannel`

_APP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_RESERVED_APP_ID = "other"  # what statistics call the apps that they do not count singly
_DEVICE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Platform(enum.Enum):
    ANDROID = "android"
    IOS = "ios"
    ELECTRON = "electron"

    # Enum's own is a call in Python, and every check looks its platform up three times: 0.3 µs.
    __hash__ = object.__hash__


class Policy(enum.Enum):
    """How far a channel's bundle may be from the native version (device-protocol §1.4, rules 23-27)."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"
    VERSION_NUMBER = "version_number"
    NONE = "none"


class FileEntry(NamedTuple):
    """One file of a bundle's manifest: `name` ends in `.br` where `blob` holds brotli bytes."""

    name: str
    hash: Digest  # of the plain bytes, which is what a device verifies
    blob: Digest  # of the stored bytes, which is what a device downloads
    bytes: int  # stored size
    signed: str = ""  # of an encrypted bundle: `hash` in a block of the publisher's key, 512 hexadecimal characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """What an encrypted bundle carries for the device, in the V3 form (device-protocol §6). Opaque to the node."""

    session_key: str
    checksum: str
    key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    version: VersionName
    content: Digest  # identity: `content_digest` of the plain files; without a manifest, the zip's digest
    zip: Digest
    zip_bytes: int
    zip_crc32: str  # 8 lower-case hexadecimal characters; what plugins before SHA-256 verify
    manifest: Digest | None  # of the manifest document, a blob; None: encrypted elsewhere, nobody here has seen inside
    files: int  # 0 where nobody here knows
    plain_bytes: int  # all files together, uncompressed; 0 likewise
    names: NameFacts | None = None  # None: without a manifest, or published before this was kept (`build_snapshot`)
    plain_files: bool = False  # whether the store has the plain bytes of every file, each under its hash
    min_native: str = ""  # the oldest native version that can run it, a semantic version; empty: any
    max_native: str = ""  # likewise the newest
    link: str = ""
    comment: str = ""
    encryption: Encryption | None = None
    published: float = 0.0  # seconds since the epoch; set by `apply`
    withdrawn: str = ""  # the reason; such a bundle is never offered again anywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """A deleted bundle. Its name is never given to other bytes; its blobs stay readable for a while."""

    content: Digest
    zip: Digest
    manifest: Digest | None
    deleted: float  # seconds since the epoch
    plain_files: bool = False
    withdrawn: str = ""  # the reason; such a name never comes back
    min_native: str | None = None  # None: an earlier version, which did not keep it, deleted the bundle
    max_native: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Devices told apart by an expression. With a channel it sends them there; without, rollouts name it."""

    name: SegmentName
    where: str  # an expression, checked when it was saved
    channel: ChannelName | None = None
    priority: int = 100  # the lowest is asked first, then by name
    # Whether it leaves a device on its own `defaultChannel`. None: where that may be chosen and is not public.
    yield_to_self_set: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIdSet:
    """An uploaded list of ids: `blob` holds them sorted (domain.id_sets)."""

    name: IdSetName
    blob: Digest
    ids: int


class Phase(enum.Enum):
    """Of a rollout: the first two are active, the others its end."""

    RUNNING = "running"
    PAUSED = "paused"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"

    @property
    def is_active(self) -> bool:
        return self is Phase.RUNNING or self is Phase.PAUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A bundle on its way to a channel's devices, share by share. Shares are in thousandths of a percent."""

    bundle: VersionName
    salt: str  # decides who is early; another one for every rollout
    steps: tuple[int, ...]
    every_seconds: int = 0  # how long a step lasts; 0: until somebody advances it
    segments: tuple[SegmentName, ...] = ()  # only devices in one of them, if there are any
    first: tuple[SegmentName, ...] = ()  # devices in one of them at once, whatever the share
    hold_out: int = 0  # a share that gets nothing before the rollout is promoted
    hold_out_group: str = "control"  # the same name holds out the same devices in every rollout of the app
    phase: Phase = Phase.RUNNING
    step: int = 0  # the one that began at `began`; later ones follow from the time
    began: float = 0.0  # seconds since the epoch
    frozen: int | None = None  # while paused: the share that a resume goes on with
    paused: float = 0.0  # since when it is, in seconds since the epoch; 0: it is not, or that was not kept yet
    started: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    name: str
    bundle: VersionName
    weight: int  # thousandths of a percent; those of all arms make 100 percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    name: str
    arms: tuple[Arm, ...]
    salt: str
    segment: SegmentName | None = None  # None: every device of the channel
    started: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """A bundle that a channel went back from, when, in seconds since the epoch, and by which token."""

    bundle: VersionName
    at: float
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    name: ChannelName
    bundle: VersionName | None = None  # a version, BUILTIN, or None: offers nothing, reverts nobody
    public: bool = False
    self_set: bool = False
    ios: bool = True
    android: bool = True
    electron: bool = True
    emulator: bool = True
    device: bool = True
    dev: bool = True
    prod: bool = True
    policy: Policy = Policy.MAJOR
    block_under_native: bool = True
    windows: tuple[str, ...] = ()  # maintenance windows (domain.windows); empty: always open
    rollback_passes: bool = False  # whether a way back is open outside of them
    spread_seconds: int = 0  # over which a new bundle's offers open
    changed: float = 0.0  # when `bundle` last changed, in seconds since the epoch
    changed_by: str = ""  # the token that did; empty before that was kept
    rolled_back: bool = False  # whether that was a way back
    earlier: tuple[VersionName, ...] = ()  # what it offered to everybody before, the latest last
    taken_back: tuple[TakenBack, ...] = ()  # what it went back from, the latest last (domain.taking_back)
    rollout: Rollout | None = None
    experiment: Experiment | None = None

    def serves(self, platform: Platform) -> bool:
        match platform:
            case Platform.IOS:
                return self.ios
            case Platform.ANDROID:
                return self.android
            case Platform.ELECTRON:
                return self.electron


class UsedId(NamedTuple):
    """A command id and what it was used for. Stored as an array: a revision holds 256 of them."""

    id: str
    digest: str  # of the command and its author (domain.command_ids)
    kind: str
    target: str
    by: str
    at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """One app's release state at one revision. `recent` holds the latest command ids, oldest first; one that was stored
    by revisions of format 1 is an id alone. A `deleted` app has nothing but its retired names."""

    app: AppId
    revision: int
    expose_metadata: bool = False
    bundles: Mapping[VersionName, Bundle] = field(default_factory=dict)
    retired: Mapping[VersionName, Retired] = field(default_factory=dict)
    channels: Mapping[ChannelName, Channel] = field(default_factory=dict)
    overrides: Mapping[DeviceId, ChannelName] = field(default_factory=dict)
    segments: Mapping[SegmentName, Segment] = field(default_factory=dict)
    id_sets: Mapping[IdSetName, StoredIdSet] = field(default_factory=dict)
    recent: tuple[UsedId | str, ...] = ()
    deleted: float = 0.0  # seconds since the epoch; 0: it is not


class PlainWithKey(enum.Enum):
    """Which unencrypted bundles a plugin takes although it holds a public key (plugin-capabilities §5)."""

    REFUSED = "refused"
    MANIFEST_ONLY = "manifest_only"
    ACCEPTED = "accepted"


class Sent(enum.Enum):
    """How a bundle goes to a device (device-protocol §5.7)."""

    ZIP = "zip"
    PACKED = "packed"  # by a manifest; compressed files are listed with the suffix `.br`
    PLAIN = "plain"  # by a manifest of plain files, for releases that would leave the suffix on a file they reuse

    __hash__ = object.__hash__  # as Platform's: it is part of a key at every offer


class ManifestRules(NamedTuple):
    """Which manifests one plugin release can take."""

    sent: Sent = Sent.PACKED  # what a bundle without faults goes as
    encrypted: bool = True  # of encrypted bundles too
    names: NameRules = NameRules()


class Plugin(NamedTuple):
    """What the asking plugin release can take, as far as the decision needs it. `wire.plugins.forms` makes it."""

    version: str
    supported: bool = True  # major 4 and below are not (device-protocol §1.4, rule 11)
    reads_v3: bool = True
    plain_with_key: PlainWithKey = PlainWithKey.ACCEPTED
    reverts_to_builtin: bool = True
    keeps_choice: bool = True  # of a channel, on the device; older plugins leave it to the server
    listed: bool = True  # False: above every release the project knows; worth counting
    sends_key_id: bool = True  # whether a device that holds a public key says so
    manifest: ManifestRules = ManifestRules()


class UpdateCheck(NamedTuple):
    """A device's question, validated (device-protocol §1.2, §1.3)."""

    app: AppId  # empty where the device names one that no app can have
    device: DeviceId
    platform: Platform
    version_name: str  # the bundle it runs; equals `version_build` on builtin
    version_build: str  # as the device wrote it; empty where its native app has none
    native: Version  # `version_build`, coerced; UNNUMBERED where that has no number
    plugin: Plugin
    is_prod: bool = True
    is_emulator: bool = False
    default_channel: str = ""
    custom_id: str = ""
    key_id: str = ""
    version_os: str = ""
    install_source: str = ""
    country: str = ""  # two capital letters, or empty: nobody we trust said
    says_builtin: bool = False  # it calls what it runs `builtin`, as releases before its native version do

    @property
    def own_name(self) -> str:
        """What the device itself calls the bundle it runs, and compares an answer's version with."""
        return BUILTIN if self.says_builtin else self.version_name


def parse_app_id(text: str) -> AppId:
    """The id of a native app: a reverse-domain name as a rule, but one part is an id too (device-protocol §1.3.1). At
    most APP_ID_LIMIT ASCII characters. Raises Invalid `invalid_app_id`."""
    if text == _RESERVED_APP_ID:
        raise Invalid("invalid_app_id", f"app id {text!r} is what statistics call the apps that share one count")
    if len(text) > APP_ID_LIMIT or _APP_ID.fullmatch(text) is None:
        raise Invalid(
            "invalid_app_id",
            f"app id {text[:APP_ID_LIMIT]!r} is not one like com.example.app: up to {APP_ID_LIMIT} letters, digits, "
            "'-' and '_', in parts with a '.' between them",
        )
    return AppId(text)


def parse_device_id(text: str) -> DeviceId:
    """A UUID in any case, lower-cased. Raises Invalid `invalid_device_id`."""
    lowered = text.lower()
    if _DEVICE_ID.fullmatch(lowered) is None:
        raise Invalid("invalid_device_id", f"device id {text[:40]!r} is not a UUID")
    return DeviceId(lowered)


def parse_channel_name(text: str) -> ChannelName:
    """One name or several with `/` between them, as branches have. Raises Invalid `invalid_channel_name`."""
    if len(text) > CHANNEL_NAME_LIMIT or not all(map(_NAME.fullmatch, text.split("/"))):
        raise _invalid_name("channel", text, ", and '/' between names")
    return ChannelName(text)


def parse_name(noun: str, text: str) -> str:
    """The name of a segment, an id set, an experiment, an arm or a group. Raises Invalid `invalid_<noun>_name`."""
    if len(text) > CHANNEL_NAME_LIMIT or _NAME.fullmatch(text) is None:
        raise _invalid_name(noun, text)
    return text


def _invalid_name(noun: str, text: str, more: str = "") -> Invalid:
    return Invalid(
        f"invalid_{noun.replace(' ', '_')}_name",
        f"{noun} name {text[:CHANNEL_NAME_LIMIT]!r}: a letter or digit, then letters, digits, '_', '.', '-'{more}, "
        f"at most {CHANNEL_NAME_LIMIT} characters",
    )


def parse_version_name(text: str) -> VersionName:
    """A bundle's name: a semantic version of at most VERSION_LIMIT characters. Raises Invalid `invalid_version`."""
    if parse_version(text) is None:
        raise Invalid(
            "invalid_version", f"bundle version {text[:VERSION_LIMIT]!r} is not a semantic version like 1.2.3"
        )
    return VersionName(text)


def parse_digest(text: str) -> Digest:
    """Raises Invalid `invalid_digest`."""
    if _DIGEST.fullmatch(text) is None:
        raise Invalid("invalid_digest", f"{text[:64]!r} is not a SHA-256 digest in lower-case hexadecimal")
    return Digest(text)
