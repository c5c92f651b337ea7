"""From a request to publish to the bundle that a release may name: built from what was verified, never from claims.

Three forms: plain; encrypted with the public key at hand, which is decrypted and proven like a plain one; encrypted
without it, which is handed on as it came. The private key is never asked for, nor taken.
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
    """How a bundle is encrypted; without `key` nobody here can look inside."""

    encryption: Encryption
    key: PublicKey | None


class ParsedPublish(NamedTuple):
    """A request to publish whose shape is right."""

    version: VersionName
    zip: Digest
    manifest: Digest | None
    lock: BundleLock | None


def parse_publish(body: PublishRequest) -> ParsedPublish:
    """Raises Invalid for digests, names and keys of a wrong form, `key_id_mismatch`; `missing_manifest` or
    `unproven_manifest` when a manifest is there or not against the three forms.
    """
    lock = None if body.encryption is None else _parse_lock(body.encryption)
    opaque = lock is not None and lock.key is None
    if opaque and body.manifest is not None:
        raise Invalid("unproven_manifest", "a manifest of an encrypted bundle needs the public key to be proven with")
    if not opaque and body.manifest is None:
        raise Invalid("missing_manifest", "only an encrypted bundle without its public key has no manifest")
    manifest = None if body.manifest is None else parse_digest(body.manifest)
    return ParsedPublish(parse_version_name(body.version), parse_digest(body.zip), manifest, lock)


def prove_bundle(store: ObjectStore, wanted: ParsedPublish, body: PublishRequest, *, writes: bool = True) -> Bundle:
    """Reads every byte: run it off the loop. `writes` and errors as of `verify_bundle`."""
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
    opening = BundleDecryption(wanted.lock.key, wanted.lock.encryption) if wanted.lock and wanted.lock.key else None
    return verify_bundle(store, zip=wanted.zip, manifest=wanted.manifest, opening=opening, writes=writes)


def _parse_lock(given: EncryptionRequest) -> BundleLock:
    encryption = build_encryption(given.session_key, given.checksum, given.key_id)
    if not given.public_key:
        return BundleLock(encryption, None)
    key = parse_public_key(given.public_key)
    if given.key_id not in ("", key.key_id):
        raise Invalid("key_id_mismatch", f"the key id of the public key is {key.key_id!r}, not {given.key_id!r}")
    return BundleLock(build_encryption(given.session_key, given.checksum, key.key_id), key)
