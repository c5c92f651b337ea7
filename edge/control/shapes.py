"""The bodies and answers of the control API, as Structs: what is decoded, encoded and shown in the OpenAPI document.

Requests refuse unknown fields: a misspelt setting must not be taken for an absent one.
"""

from typing import Any

import msgspec

from edge.control.impact_shapes import ChannelImpactView, ImpactView
from edge.control.roles import Role
from edge.control.rollout_shapes import RolloutSummary, Whole
from edge.control.targeting_shapes import ExperimentView
from edge.domain.changes.commands import ChannelSettings
from edge.domain.model import Policy


class ErrorAnswer(msgspec.Struct, frozen=True):
    """`error` is a stable code, `message` is for people."""

    error: str
    message: str


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every request body has in common."""


class AppRequest(_Request, frozen=True, kw_only=True):
    app: str
    expose_metadata: bool = False


class EncryptionRequest(_Request, frozen=True, kw_only=True):
    """What devices get to read the bundle. With `public_key`, PKCS#1 in PEM, the server decrypts it and proves it."""

    session_key: str
    checksum: str
    key_id: str = ""
    public_key: str = ""


class PublishRequest(_Request, frozen=True, kw_only=True):
    """`zip` and `manifest` are digests of blobs that were uploaded before; `channel` is to offer the bundle at once.

    A manifest belongs to every bundle but those that are encrypted and come without their `public_key`. With a channel,
    `force` ends a rollout and an experiment on it, `downgrade` allows a version below the one that it offers, `again`
    one that it went back from, and with `if_current`, a version, `builtin` or `nothing`, it must offer that.
    """

    version: str
    zip: str
    manifest: str | None = None
    encryption: EncryptionRequest | None = None
    min_native: str = ""
    max_native: str = ""
    link: str = ""
    comment: str = ""
    channel: str | None = None
    force: bool = False
    downgrade: bool = False
    again: bool = False
    if_current: str | None = None


class PruneRequest(_Request, frozen=True, kw_only=True):
    """How many of the newest bundles stay, beside those that a channel needs."""

    keep: Whole


class MissingRequest(_Request, frozen=True, kw_only=True):
    digests: list[str]


class PreparedRequest(_Request, frozen=True, kw_only=True):
    """`digests`: of plain files; `packing`: the label of how they would be compressed."""

    digests: list[str]
    packing: str


class _ChannelRequest(ChannelSettings, frozen=True, kw_only=True):
    replace: bool = False


class ChannelPatch(_ChannelRequest, frozen=True, kw_only=True):
    """Settings that are absent stay as they are. `replace` lets a new public channel take platforms from the old;
    `force`, `downgrade`, `again` and `if_current` are those of a publish."""

    force: bool = False
    downgrade: bool = False
    again: bool = False
    if_current: str | None = None


class ChannelRequest(_ChannelRequest, frozen=True, kw_only=True):
    """As a change of a channel that offers nothing yet."""

    name: str


class OverrideRequest(_Request, frozen=True, kw_only=True):
    channel: str


class TokenRequest(_Request, frozen=True, kw_only=True):
    """Without `lifetime_seconds` the token has no end."""

    name: str
    role: Role
    app: str | None = None
    lifetime_seconds: Whole | None = None


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer has in common."""


class AppSummary(_Answer, frozen=True, kw_only=True):
    """Counts of what the app has at this revision."""

    app: str
    revision: int
    bundles: int
    channels: int
    overrides: int


class TakenBackView(_Answer, frozen=True, kw_only=True):
    """A bundle that a channel went back from `at`, in seconds since the epoch, by the token `by`."""

    bundle: str
    at: float
    by: str


class ChannelView(_Answer, frozen=True, kw_only=True):
    """`bundle` is a version, `builtin`, or null: the channel offers nothing. It changed last at `bundle_changed`, in
    seconds since the epoch, and `rolled_back` says whether that was a way back.

    `bundle_changed_by` is the token that changed it, empty where that was not kept yet. `earlier` is what the channel
    offered to everybody before, the latest last; `last_good` what it falls back to, as it does where the bundle is
    `withdrawn`: that is the reason, empty where it is not. `served` is what everybody gets: the bundle, or then its
    stand-in. `taken_back` is what the channel went back from, the latest last: another offer of it needs `again`.
    """

    name: str
    bundle: str | None
    public: bool
    self_set: bool
    ios: bool
    android: bool
    electron: bool
    emulator: bool
    device: bool
    dev: bool
    prod: bool
    policy: Policy
    block_under_native: bool
    rollout: RolloutSummary | None
    windows: tuple[str, ...]
    rollback_passes: bool
    spread_seconds: int
    withdrawn: str
    bundle_changed: float
    bundle_changed_by: str
    rolled_back: bool
    earlier: list[str]
    last_good: str | None
    served: str | None
    taken_back: list[TakenBackView]
    experiment: ExperimentView | None


class AppView(_Answer, frozen=True, kw_only=True):
    """`bundles` and `overrides` are counts."""

    app: str
    revision: int
    expose_metadata: bool
    bundles: int
    overrides: int
    channels: list[ChannelView]


class EncryptionView(_Answer, frozen=True, kw_only=True):
    """What devices get, and the key that they need; `key_id` is empty where the publisher did not say.

    `verified`: the server has decrypted the bundle and proven it. If not, it is handed on as it came.
    """

    session_key: str
    checksum: str
    key_id: str
    verified: bool


class BundleView(_Answer, frozen=True, kw_only=True):
    """`files` is their number, sizes are in bytes, `channels` are those that offer the bundle; `withdrawn` is the
    reason, empty for a bundle that is not.

    `manifest`, `files` and `plain_bytes` are null for an encrypted bundle that could not be verified.
    """

    version: str
    content: str
    zip: str
    zip_bytes: int
    zip_crc32: str
    manifest: str | None
    files: int | None
    plain_bytes: int | None
    min_native: str
    max_native: str
    link: str
    comment: str
    encrypted: bool
    encryption: EncryptionView | None
    published: float
    withdrawn: str
    channels: list[str]


class FileView(_Answer, frozen=True, kw_only=True):
    """`hash` is of the plain bytes, `blob` and `bytes` are of the stored ones; `signed` is empty unless encrypted."""

    name: str
    hash: str
    blob: str
    bytes: int
    signed: str


class BundleDetail(BundleView, frozen=True, kw_only=True):
    entries: list[FileView]


class OverrideView(_Answer, frozen=True, kw_only=True):
    device: str
    channel: str


class FailingView(_Answer, frozen=True, kw_only=True):
    """A bundle whose last attempts failed on a device, at least so many in a row; `cause` is what it reported."""

    version: str | None
    cause: str
    attempts: int


class WithheldView(FailingView, frozen=True, kw_only=True):
    """One that is withheld from it, or was: `until` is in seconds since the epoch, or null where it is for good. After
    that it is offered once more.
    """

    until: float | None


class DeviceView(_Answer, frozen=True, kw_only=True):
    """`override` is the operator's, `channel` what the device chose; a name that the app no longer has is null. With
    `forgot` at least one more bundle was withheld from it that is not remembered.
    """

    app: str
    device: str
    override: str | None
    channel: str | None
    withheld: list[WithheldView]
    failing: list[FailingView]
    forgot: bool
    offered: list[str | None]


class WithheldLifted(_Answer, frozen=True, kw_only=True):
    app: str
    device: str
    version: str


class DeviceErased(_Answer, frozen=True, kw_only=True):
    app: str
    device: str


class AppChanged(AppView, frozen=True, kw_only=True):
    changed: bool


class ReplacedView(_Answer, frozen=True, kw_only=True):
    """What devices got from a channel before this change: `bundle`, since `changed`, in seconds since the epoch (0:
    always), by the token `by` (empty: not known); or as the stand-in of `withdrawn`, which was set then (null: it was
    not withdrawn). `rollout` and `experiment`, by name, are what the change ended."""

    bundle: str | None
    changed: float
    by: str
    withdrawn: str | None
    rollout: RolloutSummary | None
    experiment: str | None


class AppDeleted(_Answer, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool


class BundleChanged(BundleView, frozen=True, kw_only=True):
    """`added`: the version is new with this change. `replaced` is what it replaced on the channel; null where nothing
    was, and where this was carried out before."""

    app: str
    added: bool
    revision: int
    changed: bool
    replaced: ReplacedView | None


class ChannelChanged(ChannelView, frozen=True, kw_only=True):
    """`replaced` is null where the channel offers what it did, is new, or this was carried out before."""

    app: str
    revision: int
    changed: bool
    replaced: ReplacedView | None


class ChannelRolledBack(ChannelChanged, frozen=True, kw_only=True):
    """`impact` is what it does to channels and to known devices, counted afterwards; null where nothing changed."""

    impact: ImpactView | None


class UndoDone(_Answer, frozen=True, kw_only=True):
    """`undone` is the revision whose change was taken back; null when this very command was carried out before,
    or the revision was made while it was being asked for."""

    app: str
    revision: int
    changed: bool
    undone: "HistoryEntry | None"


class OverrideChanged(OverrideView, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool


class BundleDeleted(_Answer, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool
    version: str


class PrunedBundle(_Answer, frozen=True, kw_only=True):
    """`published` is in seconds since the epoch, `withdrawn` the reason, empty for a bundle that was not."""

    version: str
    published: float
    withdrawn: str


class BundlesPruned(_Answer, frozen=True, kw_only=True):
    """`removed` are the bundles that are gone, oldest first; `bytes` is what only they need on disk, `kept` how many
    are left."""

    app: str
    revision: int
    changed: bool
    removed: list[PrunedBundle]
    bytes: int
    kept: int


class ChannelDeleted(_Answer, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool
    name: str


class OverrideCleared(_Answer, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool
    device: str


class MissingAnswer(_Answer, frozen=True, kw_only=True):
    missing: list[str]


class PreparedView(_Answer, frozen=True, kw_only=True):
    """A plain file by its `hash`, and its compressed `blob` with that one's size."""

    hash: str
    blob: str
    bytes: int


class PreparedAnswer(_Answer, frozen=True, kw_only=True):
    prepared: list[PreparedView]


class BlobStored(_Answer, frozen=True, kw_only=True):
    digest: str
    bytes: int


class HistoryEntry(_Answer, frozen=True, kw_only=True):
    """One revision: the change that made it, its id, when (seconds since the epoch) and by which token.

    `digest` is the revision document's; `summary` is the command in one line. `channels` are those that it changed,
    with what they offered before and after.
    """

    revision: int
    digest: str
    id: str
    at: float
    by: str
    kind: str
    summary: str
    channels: list[ChannelImpactView]


class ExplainStep(_Answer, frozen=True, kw_only=True):
    rule: str
    saw: dict[str, Any]
    outcome: str


class Explanation(_Answer, frozen=True, kw_only=True):
    """Every rule in order, the decision, the answer that the device would get, and what an operator can do next.

    `asked` is the question. What it did not say comes from the device's report of `reported`, in seconds since the
    epoch; null: nothing does.
    """

    asked: dict[str, Any]
    reported: float | None
    steps: list[ExplainStep]
    decision: dict[str, Any]
    next: str
    answer: dict[str, Any]


class BundleCount(_Answer, frozen=True, kw_only=True):
    bundle: str
    action: str
    n: int


class AppStats(_Answer, frozen=True, kw_only=True):
    """`duplicates` are reports that came again within the hour; they are not among the counts."""

    counts: list[BundleCount]
    duplicates: int


class NodeStatus(_Answer, frozen=True, kw_only=True):
    version: str
    apps: int
    workers: list[dict[str, Any]]
    heads: dict[str, Any]
    refused: dict[str, Any]


class TokenView(_Answer, frozen=True, kw_only=True):
    """Times are in seconds since the epoch: `expires` is null for a token without an end, `last_used` is the beginning
    of the day of its last use, null before the first. `by` is the name of the token that made this one."""

    name: str
    role: Role
    app: str | None
    created: float
    by: str
    expires: float | None
    last_used: float | None


class OwnToken(_Answer, frozen=True, kw_only=True):
    """The token that asked, and what it may do: names of permissions, sorted."""

    name: str
    role: Role
    app: str | None
    expires: float | None
    permissions: list[str]


class TokenMade(_Answer, frozen=True, kw_only=True):
    """`token` is the secret. It is shown here and never again."""

    name: str
    role: Role
    app: str | None
    expires: float | None
    token: str


class TokenRevoked(_Answer, frozen=True, kw_only=True):
    name: str
    revoked: bool
