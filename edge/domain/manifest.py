"""The manifest document: which files a bundle has. A blob like any other, named by its digest.

One JSON object, `{"format": 1, "files": [{"name", "hash", "blob", "bytes"}, ...]}`, sorted by name. In an encrypted
bundle each file has `signed`; `packing`, if present, is how the publisher compressed the files. Older readers ignore
both.
"""

import hashlib
import unicodedata
from collections.abc import Iterable

import msgspec

from edge.domain.encryption import is_signed
from edge.domain.errors import Invalid
from edge.domain.file_names import BROTLI_SUFFIX, PART_LIMIT_ZIP_BYTES, target_name
from edge.domain.model import Digest, FileEntry, parse_digest

MANIFEST_FORMAT = 1
FILE_COUNT_LIMIT = 20_000  # a device opens each file; the largest real web builds have a few thousand
NAME_LIMIT_BYTES = 512  # of one path in UTF-8; a device prefixes its own folder
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # a name reads as another one


class _File(msgspec.Struct, omit_defaults=True):
    name: str
    hash: str
    blob: str
    bytes: int
    signed: str = ""


class _Manifest(msgspec.Struct, omit_defaults=True):
    format: int
    files: list[_File]
    packing: str = ""


_decoder = msgspec.json.Decoder(_Manifest)


def encode_manifest(entries: Iterable[FileEntry], packing: str = "") -> bytes:
    """`packing`: a label for how the `.br` entries were compressed, so that publishers can reuse them."""
    files = [_File(e.name, e.hash, e.blob, e.bytes, e.signed) for e in sorted(entries)]
    return msgspec.json.encode(_Manifest(MANIFEST_FORMAT, files, packing))


def packed_entries(document: bytes, packing: str) -> tuple[FileEntry, ...]:
    """The `.br` entries of a published document whose files were compressed with this `packing`; else none. Raises
    Invalid `invalid_manifest`.
    """
    manifest = _decode(document)
    if manifest.packing != packing:
        return ()
    files = (file for file in manifest.files if file.name.endswith(BROTLI_SUFFIX) and not file.signed)
    return tuple(FileEntry(f.name, Digest(f.hash), Digest(f.blob), f.bytes) for f in files)


def parse_manifest(document: bytes) -> tuple[FileEntry, ...]:
    """The entries, in the order of the document. Raises Invalid: `invalid_manifest` with the reason, and as
    `check_names`.

    There is at least one file, names are safe, no two files have the same target on any file system, and either every
    file is signed or none is.
    """
    manifest = _decode(document)
    check_names([file.name for file in manifest.files])
    if len({bool(file.signed) for file in manifest.files}) > 1:
        raise Invalid("invalid_manifest", "manifest: some files are signed, others are not")
    return tuple(_entry(file) for file in manifest.files)


def read_manifest(document: bytes) -> tuple[FileEntry, ...]:
    """The entries of a document that `parse_manifest` accepted when it was published, unchanged by its digest.

    It takes a tenth of the time, for when a device waits. Raises Invalid `invalid_manifest` if it is no manifest.
    """
    return tuple(FileEntry(f.name, Digest(f.hash), Digest(f.blob), f.bytes, f.signed) for f in _decode(document).files)


def _decode(document: bytes) -> _Manifest:
    try:
        manifest = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("invalid_manifest", f"manifest: {error}") from error
    if manifest.format != MANIFEST_FORMAT:
        raise Invalid("invalid_manifest", f"manifest: format {manifest.format} is not {MANIFEST_FORMAT}")
    if not manifest.files:
        raise Invalid("invalid_manifest", "manifest: no files")
    return manifest


def check_names(names: list[str]) -> None:
    """Refuse manifest names that a device could not unpack, or that would make it write outside its folder.

    Raises Invalid `invalid_manifest`, `unsafe_name` or `duplicate_name`.
    """
    if not names:
        raise Invalid("invalid_manifest", "manifest: no files")
    if len(names) > FILE_COUNT_LIMIT:
        raise Invalid("invalid_manifest", f"manifest: {len(names)} files; the limit is {FILE_COUNT_LIMIT}")
    # Checked as devices write them: limits apply there, and "...br" is safe while the ".." it becomes is not.
    check_targets([target_name(name) for name in names])


def check_targets(targets: Iterable[str]) -> None:
    """`check_names` for names as devices write them: a zip's, or a manifest's after `target_name`.

    Raises Invalid `unsafe_name`; `duplicate_name` for names that are one file on a file system that ignores case or
    the form of accents (macOS, Windows), and for a file that is also the folder of another.
    """
    seen: dict[str, str] = {}
    for name in targets:
        check_name(name)
        key = _folded(name)
        if key in seen:
            raise Invalid("duplicate_name", f"{name!r} and {seen[key]!r} would be the same file on some devices")
        seen[key] = name
    for key, name in seen.items():
        for end in (at for at, character in enumerate(key) if character == "/"):
            if key[:end] in seen:
                raise Invalid("duplicate_name", f"{seen[key[:end]]!r} is both a file and the folder of {name!r}")


def check_name(name: str) -> None:
    """Raises Invalid `unsafe_name` unless `name` is a plain relative path with forward slashes, of limited length."""
    reason = _unsafe(name)
    if reason:
        raise Invalid("unsafe_name", f"{name[:NAME_LIMIT_BYTES]!r}: {reason}")


def content_digest(files: Iterable[tuple[str, Digest]]) -> Digest:
    """A bundle's identity: a digest of (target name, plain hash) of every file, which compression does not change."""
    digest = hashlib.sha256(b"edge-content-v1\n")
    for name, plain_hash in sorted(files):
        digest.update(f"{plain_hash} {len(name.encode())} {name}\n".encode())
    return Digest(digest.hexdigest())


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _unsafe(name: str) -> str:
    if len(name.encode("utf-8", "surrogatepass")) > NAME_LIMIT_BYTES:
        return f"longer than {NAME_LIMIT_BYTES} bytes"
    if "\\" in name:
        return "backslash in a path"
    if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in name):
        return "control character in a path"
    if not _TURNING.isdisjoint(name):
        return "a character in a path that turns the direction of text around"
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "absolute path"
    segments = name.split("/")
    if "" in segments:
        return "empty path segment"
    if any(len(segment.encode()) > PART_LIMIT_ZIP_BYTES for segment in segments):
        return f"path segment longer than {PART_LIMIT_ZIP_BYTES} bytes"
    if "." in segments or ".." in segments:
        return "path leaves its folder"
    return ""


def _entry(file: _File) -> FileEntry:
    if file.bytes < 0:
        raise Invalid("invalid_manifest", f"manifest: {file.name!r} has a negative size")
    if file.signed and not is_signed(file.signed):
        raise Invalid("invalid_manifest", f"manifest: {file.name!r} has a malformed signed hash")
    return FileEntry(file.name, parse_digest(file.hash), parse_digest(file.blob), file.bytes, file.signed)
