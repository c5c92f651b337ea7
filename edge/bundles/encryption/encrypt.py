"""Encrypts a packed bundle. The publisher's side: the private key is used only here.

One AES-128 key and IV for the zip and every file, new for each bundle, as devices expect (PROTOCOL.md §6.2);
signatures are RSA. Blocking; reads and writes in chunks, so memory does not grow with the bundle.
"""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from edge.bundles.chunks import read_chunks
from edge.bundles.encryption.rsa_keys import PrivateKey
from edge.bundles.limits import check_not_empty
from edge.bundles.packing.pack import Packed, PackedFile, PackProgress
from edge.domain.encryption import IV_BYTES, KEY_BYTES, SessionKey, build_encryption, encode_session_key
from edge.domain.errors import Invalid
from edge.domain.manifest import encode_manifest
from edge.domain.model import Digest, Encryption, FileEntry

AES_BLOCK_BITS = 128

_NOTHING = hashlib.sha256().hexdigest()


class Encrypted(NamedTuple):
    """The parts of a `Packed` bundle under the same names; zip and blobs are encrypted, the entries signed."""

    zip: PackedFile
    manifest: bytes  # the document
    manifest_digest: Digest
    entries: tuple[FileEntry, ...]
    blobs: Mapping[Digest, PackedFile]
    encryption: Encryption


class _Session(NamedTuple):
    key: bytes
    iv: bytes


def encrypt(packed: Packed, key: PrivateKey, workdir: Path, *, progress: PackProgress | None = None) -> Encrypted:
    """Encrypt all of `packed` into files below `workdir`. `progress` is called with the stage "encrypt".

    Raises Invalid `empty_file`, and `source_changed` if a file changes while it is read.
    """
    session = _Session(secrets.token_bytes(KEY_BYTES), secrets.token_bytes(IV_BYTES))
    sealed = _encrypt_all({packed.zip.digest: packed.zip, **packed.blobs}, session, workdir / "encrypted", progress)
    entries = tuple(_seal_entry(entry, sealed[entry.blob], key) for entry in packed.entries)
    document = encode_manifest(entries)
    return Encrypted(
        zip=sealed[packed.zip.digest],
        manifest=document,
        manifest_digest=Digest(hashlib.sha256(document).hexdigest()),
        entries=entries,
        blobs={file.digest: file for file in (sealed[entry.blob] for entry in packed.entries)},
        encryption=build_encryption(
            encode_session_key(SessionKey(session.iv, key.make_block(session.key))),
            sign(packed.zip.digest, key),
            key.public.key_id,
        ),
    )


def sign(digest: Digest, key: PrivateKey) -> str:
    """A digest in the form that devices get for encrypted bundles, hexadecimal: the zip's checksum or a file's hash."""
    return key.make_block(bytes.fromhex(digest)).hex()


def _seal_entry(entry: FileEntry, sealed: PackedFile, key: PrivateKey) -> FileEntry:
    if entry.hash == _NOTHING:
        check_not_empty(entry.name, 0)
    return entry._replace(blob=sealed.digest, bytes=sealed.bytes, signed=sign(entry.hash, key))


def _encrypt_all(
    files: Mapping[Digest, PackedFile], session: _Session, folder: Path, progress: PackProgress | None
) -> dict[Digest, PackedFile]:
    folder.mkdir()
    done, total = 0, sum(file.bytes for file in files.values())
    sealed = {}
    for number, (digest, file) in enumerate(files.items()):
        sealed[digest] = _encrypt_file(file, session, folder / str(number))
        done += file.bytes
        if progress is not None:
            progress("encrypt", done, total)
    return sealed


def _encrypt_file(file: PackedFile, session: _Session, target: Path) -> PackedFile:
    read, written, written_bytes = hashlib.sha256(), hashlib.sha256(), 0
    with target.open("xb") as output:
        for chunk in _encrypted(read_chunks(file.path), session, read):
            written.update(chunk)
            written_bytes += output.write(chunk)
    if read.hexdigest() != file.digest:
        raise Invalid("source_changed", f"{str(file.path)!r} changed while it was packed")
    return PackedFile(target, Digest(written.hexdigest()), written_bytes)


def _encrypted(chunks: Iterator[bytes], session: _Session, read: "hashlib._Hash") -> Iterator[bytes]:
    encryptor = Cipher(algorithms.AES(session.key), modes.CBC(session.iv)).encryptor()
    padder = padding.PKCS7(AES_BLOCK_BITS).padder()
    for chunk in chunks:
        read.update(chunk)
        yield encryptor.update(padder.update(chunk))
    yield encryptor.update(padder.finalize()) + encryptor.finalize()
