"""From a publish request to the bundle that a release may name: built from verified bytes, never from claims.

A bundle is plain; or encrypted and sent with its public key, then decrypted and verified like a plain one; or encrypted
without the key, then served as it came. The private key is never requested, nor accepted.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge.bundles.encryption.rsa_keys import PublicKey, parse_public_key
from edge.bundles.store_rules.rules import StoreWarning
from edge.bundles.verification.decryption import BundleDecryption
from edge.bundles.verification.patches import verify_patches
from edge.bundles.verification.stores import EarlierBundle, check_verified_zip
from edge.bundles.verification.verify import VerifiedBundle, verify_bundle, verify_opaque
from edge.control.shapes.bundles import EncryptionRequest, PublishRequest
from edge.domain.encryption import build_encryption
from edge.domain.errors import Invalid, Unavailable
from edge.domain.manifest import read_manifest
from edge.domain.model import (
    AppId,
    AppState,
    Bundle,
    ChannelName,
    Digest,
    Encryption,
    VersionName,
    parse_digest,
    parse_version_name,
)
from edge.store.blobs import read_blob
from edge.store.objects.port import ObjectStore
from edge.store.stored_document import Untrusted


class BundleLock(NamedTuple):
    """How a bundle is encrypted; without `key` its content cannot be verified here."""

    encryption: Encryption
    key: PublicKey | None


class ParsedPublish(NamedTuple):
    """A publish request whose digests, names and keys are well-formed."""

    version: VersionName
    zip: Digest
    manifest: Digest | None
    patches: Digest | None
    lock: BundleLock | None


class PublishedBefore(NamedTuple):
    """The app's bundles; `earlier` is the one that devices update from, None: none."""

    app: AppId
    bundles: Collection[Bundle]
    earlier: Bundle | None


class ProvenBundle(NamedTuple):
    """A bundle of verified bytes, and what app stores may not allow in it; None: it cannot be looked into."""

    bundle: Bundle
    store_warnings: list[StoreWarning] | None


def parse_publish(body: PublishRequest) -> ParsedPublish:
    """Raises Invalid for malformed digests, names and keys, `key_id_mismatch`, `missing_manifest`,
    `patches_of_encrypted`, and `unproven_manifest` for a manifest that cannot be verified without the public key.
    """
    if body.encryption is not None and body.patches is not None:
        raise Invalid("patches_of_encrypted", "an encrypted bundle has no patches: its bytes differ each time")
    lock = None if body.encryption is None else _parse_lock(body.encryption)
    opaque = lock is not None and lock.key is None
    if opaque and body.manifest is not None:
        raise Invalid(
            "unproven_manifest",
            "cannot verify an encrypted bundle's manifest without the key: add `public_key`, or omit the manifest",
        )
    if not opaque and body.manifest is None:
        raise Invalid(
            "missing_manifest",
            "missing manifest: upload one, a JSON document that lists the bundle's files, and name its digest; only an "
            "encrypted bundle without its public key may omit it",
        )
    manifest = None if body.manifest is None else parse_digest(body.manifest)
    patches = None if body.patches is None else parse_digest(body.patches)
    return ParsedPublish(parse_version_name(body.version), parse_digest(body.zip), manifest, patches, lock)


def published_before(state: AppState, version: VersionName, channel: str | None) -> PublishedBefore:
    """Devices update from what the channel offers, without one from the newest bundle; never from `version` itself."""
    bundles = state.bundles.values()
    if channel is None:
        newest = max(bundles, key=lambda each: (each.published, each.version), default=None)
    else:
        offering = state.channels.get(ChannelName(channel))
        offered = offering.bundle if offering is not None else None
        newest = state.bundles.get(offered) if offered is not None else None
    return PublishedBefore(state.app, bundles, newest if newest is None or newest.version != version else None)


def prove_bundle(
    store: ObjectStore, wanted: ParsedPublish, body: PublishRequest, before: PublishedBefore, *, writes: bool = True
) -> ProvenBundle:
    """Verify every byte and build the bundle. Blocks for seconds. `writes` and errors are those of `verify_bundle` and
    `verify_patches`."""
    verified, warnings = _verify(store, wanted, before, writes)
    if wanted.patches is not None and wanted.manifest is not None:
        verify_patches(store, wanted.patches, wanted.manifest, _plain_files(store, before.bundles))
    return ProvenBundle(_build(verified, wanted, body), warnings)


def _build(verified: VerifiedBundle, wanted: ParsedPublish, body: PublishRequest) -> Bundle:
    return Bundle(
        version=wanted.version,
        content=verified.content,
        zip=wanted.zip,
        zip_bytes=verified.zip_bytes,
        zip_crc32=verified.zip_crc32,
        manifest=wanted.manifest,
        patches=wanted.patches if verified.plain_files else None,  # they lead to plain files
        files=verified.files,
        plain_bytes=verified.plain_bytes,
        names=verified.names,
        plain_files=verified.plain_files,
        min_native=body.min_native,
        max_native=body.max_native,
        link=body.link,
        comment=body.comment,
        encryption=wanted.lock.encryption if wanted.lock else None,
    )


def _plain_files(store: ObjectStore, bundles: Iterable[Bundle]) -> set[Digest]:
    """The plain files of these bundles that the store has, by digest."""
    found = set[Digest]()
    for bundle in bundles:
        if bundle.plain_files and bundle.manifest is not None:
            with suppress(Unavailable, Untrusted):  # lost: nothing is patched from it
                found |= {entry.hash for entry in read_manifest(read_blob(store, bundle.manifest, "a manifest"))}
    return found


def _verify(
    store: ObjectStore, wanted: ParsedPublish, before: PublishedBefore, writes: bool
) -> tuple[VerifiedBundle, list[StoreWarning] | None]:
    if wanted.manifest is None:
        return verify_opaque(store, zip=wanted.zip), None
    key = wanted.lock.key if wanted.lock else None
    decryption = BundleDecryption(key, wanted.lock.encryption) if wanted.lock and key else None
    warnings = list[StoreWarning]()

    def examine(plain: Path) -> None:
        warnings.extend(check_verified_zip(store, plain, before.app, EarlierBundle(before.earlier, key)))

    verified = verify_bundle(
        store, zip=wanted.zip, manifest=wanted.manifest, decryption=decryption, writes=writes, examine=examine
    )
    return verified, warnings


def _parse_lock(given: EncryptionRequest) -> BundleLock:
    encryption = build_encryption(given.session_key, given.checksum, given.key_id)
    if not given.public_key:
        return BundleLock(encryption, None)
    key = parse_public_key(given.public_key)
    if given.key_id not in ("", key.key_id):
        raise Invalid(
            "key_id_mismatch", f"key id mismatch: the public key has id {key.key_id!r}, the request {given.key_id!r}"
        )
    return BundleLock(build_encryption(given.session_key, given.checksum, key.key_id), key)
