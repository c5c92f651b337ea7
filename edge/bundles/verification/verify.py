"""Verifies a publisher's upload before a release may refer to it: the zip is safe, and zip, manifest and blobs agree.

The server's side; blocking, for minutes at the limits: run it off the loop. No declared size or digest is trusted:
every byte is read and hashed, in chunks, so memory does not grow with the bundle.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

import brotli

from edge.bundles.chunks import digest_file, read_chunks
from edge.bundles.limits import CHUNK_BYTES, INDEX, MANIFEST_LIMIT_BYTES, check_not_empty, packed_limit_bytes
from edge.bundles.verification.decryption import BundleDecryption, check_ciphertext_size
from edge.bundles.zip.reader import read_directory, unpack
from edge.domain.errors import Invalid, TooLarge
from edge.domain.file_names import BROTLI_SUFFIX, NameFacts, name_facts, target_name
from edge.domain.manifest import content_digest, parse_manifest
from edge.domain.model import Digest, FileEntry
from edge.store.disk.durable_files import FILE_MODE, room_to
from edge.store.healing import is_intact, keep_blob
from edge.store.objects.port import ObjectStore, blob_key

# Streams the plugin takes for raw files in a wrapper and cuts instead of decoding (PROTOCOL.md §5.4).
WRAPPER_STARTS = (b"\x1b\x00\x06", b"\x0b\x02\x80")
WRAPPER_END = b"\x03"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBundle:
    """What verification found out about a bundle. Sizes are in bytes."""

    zip_bytes: int
    zip_crc32: str  # 8 lower-case hexadecimal characters
    content: Digest
    files: int
    plain_bytes: int
    names: NameFacts | None  # None: the zip could not be decrypted
    plain_files: bool  # whether the store has the plain bytes of every file, each under its hash


class _Plain(NamedTuple):
    hash: Digest
    bytes: int


def verify_bundle(
    store: ObjectStore,
    *,
    zip: Digest,
    manifest: Digest,
    decryption: BundleDecryption | None = None,
    writes: bool = True,
    examine: Callable[[Path], object] | None = None,
) -> VerifiedBundle:
    """With `decryption` the zip and the files are encrypted, and their plain bytes are verified. The result then
    describes the plain files and the encrypted zip.

    Without it, the plain bytes of packed files are stored as blobs too, for devices that cannot decode packed ones,
    unless a file itself is called `x.br`: a manifest of plain files could not list it. With `writes` False nothing is
    stored; the result is the same. `examine` is called with the plain zip, once its every file was unpacked. Raises
    EdgeError children, whose message names the file:

    `missing_blob`, `digest_mismatch` (the store's bytes do not have that digest); for the zip the codes of
    `read_directory` and `no_index`; for the manifest `invalid_manifest`, `unsafe_name`, `duplicate_name`,
    `manifest_mismatch` (it and the zip have different files) and `blob_mismatch` (a blob differs from its entry). With
    `decryption` also `wrong_key`, `not_encrypted`, `undecryptable`, `checksum_mismatch`, `empty_file`.
    """
    path = _path(store, zip, "the zip")
    made = digest_file(path)
    _check_digest(zip, made.sha256, "the zip")
    with _plain_zip(store, path, decryption) as plain:
        files = _read_zip(plain)
        if examine is not None:
            examine(plain)
    entries = _read_manifest(store, manifest)
    _check_same(files, entries)
    keeps = decryption is None and not any(name.endswith(BROTLI_SUFFIX) for name in files)
    for entry in entries:
        _check_hash(entry, files[target_name(entry.name)], decryption)
        _check_blob(store, entry, files[target_name(entry.name)], decryption, keeps and writes)
    return VerifiedBundle(
        zip_bytes=made.bytes,
        zip_crc32=made.crc32,
        content=content_digest((name, file.hash) for name, file in files.items()),
        files=len(files),
        plain_bytes=sum(file.bytes for file in files.values()),
        names=name_facts((entry.name, entry.hash) for entry in entries),
        plain_files=keeps,
    )


def verify_opaque(store: ObjectStore, *, zip: Digest) -> VerifiedBundle:
    """A zip that was encrypted elsewhere, without a key: only its digest and size are verified, and its digest is its
    `content`. Raises Invalid `missing_blob`, `digest_mismatch`, `not_encrypted`.
    """
    made = digest_file(_path(store, zip, "the zip"))
    _check_digest(zip, made.sha256, "the zip")
    check_ciphertext_size(made.bytes, "the zip")
    return VerifiedBundle(
        zip_bytes=made.bytes,
        zip_crc32=made.crc32,
        content=zip,
        files=0,
        plain_bytes=0,
        names=None,
        plain_files=False,
    )


@contextmanager
def _plain_zip(store: ObjectStore, path: Path, decryption: BundleDecryption | None) -> Iterator[Path]:
    """The plain zip: for an encrypted one, a scratch file that is deleted afterwards."""
    if decryption is None:
        yield path
        return
    check_ciphertext_size(path.stat().st_size, "the zip")
    scratch = store.scratch()
    scratch.touch(mode=FILE_MODE, exist_ok=False)
    try:
        if _write_plain(path, scratch, decryption) != decryption.zip_digest:
            raise Invalid("checksum_mismatch", "the checksum does not match the decrypted zip")
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def _write_plain(path: Path, scratch: Path, decryption: BundleDecryption) -> str:
    """Returns the SHA-256 of what was written. Raises OutOfRoom `storage_full`."""
    hashing = hashlib.sha256()
    with room_to("decrypt the zip", scratch), scratch.open("r+b") as file:
        for chunk in decryption.decrypt(read_chunks(path), "the zip"):
            hashing.update(chunk)
            file.write(chunk)
    return hashing.hexdigest()


def _path(store: ObjectStore, digest: Digest, what: str) -> Path:
    try:
        return store.path(blob_key(digest))
    except FileNotFoundError as error:
        raise Invalid("missing_blob", f"{what}: blob {digest} is not in the store; upload it first") from error


def _check_digest(named: Digest, actual: str, what: str) -> None:
    if actual != named:
        raise Invalid("digest_mismatch", f"{what}: blob {named} has SHA-256 {actual}")


def _read_zip(path: Path) -> dict[str, _Plain]:
    files = {}
    with path.open("rb") as archive:
        for entry in read_directory(archive):
            hashing = hashlib.sha256()
            for chunk in unpack(archive, entry):
                hashing.update(chunk)
            files[entry.name] = _Plain(Digest(hashing.hexdigest()), entry.plain_bytes)
    if INDEX not in files:
        raise Invalid("no_index", f"zip: no {INDEX} at its root")
    return files


def _read_manifest(store: ObjectStore, digest: Digest) -> tuple[FileEntry, ...]:
    path = _path(store, digest, "the manifest")
    size = path.stat().st_size
    if size > MANIFEST_LIMIT_BYTES:
        raise TooLarge("manifest_too_large", f"the manifest has {size} bytes; the limit is {MANIFEST_LIMIT_BYTES}")
    document = path.read_bytes()
    _check_digest(digest, hashlib.sha256(document).hexdigest(), "the manifest")
    return parse_manifest(document)


def _check_same(files: Mapping[str, _Plain], entries: tuple[FileEntry, ...]) -> None:
    listed = {target_name(entry.name): entry.hash for entry in entries}
    for name in sorted(files.keys() | listed.keys()):
        if name not in listed:
            raise Invalid("manifest_mismatch", f"{name!r} is in the zip, but not in the manifest")
        if name not in files:
            raise Invalid("manifest_mismatch", f"{name!r} is in the manifest, but not in the zip")
        if listed[name] != files[name].hash:
            raise Invalid("manifest_mismatch", f"{name!r} differs between the zip and the manifest")


def _check_hash(entry: FileEntry, plain: _Plain, decryption: BundleDecryption | None) -> None:
    """The hash that devices get is that of the file's plain bytes."""
    if decryption is None:
        if entry.signed:
            raise Invalid("manifest_mismatch", f"{entry.name!r} is signed, but the bundle is not encrypted")
        return
    check_not_empty(entry.name, plain.bytes)
    if not entry.signed:
        _wrong(entry, "is not signed")
    if decryption.digest(entry.signed, f"the hash of {entry.name!r}") != entry.hash:
        _wrong(entry, "has a signature of a different hash")


def _check_blob(
    store: ObjectStore, entry: FileEntry, plain: _Plain, decryption: BundleDecryption | None, keeps: bool
) -> None:
    """The stored bytes are those of the manifest, and decode to `entry.hash`. `keeps`: store the decoded bytes too."""
    path = _path(store, entry.blob, repr(entry.name))
    size = path.stat().st_size
    if size != entry.bytes:
        _wrong(entry, f"is listed with {entry.bytes} bytes, but its blob has {size}")
    if size > packed_limit_bytes(plain.bytes):
        _wrong(entry, f"has {size} bytes for a file of {plain.bytes}: it is padded")
    if decryption is None and not entry.name.endswith(BROTLI_SUFFIX):
        if entry.blob != entry.hash:
            _wrong(entry, f"is a plain file, but its blob is not its hash (brotli names end in {BROTLI_SUFFIX})")
        _check_digest(entry.blob, digest_file(path).sha256, repr(entry.name))
        return
    stored, decoded = hashlib.sha256(), hashlib.sha256()
    with _keeping(store, entry.hash) if keeps else nullcontext(_drop) as keep:
        for chunk in plain_chunks(path, entry, plain.bytes, stored, decryption):
            decoded.update(chunk)
            keep(chunk)
        _check_digest(entry.blob, stored.hexdigest(), repr(entry.name))
        if decoded.hexdigest() != entry.hash:
            _wrong(entry, "decodes to bytes with another hash")


@contextmanager
def _keeping(store: ObjectStore, digest: Digest) -> Iterator[Callable[[bytes], object]]:
    """Bytes written in the block become the blob `digest` if the block, which checks them, does not raise.

    Raises OutOfRoom `storage_full`.
    """
    if is_intact(store, digest):
        store.promise([digest])
        yield _drop
        return
    scratch = store.scratch()
    scratch.touch(mode=FILE_MODE, exist_ok=False)
    try:
        with room_to("keep the plain files", scratch):
            with scratch.open("r+b") as file:
                yield file.write
            keep_blob(store, digest, scratch)
    finally:
        scratch.unlink(missing_ok=True)


def _drop(chunk: bytes) -> None:
    pass


def plain_chunks(
    path: Path, entry: FileEntry, limit_bytes: int, stored: "hashlib._Hash", decryption: BundleDecryption | None
) -> Iterator[bytes]:
    """The file's plain bytes; also hashes the stored bytes into `stored`."""
    chunks = _hashed(read_chunks(path), stored)
    if decryption is not None:
        check_ciphertext_size(entry.bytes, repr(entry.name))
        chunks = decryption.decrypt(chunks, repr(entry.name))
    return _decode(chunks, entry, limit_bytes) if entry.name.endswith(BROTLI_SUFFIX) else chunks


def _hashed(chunks: Iterable[bytes], hashing: "hashlib._Hash") -> Iterator[bytes]:
    for chunk in chunks:
        hashing.update(chunk)
        yield chunk


def _decode(chunks: Iterable[bytes], entry: FileEntry, limit_bytes: int) -> Iterator[bytes]:
    """The plain bytes of one brotli stream, which must fill `chunks` exactly."""
    decoder, first, last, plain_bytes = brotli.Decompressor(), b"", b"", 0
    for packed in chunks:
        first, last = first or packed[:3], packed[-1:]
        for chunk in _drain(decoder, packed, entry):
            plain_bytes += len(chunk)
            if plain_bytes > limit_bytes:
                _wrong(entry, f"decodes to more than the {limit_bytes} bytes of the file in the zip")
            yield chunk
    if not decoder.is_finished():
        _wrong(entry, "is a truncated brotli stream")
    if first in WRAPPER_STARTS and last == WRAPPER_END:
        _wrong(entry, "is a brotli stream that devices mistake for a wrapped raw file; use another window")


def _drain(decoder: brotli.Decompressor, packed: bytes, entry: FileEntry) -> Iterator[bytes]:
    """All that `packed` gives, in pieces of about CHUNK_BYTES: a brotli bomb is stopped between two of them."""
    try:
        chunk = decoder.process(packed, output_buffer_limit=CHUNK_BYTES)
        # `can_accept_more_data` is about input only: output may remain in the window after all input is taken.
        while chunk:
            yield chunk
            chunk = b"" if decoder.is_finished() else decoder.process(b"", output_buffer_limit=CHUNK_BYTES)
    except brotli.error as error:
        raise Invalid("blob_mismatch", f"{entry.name!r} is not brotli, or bytes follow its end: {error}") from error


def _wrong(entry: FileEntry, reason: str) -> NoReturn:
    raise Invalid("blob_mismatch", f"{entry.name!r} {reason}")
