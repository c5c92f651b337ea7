"""What a release does with the bytes and names of one manifest entry, apart from fetching them. Pure.

Path rules, brotli with its special cases, and the digest that must match: PROTOCOL.md §5.4, §11.4.
"""

import hashlib
from collections.abc import Iterable
from pathlib import PurePosixPath

import brotli

from edge.device.behaviours import Brotli, PathRules, ReusedName, SameBaseName
from edge.device.failure import ReportedCause, UpdateFailed
from edge.device.profile import ManifestProfile, Profile
from edge.device.updating.answer import ManifestFile
from edge.device.updating.crypto import DeviceKey, Undecryptable

BROTLI_SUFFIX = ".br"
_EMPTY_STREAM = b"\x1b\x00\x06"
_RAW_WRAPPERS = (_EMPTY_STREAM, b"\x0b\x02\x80")  # stored bytes between this and one closing byte
_RAW_END = b"\x03"
FILE_NAME_BYTES = 255  # of the file systems of devices
_SHA256_DIGITS = 64
_NAME_DIGITS = 16  # of the SHA-256 of the file name, in the name of an unfinished file


def check_paths(rules: PathRules, files: Iterable[ManifestFile]) -> None:
    """Raises UpdateFailed before the first byte is fetched.

    Releases without rules would write outside their folder; the simulator never does.
    """
    causes = () if rules is PathRules.NONE_REPORTED else (ReportedCause("manifest_path_fail"),)
    seen: set[str] = set()
    for file in files:
        path = PurePosixPath(file.file_name)
        if path.is_absolute() or ".." in path.parts or "\\" in file.file_name or not path.parts:
            raise UpdateFailed(f"{file.file_name!r} leaves its folder", *causes)
        target = file.file_name.removesuffix(BROTLI_SUFFIX)
        if target in seen and rules is PathRules.ESCAPING_AND_DUPLICATES:
            raise UpdateFailed(f"two entries write {target!r}", *causes)
        seen.add(target)


def is_brotli(rules: ManifestProfile, file_name: str) -> bool:
    """Whether the release decompresses this file."""
    return rules.brotli is Brotli.EVERY_FILE or file_name.endswith(BROTLI_SUFFIX)


def target_name(rules: ManifestProfile, file_name: str, *, reused: bool) -> str:
    """The name under which a file is written. Releases that decode every file keep its name, and some keep the
    suffix on files from the cache, which the app then does not find (PROTOCOL.md §5.7).
    """
    as_listed = rules.brotli is Brotli.EVERY_FILE or (reused and rules.reused_name is ReusedName.WITH_BR)
    return file_name if as_listed else file_name.removesuffix(BROTLI_SUFFIX)


def cache_names(rules: ManifestProfile, file_name: str, file_hash: str) -> tuple[str, ...]:
    """A finished file's name in the cache, then the older name that is still looked up; none that is too long."""
    base = PurePosixPath(file_name).name
    bases = (base.removesuffix(BROTLI_SUFFIX), base) if rules.cache_without_br else (base,)
    names = (f"{file_hash}_{each}" for each in bases)
    return tuple(name for name in names if len(name.encode()) <= FILE_NAME_BYTES)


def fits_cache(rules: ManifestProfile, file_name: str) -> bool:
    """Whether the file's name in the cache, with what writing adds to it, fits a device's file system."""
    base = PurePosixPath(file_name).name
    counted = base.removesuffix(BROTLI_SUFFIX) if rules.cache_without_br else base
    return len(counted.encode()) <= rules.longest_base_name_bytes


def find_clashes(rules: ManifestProfile, files: Iterable[ManifestFile]) -> frozenset[ManifestFile]:
    """The files that share a temporary file with an earlier one (PROTOCOL.md §5.7).

    On a device, timing decides which of them fail; here it is always all but the first.
    """
    seen: set[tuple[str, ...]] = set()
    clashing: set[ManifestFile] = set()
    for file in files:
        base = PurePosixPath(file.file_name).name.removesuffix(BROTLI_SUFFIX)
        match rules.same_base_name:
            case SameBaseName.WORKS:
                return frozenset()
            case SameBaseName.FAILS:
                key: tuple[str, ...] = (base,)
            case SameBaseName.FAILS_WHEN_CONTENT_IS_EQUAL:
                key = (base, file.file_hash)
        if key in seen:
            clashing.add(file)
        seen.add(key)
    return frozenset(clashing)


def partial_name(file_name: str, file_hash: str) -> str:
    """The name of an unfinished file."""
    # A signed hash, which a device without the key uses as the file's own, would be too long for a name.
    return f"partial_{file_hash[:_SHA256_DIGITS]}_{hashlib.sha256(file_name.encode()).hexdigest()[:_NAME_DIGITS]}.tmp"


def expected_hash(profile: Profile, rules: ManifestProfile, file: ManifestFile, key: DeviceKey | None) -> str:
    """The digest that the plain file must have; `key` None if the bundle is not encrypted. Raises UpdateFailed."""
    if not file.file_hash:
        raise UpdateFailed("no file_hash", ReportedCause("download_manifest_file_fail", file.file_name))
    if key is None:
        return file.file_hash.lower() if rules.hash_any_case else file.file_hash
    try:
        return key.digest(file.file_hash)
    except Undecryptable as error:
        # Android does not report the cause (PROTOCOL.md §5.8).
        raise UpdateFailed(
            str(error), *([] if profile.android else [ReportedCause("decrypt_fail", file.file_name)])
        ) from error


def decode_file(
    rules: ManifestProfile, file: ManifestFile, content: bytes, expected: str, key: DeviceKey | None, session_key: str
) -> bytes:
    """The plain bytes: decrypted, decompressed, verified. Raises UpdateFailed with the cause that the step reports."""
    if key is not None:
        try:
            content = key.decrypt(content, session_key)
        except Undecryptable as error:
            raise UpdateFailed(str(error), ReportedCause("decrypt_fail", file.file_name)) from error
    if is_brotli(rules, file.file_name):
        try:
            content = decode_brotli(content)
        except brotli.error as error:
            raise UpdateFailed(
                f"brotli: {error}", ReportedCause("download_manifest_brotli_fail", file.file_name)
            ) from error
    verified = key is not None or rules.unencrypted_files_verified
    matches = rules.hash_satisfiable and hashlib.sha256(content).hexdigest() == expected
    if verified and not matches:
        raise UpdateFailed(
            f"{file.file_name!r}: digest differs", ReportedCause("download_manifest_checksum_fail", file.file_name)
        )
    return content


def decode_brotli(content: bytes) -> bytes:
    """As the plugin decompresses, with its three special cases. Raises brotli.error."""
    if content in (b"", _EMPTY_STREAM):
        return b""
    if content.startswith(_RAW_WRAPPERS) and content.endswith(_RAW_END):
        return content[3:-1]
    return bytes(brotli.decompress(content))
