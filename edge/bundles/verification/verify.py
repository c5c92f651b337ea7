"""What a publisher sent, proven before a release may name it: the zip is safe, and zip, manifest and blobs agree.

The server's side; blocking, for minutes at the limits: run it off the loop. Nothing declared is believed, every byte
is read and hashed, in chunks; memory does not grow with the bundle.
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
from edge.store.objects.port import ObjectStore, blob_key

# Streams the plugin takes for raw files in a wrapper and cuts instead of decoding (device-protocol §5.4).
WRAPPER_STARTS = (b"\x1b\x00\x06", b"\x0b\x02\x80")
WRAPPER_END = b"\x03"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBundle:
    zip_bytes: int
    zip_crc32: str  # 8 lower-case hexadecimal characters
    content: Digest
    files: int
    plain_bytes: int
    names: NameFacts | None  # None: nobody has seen inside
    plain_files: bool  # whether the store has the plain bytes of every file, each under its hash


class _Plain(NamedTuple):
    hash: Digest
    bytes: int


def verify_bundle(
    store: ObjectStore, *, zip: Digest, manifest: Digest, opening: BundleDecryption | None = None, writes: bool = True
) -> VerifiedBundle:
    """With an `opening` the zip and the files are encrypted, and proven as their plain bytes are. What is returned then
    describes the plain files, and the encrypted zip.

    Without, the plain bytes of packed files become blobs on the way, for releases that can take no packed ones; not
    where a file is called `x.br` itself, since no manifest of plain files could list it. `writes` False: they become
    none, and what is returned is as if they had. Raises EdgeError children; the message names the file.

    `missing_blob`, `digest_mismatch` (the store's bytes are not what their name says); for the zip all codes of
    `read_directory` and `no_index`; for the manifest `invalid_manifest`, `unsafe_name`, `duplicate_name`,
    `manifest_mismatch` (it and the zip are not one set of files) and `blob_mismatch` (a blob is not what it says). With
    an `opening` also `wrong_key`, `not_encrypted`, `undecryptable`, `checksum_mismatch`, `empty_file`.
    """
    path = _path(store, zip, "the zip")
    made = digest_file(path)
    _check_digest(zip, made.sha256, "the zip")
    with _plain_zip(store, path, opening) as plain:
        files = _read_zip(plain)
    entries = _read_manifest(store, manifest)
    _check_same(files, entries)
    keeps = opening is None and not any(name.endswith(BROTLI_SUFFIX) for name in files)
    for entry in entries:
        _check_hash(entry, files[target_name(entry.name)], opening)
        _check_blob(store, entry, files[target_name(entry.name)], opening, keeps and writes)
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
    """A zip that was encrypted elsewhere, without a key to look inside: only its digest and size are proven, and its
    identity is the digest. Raises Invalid `missing_blob`, `digest_mismatch`, `not_encrypted`.
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
def _plain_zip(store: ObjectStore, path: Path, opening: BundleDecryption | None) -> Iterator[Path]:
    """The zip as devices unpack it: an encrypted one in a scratch file that is gone afterwards."""
    if opening is None:
        yield path
        return
    check_ciphertext_size(path.stat().st_size, "the zip")
    scratch = store.scratch()
    scratch.touch(mode=FILE_MODE, exist_ok=False)
    try:
        if _write_plain(path, scratch, opening) != opening.zip_digest:
            raise Invalid("checksum_mismatch", "the checksum is not the decrypted zip's")
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def _write_plain(path: Path, scratch: Path, opening: BundleDecryption) -> str:
    """Returns the SHA-256 of what was written. Raises Unavailable `storage_full`."""
    hashing = hashlib.sha256()
    with room_to("decrypt the zip"), scratch.open("r+b") as file:
        for chunk in opening.decrypt(read_chunks(path), "the zip"):
            hashing.update(chunk)
            file.write(chunk)
    return hashing.hexdigest()


def _path(store: ObjectStore, digest: Digest, what: str) -> Path:
    try:
        return store.path(blob_key(digest))
    except FileNotFoundError as error:
        raise Invalid("missing_blob", f"{what}: blob {digest} is not in the store") from error


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
        raise TooLarge("manifest_too_large", f"manifest: {size} bytes, at most {MANIFEST_LIMIT_BYTES}")
    document = path.read_bytes()
    _check_digest(digest, hashlib.sha256(document).hexdigest(), "the manifest")
    return parse_manifest(document)


def _check_same(files: Mapping[str, _Plain], entries: tuple[FileEntry, ...]) -> None:
    listed = {target_name(entry.name): entry.hash for entry in entries}
    for name in sorted(files.keys() | listed.keys()):
        if name not in listed:
            raise Invalid("manifest_mismatch", f"{name!r} is in the zip, not in the manifest")
        if name not in files:
            raise Invalid("manifest_mismatch", f"{name!r} is in the manifest, not in the zip")
        if listed[name] != files[name].hash:
            raise Invalid("manifest_mismatch", f"{name!r} has other bytes in the zip than the manifest says")


def _check_hash(entry: FileEntry, plain: _Plain, opening: BundleDecryption | None) -> None:
    """What devices get as the file's hash stands for its plain bytes."""
    if opening is None:
        if entry.signed:
            raise Invalid("manifest_mismatch", f"{entry.name!r} is signed, but the bundle is not encrypted")
        return
    check_not_empty(entry.name, plain.bytes)
    if not entry.signed:
        _wrong(entry, "is not signed")
    if opening.digest(entry.signed, f"the hash of {entry.name!r}") != entry.hash:
        _wrong(entry, "is signed as other bytes than its hash says")


def _check_blob(
    store: ObjectStore, entry: FileEntry, plain: _Plain, opening: BundleDecryption | None, keeps: bool
) -> None:
    """The stored bytes are what the manifest says, and a device makes `entry.hash` of them. `keeps`: that becomes a
    blob too."""
    path = _path(store, entry.blob, repr(entry.name))
    size = path.stat().st_size
    if size != entry.bytes:
        _wrong(entry, f"is listed with {entry.bytes} bytes, its blob has {size}")
    if size > packed_limit_bytes(plain.bytes):
        _wrong(entry, f"has {size} bytes for a file of {plain.bytes}: it is padded")
    if opening is None and not entry.name.endswith(BROTLI_SUFFIX):
        if entry.blob != entry.hash:
            _wrong(entry, f"is a plain file, but its blob is not its hash (names of brotli end in {BROTLI_SUFFIX})")
        _check_digest(entry.blob, digest_file(path).sha256, repr(entry.name))
        return
    stored, decoded = hashlib.sha256(), hashlib.sha256()
    with _keeping(store, entry.hash) if keeps else nullcontext(_drop) as keep:
        for chunk in _plain_file(path, entry, plain.bytes, stored, opening):
            decoded.update(chunk)
            keep(chunk)
        _check_digest(entry.blob, stored.hexdigest(), repr(entry.name))
        if decoded.hexdigest() != entry.hash:
            _wrong(entry, "decodes to other bytes than its hash says")


@contextmanager
def _keeping(store: ObjectStore, digest: Digest) -> Iterator[Callable[[bytes], object]]:
    """What is written in the block becomes the blob `digest` when the block ends well: it checks the bytes.

    Raises Unavailable `storage_full`.
    """
    key = blob_key(digest)
    if store.has(key):
        yield _drop
        return
    scratch = store.scratch()
    scratch.touch(mode=FILE_MODE, exist_ok=False)
    try:
        with room_to("keep the plain files"):
            with scratch.open("r+b") as file:
                yield file.write
            store.adopt(key, scratch)
    finally:
        scratch.unlink(missing_ok=True)


def _drop(chunk: bytes) -> None:
    pass


def _plain_file(
    path: Path, entry: FileEntry, limit_bytes: int, stored: "hashlib._Hash", opening: BundleDecryption | None
) -> Iterator[bytes]:
    """What a device makes of the stored bytes; `stored` hears of those."""
    chunks = _heard(read_chunks(path), stored)
    if opening is not None:
        check_ciphertext_size(entry.bytes, repr(entry.name))
        chunks = opening.decrypt(chunks, repr(entry.name))
    return _decode(chunks, entry, limit_bytes) if entry.name.endswith(BROTLI_SUFFIX) else chunks


def _heard(chunks: Iterable[bytes], hashing: "hashlib._Hash") -> Iterator[bytes]:
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
        _wrong(entry, "is a brotli stream without an end")
    if first in WRAPPER_STARTS and last == WRAPPER_END:
        _wrong(entry, "is a brotli stream that devices take for a wrapped raw file; use another window")


def _drain(decoder: brotli.Decompressor, packed: bytes, entry: FileEntry) -> Iterator[bytes]:
    """All that `packed` gives, in pieces of about CHUNK_BYTES: a brotli bomb is stopped between two of them."""
    try:
        chunk = decoder.process(packed, output_buffer_limit=CHUNK_BYTES)
        # `can_accept_more_data` tells of input alone: output may wait in the decoder's window after all input is taken.
        while chunk:
            yield chunk
            chunk = b"" if decoder.is_finished() else decoder.process(b"", output_buffer_limit=CHUNK_BYTES)
    except brotli.error as error:
        raise Invalid("blob_mismatch", f"{entry.name!r} is no brotli, or bytes follow its end: {error}") from error


def _wrong(entry: FileEntry, reason: str) -> NoReturn:
    raise Invalid("blob_mismatch", f"{entry.name!r} {reason}")
