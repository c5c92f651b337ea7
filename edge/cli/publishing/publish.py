"""From a folder or a zip to a bundle on the node: pack here, upload the blobs that it lacks, then publish.

The packed files live in a temporary folder. The node lists the blobs that it lacks, so a retry uploads none
twice. Encryption happens on this machine, with a key that never leaves it.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from edge.bundles.chunks import digest_file
from edge.bundles.encryption.encrypt import Encrypted, encrypt
from edge.bundles.encryption.rsa_keys import PrivateKey
from edge.bundles.intake.checked_source import read_checked
from edge.bundles.intake.probable_mistakes import warning_of_order, warning_of_source
from edge.bundles.packing.cache import PackingCache
from edge.bundles.packing.effort import SMALLEST, Packing
from edge.bundles.packing.pack import Packed, content_of, digest_files, pack_files
from edge.bundles.packing.reuse import NodeBlob
from edge.bundles.patches.making import MadePatches
from edge.bundles.patches.wanted import PATCHED_RELEASES
from edge.bundles.sources.files import Source
from edge.bundles.sources.selection import LeftOut, Selection
from edge.bundles.store_rules.rules import StoreWarning
from edge.bundles.verification.decryption import check_ciphertext_size
from edge.cli.publishing.offering_terms import check_may_offer, check_offer
from edge.cli.publishing.patching import PatchedApp, patch_bundle
from edge.cli.publishing.size_report import (
    File,
    SizeReport,
    build_report,
    find_before,
    listed_entries,
    listed_files,
)
from edge.cli.publishing.store_check import find_store_warnings
from edge.cli.terminal.asking import ControlRequest
from edge.cli.terminal.client import ControlClient, RequestRefused, app_path
from edge.cli.terminal.output import Advance, note, progress, stages
from edge.domain.changes.commands import Replacing
from edge.domain.errors import Invalid, NotFound
from edge.domain.model import Digest, Encryption, parse_version_name

UPLOADS_AT_ONCE = 8  # most files of a web build are small: their time is the round trip, not the line
MISSING_LIMIT = 20_000  # digests per request; the node accepts one bundle's


class Release(NamedTuple):
    """What to publish, as the options give it; empty or None: not given."""

    app: str
    version: str
    channel: str | None = None
    min_native: str = ""
    max_native: str = ""
    link: str = ""
    comment: str = ""
    force: bool = False
    downgrade: bool = False
    again: bool = False
    if_current: str | None = None
    rollout: dict[str, Any] | None = None  # how it goes, as the request says; None: offered to all devices at once


class PublishedBundle(NamedTuple):
    """The result of a publish; sizes in bytes."""

    answer: dict[str, Any]  # the node's
    uploaded: int  # blobs
    uploaded_bytes: int
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]
    report: SizeReport | None = None  # None: encrypted elsewhere, so its files are unknown
    patches: MadePatches | None = None
    store_warnings: tuple[StoreWarning, ...] | None = None  # None: encrypted elsewhere

    @property
    def told_apart(self) -> dict[str, Any]:
        """What this side adds to the node's answer in JSON."""
        warned = self.store_warnings
        return {
            "uploaded": self.uploaded,
            "uploaded_bytes": self.uploaded_bytes,
            "left_out": [each._asdict() for each in self.left_out],
            "warnings": self.warnings,
            "store_warnings": None if warned is None else [each.document() for each in warned],
            "sizes": self.report.document() if self.report else None,
            "patches_made": _told_patches(self.patches),
        }


class PublishOptions(NamedTuple):
    """What is published from the source, and how it is packed. With a `key`, the bundle is encrypted."""

    selection: Selection
    packing: Packing = SMALLEST
    memory: PackingCache | None = None
    key: PrivateKey | None = None
    warn: Callable[[str], None] = note  # gets warnings before the work starts
    patched_releases: int = PATCHED_RELEASES


class _Sending(NamedTuple):
    """The blobs that the node must have, and the members of the request that name them."""

    files: Mapping[Digest, Path]
    names: Mapping[str, Any]
    listed: tuple[File, ...] = ()
    patches: MadePatches | None = None


Post = Callable[[ControlClient, ControlRequest], Any]


def post_at_once(client: ControlClient, request: ControlRequest) -> Any:
    """Send the request without confirmation."""
    with progress("verifying on the node", None):
        return client.send(*request)


def publish(
    client: ControlClient, release: Release, path: Path, how: PublishOptions, post: Post = post_at_once
) -> PublishedBundle:
    """Pack, upload and publish. `post` sends the final request once everything is uploaded. Raises EdgeError for what
    the source, the node or the connection gets wrong."""
    warnings = _ask_first(client, release, how.warn)
    before = find_before(client, release.app, release.version, release.channel)
    if before is None and _find(client, release) is None:
        how = how._replace(patched_releases=0)  # devices come from nothing; a repeated publish may mend its patches
    with TemporaryDirectory(prefix="edge-publish-") as workdir:
        source = read_checked(path, Path(workdir), how.selection)
        if mistake := warning_of_source(file.name for file in source.files):
            how.warn(f"warning: {mistake}")
            warnings += (mistake,)
        store_warnings = find_store_warnings(client, release.app, source.files, before.version if before else None)
        for each in store_warnings:
            how.warn(f"warning: {each.line()}")
        sending = _same_before(client, release, source, how.key) or _pack(client, release, source, Path(workdir), how)
        sent = _send(client, release, sending, post)
    sizes = {file.name: file.bytes for file in source.files}
    report = build_report(sending.listed, sizes, sent.answer["zip_bytes"], how.key is not None, before)
    return sent._replace(
        left_out=source.left_out, warnings=warnings, report=report, store_warnings=tuple(store_warnings)
    )


def publish_opaque(
    client: ControlClient, release: Release, file: Path, encryption: Encryption, post: Post = post_at_once
) -> PublishedBundle:
    """Publish an already encrypted zip, which devices get unchanged. `post` as in `publish`. Raises EdgeError."""
    made = digest_file(file)
    check_ciphertext_size(made.bytes, repr(str(file)))
    warnings = _ask_first(client, release, note)
    named = {"zip": made.sha256, "manifest": None, "encryption": _encryption(encryption)}
    return _send(client, release, _Sending({made.sha256: file}, named), post)._replace(warnings=warnings)


def _pack(client: ControlClient, release: Release, source: Source, workdir: Path, how: PublishOptions) -> _Sending:
    key = how.key
    with stages() as reach:
        packed = pack_files(
            source.files,
            workdir,
            packing=how.packing,
            cache=how.memory,
            ask=None if key else partial(_ask_prepared, client, release.app, how.packing),
            progress=reach,
            to_encrypt=key is not None,
        )
        if key is None:
            named = {"zip": packed.zip.digest, "manifest": packed.manifest_digest}
            of = PatchedApp(release.app, release.version, release.channel, how.patched_releases)
            made = patch_bundle(client, of, source.files, packed.entries, workdir, how.memory, reach)
            files, named = _files(packed, workdir), named | ({"patches": made.document} if made else {})
            return _Sending(files | (dict(made.files) if made else {}), named, listed_files(packed.entries), made)
        locked = encrypt(packed, key, workdir, progress=reach)
    sealed = {
        "zip": locked.zip.digest,
        "manifest": locked.manifest_digest,
        "encryption": {**_encryption(locked.encryption), "public_key": key.public.pem},
    }
    return _Sending(_files(locked, workdir), sealed, listed_files(locked.entries))


def _ask_prepared(
    client: ControlClient, app: str, packing: Packing, digests: Sequence[Digest]
) -> dict[Digest, NodeBlob]:
    """What the node has compressed already; nothing if a node of an earlier release cannot answer."""
    found: dict[Digest, NodeBlob] = {}
    for start in range(0, len(digests), MISSING_LIMIT):
        asked = {"packing": packing.brotli_label, "digests": digests[start : start + MISSING_LIMIT]}
        try:
            answer = client.post(app_path(app, "blobs", "prepared"), asked)
        except RequestRefused as refusal:
            if refusal.answered not in (404, 405):
                raise
            return {}
        found |= {Digest(e["hash"]): NodeBlob(Digest(e["blob"]), e["bytes"]) for e in answer["prepared"]}
    return found


def _same_before(client: ControlClient, release: Release, source: Source, key: PrivateKey | None) -> _Sending | None:
    """The version as the node has it, if it is complete there, with the same files under the same key or none.

    Packing it again would be wasted work, and encrypting it again would make new bytes, which the node would receive
    only to discard. Raises Invalid `version_taken`, which the node would raise after the work.
    """
    known = _find(client, release)
    if known is None:
        return None
    if known["content"] != content_of(digest_files(source.files)):
        raise Invalid(
            "version_taken",
            f"version {release.version!r} was published with other files; publish a new version",
        )
    names, found = {"zip": known["zip"], "manifest": known["manifest"]}, known["encryption"]
    listed = listed_entries(known["entries"])
    if key is None:
        patches = known.get("patch_blobs", [])  # a node of an earlier release names none
        blobs = [known["zip"], known["manifest"], *patches, *(entry["blob"] for entry in known["entries"])]
        is_whole = found is None and not _list_missing(client, release.app, blobs)
        return _Sending({}, names, listed) if is_whole else None
    if found is None or found["key_id"] != key.public.key_id:
        return None
    encryption = {name: found[name] for name in ("session_key", "checksum")} | {"public_key": key.public.pem}
    return _Sending({}, {**names, "encryption": encryption}, listed)


def _find(client: ControlClient, release: Release) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.get(app_path(release.app, "bundles", release.version))
    except RequestRefused as refusal:
        if refusal.answered != 404:
            raise
        return None
    return found


def _send(client: ControlClient, release: Release, sending: _Sending, post: Post) -> PublishedBundle:
    sent = _upload_missing(client, release.app, sending.files)
    body = {**release._asdict(), **sending.names}
    if release.rollout is None:
        del body["rollout"]  # which a node of an earlier release does not know
    answer = post(client, ControlRequest("POST", app_path(body.pop("app"), "bundles"), body))
    return PublishedBundle(answer, len(sent), sum(sent.values()), (), (), patches=sending.patches)


def _told_patches(made: MadePatches | None) -> dict[str, int] | None:
    return {"patches": len(made.patches), "bytes": made.bytes, "left": made.left} if made else None


def _encryption(encryption: Encryption) -> dict[str, str]:
    return {
        "session_key": encryption.session_key,
        "checksum": encryption.checksum,
        "key_id": encryption.key_id,
    }


def _ask_first(client: ControlClient, release: Release, warn: Callable[[str], None]) -> tuple[str, ...]:
    """Check before a minute of packing whether the node would refuse the bundle. Returns warnings; raises EdgeError."""
    parse_version_name(release.version)
    _check_app(client, release.app)
    if release.channel is not None:
        # Does the channel exist, and may the token change its offer?
        check_may_offer(client, app_path(release.app, "channels", release.channel))
        terms = Replacing(
            force=release.force, downgrade=release.downgrade, again=release.again, if_current=release.if_current
        )
        check_offer(client, release.app, release.channel, release.version, terms, rolls_out=release.rollout is not None)
    warning = warning_of_order(release.version)
    if not warning or not _blocks_under_native(client, release):
        return ()
    warn(f"warning: {warning}")
    return (warning,)


def _check_app(client: ControlClient, app: str) -> None:
    try:
        client.get(app_path(app))
    except RequestRefused as refusal:
        if refusal.code != "unknown_app":
            raise
        told = f"{refusal.message} (create it: edge app create {app}; or see edge app list)"
        raise NotFound(refusal.code, told) from refusal


def _blocks_under_native(client: ControlClient, release: Release) -> bool:
    """Whether the channel blocks versions lower than the native one; without a channel, the default: yes."""
    if release.channel is None:
        return True
    channel = client.get(app_path(release.app, "channels", release.channel))
    return bool(channel["block_under_native"])


def _files(packed: Packed | Encrypted, workdir: Path) -> dict[Digest, Path]:
    """Every blob that a node must have: files, then the zip, then the manifest that names them."""
    document = workdir / "manifest.json"
    document.write_bytes(packed.manifest)
    files = {digest: blob.path for digest, blob in packed.blobs.items()}
    return {**files, packed.zip.digest: packed.zip.path, packed.manifest_digest: document}


def _upload_missing(client: ControlClient, app: str, files: Mapping[Digest, Path]) -> dict[Digest, int]:
    """Upload what the node lacks, side by side; returns the bytes of each blob sent."""
    missing = _list_missing(client, app, list(files))
    sizes = {digest: files[digest].stat().st_size for digest in missing}
    with progress("uploading", sum(sizes.values())) as advance:
        _upload(client, app, {digest: files[digest] for digest in missing}, advance)
    return sizes


def _list_missing(client: ControlClient, app: str, digests: Sequence[Digest]) -> list[Digest]:
    missing: list[Digest] = []
    for start in range(0, len(digests), MISSING_LIMIT):
        asked = {"digests": digests[start : start + MISSING_LIMIT]}
        missing += client.post(app_path(app, "blobs", "missing"), asked)["missing"]
    return missing


def _upload(client: ControlClient, app: str, files: Mapping[Digest, Path], advance: Advance) -> None:
    pool = ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="upload")
    try:
        paths = [(app_path(app, "blobs", digest), file) for digest, file in files.items()]
        sending = [pool.submit(client.upload, path, file, advance) for path, file in paths]
        for done in wait(sending, return_when=FIRST_EXCEPTION).done:
            done.result()
    except BaseException:
        client.close()  # ends the running uploads at their next block, also on Ctrl-C
        raise
    finally:
        pool.shutdown(cancel_futures=True)
