"""What the control API takes and answers about bundles, their blobs and prepared files."""

from edge.control.shapes.channels import ReplacedView
from edge.control.shapes.common import AnswerBody, RequestBody, Whole


class EncryptionRequest(RequestBody, frozen=True, kw_only=True):
    """What devices get to read the bundle. With `public_key`, PKCS#1 in PEM, the server decrypts it and proves it."""

    session_key: str
    checksum: str
    key_id: str = ""
    public_key: str = ""


class PublishRequest(RequestBody, frozen=True, kw_only=True):
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


class PruneRequest(RequestBody, frozen=True, kw_only=True):
    """How many of the newest bundles stay, beside those that a channel needs."""

    keep: Whole


class MissingRequest(RequestBody, frozen=True, kw_only=True):
    digests: list[str]


class PreparedRequest(RequestBody, frozen=True, kw_only=True):
    """`digests`: of plain files; `packing`: the label of how they would be compressed."""

    digests: list[str]
    packing: str


class EncryptionView(AnswerBody, frozen=True, kw_only=True):
    """What devices get, and the key that they need; `key_id` is empty where the publisher did not say.

    `verified`: the server has decrypted the bundle and proven it. If not, it is handed on as it came.
    """

    session_key: str
    checksum: str
    key_id: str
    verified: bool


class BundleView(AnswerBody, frozen=True, kw_only=True):
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


class FileView(AnswerBody, frozen=True, kw_only=True):
    """`hash` is of the plain bytes, `blob` and `bytes` are of the stored ones; `signed` is empty unless encrypted."""

    name: str
    hash: str
    blob: str
    bytes: int
    signed: str


class BundleDetail(BundleView, frozen=True, kw_only=True):
    entries: list[FileView]


class BundleChanged(BundleView, frozen=True, kw_only=True):
    """`added`: the version is new with this change. `replaced` is what it replaced on the channel; null where nothing
    was, and where this was carried out before."""

    app: str
    added: bool
    revision: int
    changed: bool
    replaced: ReplacedView | None


class ZipNoteView(AnswerBody, frozen=True, kw_only=True):
    """Releases that take single files, but not of this bundle.

    `releases` are ranges such as `6.14.28-6.42.3` and `8.49.5 and later`, `reason` is a stable code, `files` the first
    ones that are to blame, `message` a sentence for a person.
    """

    platform: str
    releases: list[str]
    reason: str
    files: list[str]
    message: str


class BundlePublished(BundleChanged, frozen=True, kw_only=True):
    """`zip_instead` is empty where every release that takes single files gets them."""

    zip_instead: list[ZipNoteView]


class BundleDeleted(AnswerBody, frozen=True, kw_only=True):
    app: str
    revision: int
    changed: bool
    version: str


class PrunedBundle(AnswerBody, frozen=True, kw_only=True):
    """`published` is in seconds since the epoch, `withdrawn` the reason, empty for a bundle that was not."""

    version: str
    published: float
    withdrawn: str


class BundlesPruned(AnswerBody, frozen=True, kw_only=True):
    """`removed` are the bundles that are gone, oldest first; `bytes` is what only they need on disk, `kept` how many
    are left."""

    app: str
    revision: int
    changed: bool
    removed: list[PrunedBundle]
    bytes: int
    kept: int


class MissingAnswer(AnswerBody, frozen=True, kw_only=True):
    missing: list[str]


class PreparedView(AnswerBody, frozen=True, kw_only=True):
    """A plain file by its `hash`, and its compressed `blob` with that one's size."""

    hash: str
    blob: str
    bytes: int


class PreparedAnswer(AnswerBody, frozen=True, kw_only=True):
    prepared: list[PreparedView]


class BlobStored(AnswerBody, frozen=True, kw_only=True):
    digest: str
    bytes: int
