"""Request bodies and answers about bundles, their blobs and prepared files."""

from collections.abc import Sequence

from edge.bundles.store_rules.rules import StoreWarning
from edge.control.shapes.channels import ReplacedView
from edge.control.shapes.common import AnswerBody, ChangeAnswer, RequestBody, Whole
from edge.control.shapes.rollouts import RolloutPlan, RolloutView
from edge.domain.decision.foresight.bundle_uses import BundleUse
from edge.domain.model import Bundle, FileEntry
from edge.wire.plugins.zip_notes import zip_notes


class EncryptionRequest(RequestBody, frozen=True, kw_only=True):
    """What devices need to read the bundle. With `public_key`, PKCS#1 in PEM, the server decrypts and verifies it."""

    session_key: str
    checksum: str
    key_id: str = ""
    public_key: str = ""


class PublishRequest(RequestBody, frozen=True, kw_only=True):
    """`zip`, `manifest` and `patches`, if there are any, are digests of uploaded blobs; `channel` offers the bundle at
    once.

    Every bundle has a manifest unless it is encrypted and comes without its `public_key`. It is a JSON document with
    the files of the zip: `{"format": 1, "files": [{"name": "index.html", "hash": "…", "blob": "…", "bytes": 120}]}`.
    `hash` is a file's SHA-256; `blob` and `bytes` are the digest and the size of what is uploaded for it: the file
    itself, or with `.br` added to its `name` a brotli stream of it.

    With a channel, `force` ends a rollout and an experiment on it, `downgrade` allows a version below the one that it
    offers, `again` allows one that it was rolled back from, and `if_current` (a version, `builtin` or `nothing`) is
    what it must offer now. With `rollout`, the channel offers it share by share instead of to all devices at once.
    """

    version: str
    zip: str
    manifest: str | None = None
    patches: str | None = None
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
    rollout: RolloutPlan | None = None


class PruneRequest(RequestBody, frozen=True, kw_only=True):
    """`keep` is how many of the newest bundles stay, besides those that a channel needs."""

    keep: Whole


class MissingRequest(RequestBody, frozen=True, kw_only=True):
    """Digests of the blobs that a bundle needs."""

    digests: list[str]


class PreparedRequest(RequestBody, frozen=True, kw_only=True):
    """`digests` are of plain files; `packing` is the label of how they would be compressed."""

    digests: list[str]
    packing: str


class EncryptionView(AnswerBody, frozen=True, kw_only=True):
    """What devices get, and which key they need; `key_id` is empty if the publisher gave none.

    `verified`: the server has decrypted and verified the bundle. If not, it is served as it came.
    """

    session_key: str
    checksum: str
    key_id: str
    verified: bool


class BundleUseView(AnswerBody, frozen=True, kw_only=True):
    """How a channel uses the bundle: for all of its devices, in a rollout, which may be paused, for a `share` of them,
    as an arm of its experiment, or as what it would fall back to."""

    channel: str
    use: BundleUse
    share: str
    arm: str


class BundleView(AnswerBody, frozen=True, kw_only=True):
    """`files` is a number, sizes are in bytes, `published` is in seconds since the epoch, `channels` are those that
    offer the bundle to all their devices, `uses` all that need it. `withdrawn` is the reason, empty for a bundle that
    is not withdrawn.

    `manifest`, `files` and `plain_bytes` are null for an encrypted bundle that could not be verified; `patches` is null
    for a bundle without any.
    """

    version: str
    content: str
    zip: str
    zip_bytes: int
    zip_crc32: str
    manifest: str | None
    patches: str | None
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
    uses: list[BundleUseView]


class FileView(AnswerBody, frozen=True, kw_only=True):
    """`hash` is of the plain bytes, `blob` and `bytes` are of the stored ones; `signed` is empty unless encrypted."""

    name: str
    hash: str
    blob: str
    bytes: int
    signed: str


class BundleDetail(BundleView, frozen=True, kw_only=True):
    """`entries` are the files, in the order of the manifest; `patch_blobs` the digests of the patches' document and of
    the patches, of the document alone if it is lost."""

    entries: list[FileView]
    patch_blobs: list[str]


class BundleChanged(BundleView, frozen=True, kw_only=True):
    """`added`: this change added the version. `replaced` is what it replaced on the channel; null if it replaced
    nothing, or had landed before."""

    app: str
    added: bool
    revision: int
    changed: bool
    replaced: ReplacedView | None


class ZipNoteView(AnswerBody, frozen=True, kw_only=True):
    """Plugin releases that take single files, but get this bundle's zip.

    `releases` are ranges such as `6.14.28-6.42.3` and `8.49.5 and later`, `reason` is a stable code, `files` are the
    first ones that cause it, `message` is a sentence for people.
    """

    platform: str
    releases: list[str]
    reason: str
    files: list[str]
    message: str


class StoreRuleView(AnswerBody, frozen=True, kw_only=True):
    """Where a store says it."""

    store: str
    title: str
    section: str
    address: str


class StoreWarningView(AnswerBody, frozen=True, kw_only=True):
    """What an app store may not allow in a live update: `code` is stable, `file` is the bundle's, `message` is a
    sentence for people."""

    code: str
    file: str
    message: str
    rules: list[StoreRuleView]


class BundlePublished(BundleChanged, frozen=True, kw_only=True):
    """`zip_instead` is empty if every release that takes single files gets them. `store_warnings` are beside what the
    channel offers now, without a channel beside the newest bundle; null for a bundle that the server cannot look into.
    `rollout` is the one that offers the bundle on the channel; null without one."""

    zip_instead: list[ZipNoteView]
    store_warnings: list[StoreWarningView] | None
    rollout: RolloutView | None


class BundleDeleted(ChangeAnswer, frozen=True, kw_only=True):
    version: str


class PrunedBundle(AnswerBody, frozen=True, kw_only=True):
    """`published` is in seconds since the epoch; `withdrawn` is the reason, empty for a bundle that was not
    withdrawn."""

    version: str
    published: float
    withdrawn: str


class BundlesPruned(ChangeAnswer, frozen=True, kw_only=True):
    """`removed` are the deleted bundles, oldest first; `bytes` is what only they need on disk, `kept` how many are
    left."""

    removed: list[PrunedBundle]
    bytes: int
    kept: int


class MissingAnswer(AnswerBody, frozen=True, kw_only=True):
    """Digests of the blobs still to be uploaded, in the order of the request."""

    missing: list[str]


class PreparedView(AnswerBody, frozen=True, kw_only=True):
    """A plain file's `hash`, and the digest and size of its compressed `blob`."""

    hash: str
    blob: str
    bytes: int


class PreparedAnswer(AnswerBody, frozen=True, kw_only=True):
    """Files that are not listed have to be compressed and uploaded."""

    prepared: list[PreparedView]


class BlobStored(AnswerBody, frozen=True, kw_only=True):
    digest: str
    bytes: int


def view_store_warnings(warnings: Sequence[StoreWarning] | None) -> list[StoreWarningView] | None:
    """None for a bundle that cannot be looked into."""
    if warnings is None:
        return None
    return [
        StoreWarningView(
            code=each.code.code,
            file=each.file,
            message=each.message,
            rules=[StoreRuleView(**rule._asdict()) for rule in each.code.rules],
        )
        for each in warnings
    ]


def view_zip_notes(bundle: Bundle, entries: Sequence[FileEntry]) -> list[ZipNoteView]:
    return [
        ZipNoteView(
            platform=note.platform.value,
            releases=list(note.releases),
            reason=note.why.value,
            files=list(note.files),
            message=note.message,
        )
        for note in zip_notes(bundle, entries)
    ]
