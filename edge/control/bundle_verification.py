"""From a publish request to the bundle that a release may name: built from verified bytes, never from claims.

A bundle is plain; or encrypted and sent with its public key, then decrypted and verified like a plain one; or encrypted
without the key, then served as it came. The private key is never requested, nor accepted.
"""

from typing import NamedTuple

from edge.bundles.encryption.rsa_keys import PublicKey, parse_public_key
from edge.bundles.verification.decryption import BundleDecryption
from edge.bundles.verification.verify import VerifiedBundle, verify_bundle, verify_opaque
from edge.control.shapes.bundles import EncryptionRequest, PublishRequest
from edge.domain.encryption import build_encryption
from edge.domain.errors import Invalid
from edge.domain.model import Bundle, Digest, Encryption, VersionName, parse_digest, parse_version_name
from edge.store.objects.port import ObjectStore


class BundleLock(NamedTuple):
    """How a bundle is encrypted; without `key` its content cannot be verified here."""

    encryption: Encryption
    key: PublicKey | None


class ParsedPublish(NamedTuple):
    """A publish request whose digests, names and keys are well-formed."""

    version: VersionName
    zip: Digest
    manifest: Digest | None
    lock: BundleLock | None


def parse_publish(body: PublishRequest) -> ParsedPublish:
    """Raises Invalid for malformed digests, names and keys, `key_id_mismatch`, `missing_manifest`, and
    `unproven_manifest` for a manifest that cannot be verified without the public key.
    """
    lock = None if body.encryption is None else _parse_lock(body.encryption)
    opaque = lock is not None and lock.key is None
    if opaque and body.manifest is not None:
        raise Invalid(
            "unproven_manifest",
            "cannot verify an encrypted bundle's manifest without the key: add `public_key`, or omit the manifest",
        )
    if not opaque and body.manifest is None:
        raise Invalid(
            "missing_manifest", "missing manifest: only an encrypted bundle without its public key may omit it"
        )
    manifest = None if body.manifest is None else parse_digest(body.manifest)
    return ParsedPublish(parse_version_name(body.version), parse_digest(body.zip), manifest, lock)


def prove_bundle(store: ObjectStore, wanted: ParsedPublish, body: PublishRequest, *, writes: bool = True) -> Bundle:
    """Verify every byte and build the bundle. Blocks for seconds. `writes` and errors are those of `verify_bundle`."""
    verified = _verify(store, wanted, writes)
    return Bundle(
        version=wanted.version,
        content=verified.content,
        zip=wanted.zip,
        zip_bytes=verified.zip_bytes,
        zip_crc32=verified.zip_crc32,
        manifest=wanted.manifest,
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


def _verify(store: ObjectStore, wanted: ParsedPublish, writes: bool) -> VerifiedBundle:
    if wanted.manifest is None:
        return verify_opaque(store, zip=wanted.zip)
    decryption = BundleDecryption(wanted.lock.key, wanted.lock.encryption) if wanted.lock and wanted.lock.key else None
    return verify_bundle(store, zip=wanted.zip, manifest=wanted.manifest, decryption=decryption, writes=writes)


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
