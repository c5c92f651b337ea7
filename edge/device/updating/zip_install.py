"""From a downloaded zip to a bundle's folder: decrypt, check the digest as the release does, unpack safely.

PROTOCOL.md §11.3, §11.5, §5.5. Blocking: for a thread.
"""

import hashlib
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from edge.device.behaviours import PlainZipWithKey, ZipChecksum
from edge.device.failure import ReportedCause, UpdateFailed
from edge.device.profile import Profile
from edge.device.updating.crypto import DeviceKey, Undecryptable, split_session_key

_CHUNK_BYTES = 1 << 20


def install_zip(
    profile: Profile, archive: Path, folder: Path, *, checksum: str, session_key: str, key: DeviceKey | None
) -> list[tuple[int, int]]:
    """Unpack `archive` into the existing, empty `folder`. Raises UpdateFailed with the release's own causes.

    An encrypted `archive` is replaced by its plain bytes. Returns Android's progress in order: the bytes that it counts
    as unpacked, including its read buffer, and all bytes of the zip.
    """
    if key is not None and session_key:
        _install_encrypted(profile, archive, checksum, session_key, key)
    elif key is not None:
        _check_plain_with_key(profile, archive, checksum)
    else:
        _check_plain(profile, archive, checksum)
    total_bytes = archive.stat().st_size
    sizes = unpack(archive, folder)
    if not profile.android:
        return []
    return [(profile.unzip_buffer_bytes + sum(sizes[:done]), total_bytes) for done in range(len(sizes))]


def _check_plain(profile: Profile, archive: Path, checksum: str) -> None:
    """Compared exactly on both platforms in every release, so upper-case digits are refused."""
    match profile.zip_checksum:
        case ZipChecksum.NOT_VERIFIED:
            accepted = True
        case ZipChecksum.CRC32:
            accepted = checksum in ("", _crc32(archive))
        case ZipChecksum.SHA256:
            accepted = checksum in ("", _sha256(archive))
        case ZipChecksum.ANY_VALUE_REFUSED:
            accepted = checksum == ""  # the release compares it with an empty string
        case ZipChecksum.SHA256_REQUIRED:
            if not checksum:
                raise _withheld(profile, "checksum_required")
            accepted = checksum == _sha256(archive)
    if not accepted:
        raise UpdateFailed("checksum does not match", ReportedCause("checksum_fail"))


def _check_plain_with_key(profile: Profile, archive: Path, checksum: str) -> None:
    match profile.zip_plain_with_key:
        case PlainZipWithKey.NO_KEY_OPTION:
            return _check_plain(profile, archive, checksum)
        case PlainZipWithKey.WITH_CRC32:
            accepted = checksum == _crc32(archive)
        case PlainZipWithKey.WITH_SHA256:
            accepted = checksum == _sha256(archive)
        case PlainZipWithKey.WITH_EMPTY_CHECKSUM:
            accepted = checksum == ""
        case PlainZipWithKey.REFUSED:
            if profile.refuses_unverifiable:
                raise _withheld(profile, "session_key_required")
            accepted = False
    if accepted:
        return None
    raise UpdateFailed(
        "not encrypted for this device's key", ReportedCause("checksum_fail" if checksum else "checksum_required")
    )


def _install_encrypted(profile: Profile, archive: Path, checksum: str, session_key: str, key: DeviceKey) -> None:
    try:
        split_session_key(session_key)
    except Undecryptable as error:
        if profile.refuses_unverifiable:
            raise _withheld(profile, "session_key_required") from error
        raise _undecryptable(profile, error) from error
    if not checksum:
        raise _withheld(profile, "checksum_required")
    try:
        expected = key.digest(checksum)
        archive.write_bytes(key.decrypt(archive.read_bytes(), session_key))
    except Undecryptable as error:
        raise _undecryptable(profile, error) from error
    if expected != _sha256(archive):
        raise UpdateFailed("checksum does not match", ReportedCause("checksum_fail"))


def _undecryptable(profile: Profile, error: Undecryptable) -> UpdateFailed:
    return UpdateFailed(str(error), *([ReportedCause("decrypt_fail")] if profile.wrong_key.reports_decrypt else ()))


def _withheld(profile: Profile, action: str) -> UpdateFailed:
    """Android from 8.51.23 sends only this report and hangs; all others also report the failed update."""
    return UpdateFailed(action, ReportedCause(action), hangs=profile.android and profile.refuses_unverifiable)


def unpack(archive: Path, folder: Path) -> list[int]:
    """Check all names, extract every entry, then remove a single top folder. Returns each file's compressed bytes.

    Raises UpdateFailed.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            for entry in source.infolist():
                _check_name(entry)
            for entry in source.infolist():
                _extract(source, entry, folder)
            sizes = [entry.compress_size for entry in source.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise UpdateFailed(f"unzip: {error}", ReportedCause("unzip_fail")) from error
    _lift_single_folder(folder)
    return sizes


def _check_name(entry: zipfile.ZipInfo) -> None:
    # `filename` has this machine's separators; `orig_filename` is the archive's own.
    if "\\" in entry.orig_filename:
        raise UpdateFailed(f"backslash in {entry.orig_filename!r}", ReportedCause("windows_path_fail"))
    path = PurePosixPath(entry.filename)
    if path.is_absolute() or ".." in path.parts:
        raise UpdateFailed(f"{entry.filename!r} leaves its folder", ReportedCause("canonical_path_fail"))


def _extract(source: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / entry.filename
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open(entry) as content, target.open("wb") as file:
        shutil.copyfileobj(content, file, _CHUNK_BYTES)


def _lift_single_folder(folder: Path) -> None:
    """If a single folder holds everything, it is the bundle; archivers' own entries next to it do not count."""
    visible = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    if not visible:
        raise UpdateFailed("unzip: nothing inside", ReportedCause("unzip_fail"))
    if len(visible) != 1 or not (visible[0] / "index.html").is_file():
        return
    inner = visible[0].rename(folder.with_name(folder.name + ".inner"))
    shutil.rmtree(folder)
    inner.rename(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _crc32(path: Path) -> str:
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            value = zlib.crc32(chunk, value)
    return f"{value:08x}"
