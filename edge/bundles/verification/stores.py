"""What app stores may not allow in a bundle that is being verified, beside what devices have now.

Nothing is refused here but for want of room. What cannot be had of the earlier bundle is not compared.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, NamedTuple, cast

from edge.bundles.encryption.rsa_keys import PublicKey
from edge.bundles.limits import MIB
from edge.bundles.store_rules.check import DECLARATIONS_LIMIT, check_store_rules
from edge.bundles.store_rules.declarations import DECLARATION_LIMIT_BYTES, Declared, is_declaration, read_declared
from edge.bundles.store_rules.rules import StoreWarning
from edge.bundles.verification.decryption import BundleDecryption
from edge.bundles.verification.verify import plain_chunks
from edge.bundles.zip.reader import ZipEntry, read_directory, unpack
from edge.domain.errors import Invalid, Unavailable
from edge.domain.file_names import target_name
from edge.domain.manifest import read_manifest
from edge.domain.model import Bundle, FileEntry
from edge.store.blobs import read_blob
from edge.store.disk.durable_files import room_to
from edge.store.objects.port import ObjectStore, blob_key
from edge.store.stored_document import Untrusted

IN_MEMORY_BYTES = 4 * MIB  # of a zip within the bundle; a larger one is unpacked to the disk while it is looked at


class EarlierBundle(NamedTuple):
    """What devices have now; None: nothing. `key` opens it if it is encrypted, as the new one is."""

    bundle: Bundle | None
    key: PublicKey | None = None


def check_verified_zip(store: ObjectStore, zip: Path, app: str, earlier: EarlierBundle) -> list[StoreWarning]:
    """The warnings of a plain zip whose every file was unpacked and found safe. Blocks. Raises OutOfRoom
    `storage_full`."""
    folder = store.scratch().parent
    with zip.open("rb") as archive:
        files = [_ZippedFile(archive, entry, folder) for entry in read_directory(archive)]
        files.sort(key=lambda each: each.name)
        names = {each.name for each in files if is_declaration(each.name)}
        return check_store_rules(files, app, _declared_before(store, earlier, names) if names else {})


class _ZippedFile(NamedTuple):
    """A file of the bundle, as the zip has it."""

    archive: BinaryIO
    entry: ZipEntry
    folder: Path

    @property
    def name(self) -> str:
        return self.entry.name

    def start(self, limit_bytes: int) -> bytes:
        return _start(unpack(self.archive, self.entry), limit_bytes)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        with SpooledTemporaryFile(IN_MEMORY_BYTES, dir=str(self.folder)) as whole:
            with room_to("look into a zip within the bundle", self.folder):
                for chunk in unpack(self.archive, self.entry):
                    whole.write(chunk)
            whole.seek(0)
            yield cast("BinaryIO", whole)


def _start(chunks: Iterable[bytes], limit_bytes: int) -> bytes:
    found = bytearray()
    for chunk in chunks:
        found += chunk
        if len(found) >= limit_bytes:
            break
    return bytes(found[:limit_bytes])


def _declared_before(store: ObjectStore, earlier: EarlierBundle, names: set[str]) -> Mapping[str, Declared]:
    bundle = earlier.bundle
    if bundle is None or bundle.manifest is None:
        return {}
    found: dict[str, Declared] = {}
    with suppress(Unavailable, Untrusted, Invalid, OSError):  # lost, or encrypted with another key
        decryption = None
        if bundle.encryption is not None:
            if earlier.key is None:
                return {}
            decryption = BundleDecryption(earlier.key, bundle.encryption)
        for entry in read_manifest(read_blob(store, bundle.manifest, "a manifest")):
            if (name := target_name(entry.name)) in names and len(found) < DECLARATIONS_LIMIT:
                content = _content(store, entry, decryption)
                if content is not None:
                    found[name] = read_declared(name, content)
    return found


def _content(store: ObjectStore, entry: FileEntry, decryption: BundleDecryption | None) -> bytes | None:
    """The plain bytes; None if they are too many, or not those of the manifest."""
    path = store.path(blob_key(entry.blob))
    chunks = plain_chunks(path, entry, DECLARATION_LIMIT_BYTES, hashlib.sha256(), decryption)
    content = _start(chunks, DECLARATION_LIMIT_BYTES + 1)
    return content if hashlib.sha256(content).hexdigest() == entry.hash else None
