"""Fetching a bundle file by file: what is reused, fetched in parallel, resumed, verified and swallowed.

PROTOCOL.md §5.4, §11.4. Processing one file's bytes is in `manifest_files`.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from edge.device.failure import ProcessKilled, ReportedCause, UpdateFailed
from edge.device.ledger import DownloadProgress, Ledger, ProgressListener
from edge.device.network import DeviceNetwork, Incoming, TransferFailed
from edge.device.profile import ManifestProfile, Profile
from edge.device.state import DeviceState
from edge.device.updating.answer import ManifestFile, UpdateFound
from edge.device.updating.crypto import DeviceKey
from edge.device.updating.manifest_files import (
    BROTLI_SUFFIX,
    cache_names,
    check_paths,
    decode_file,
    expected_hash,
    find_clashes,
    fits_cache,
    partial_name,
    target_name,
)

FILE_FAILED = "download_manifest_file_fail"
PARALLEL_FLOOR, PARALLEL_CEILING = 8, 64  # within which it is twice the cores, PROTOCOL.md §5.4


class _Lost(Exception):
    """One file did not arrive. `status` 0: no answer."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


class ManifestDownloader:
    """Downloads the files of one manifest."""

    def __init__(
        self,
        profile: Profile,
        rules: ManifestProfile,
        network: DeviceNetwork,
        ledger: Ledger,
        state: DeviceState,
        *,
        builtin: Path | None,
        key: DeviceKey | None,
        on_progress: ProgressListener,
        on_file: Callable[[int, int], None],
    ) -> None:
        """`key` None: the bundle is not encrypted. `on_file` gets (files done, files in all)."""
        self._profile = profile
        self._rules = rules
        self._network = network
        self._ledger = ledger
        self._state = state
        self._builtin = builtin
        self._key = key
        self._on_progress = on_progress
        self._on_file = on_file
        self._slots = asyncio.Semaphore(parallel_files(os.cpu_count() or 1))

    async def download(self, update: UpdateFound, folder: Path) -> None:
        """Fill `folder` with every file. Raises UpdateFailed with the causes of all that failed, ProcessKilled.

        Finished files stay in the cache, and unfinished ones next to it, for the next attempt.
        """
        files = update.manifest or ()
        check_paths(self._rules.path_rules, files)
        clashing = [file for file in find_clashes(self._rules, files) if not await asyncio.to_thread(self._has, file)]
        failures: list[UpdateFailed] = []
        done = 0

        async def place(file: ManifestFile) -> None:
            nonlocal done
            async with self._slots:
                try:
                    await self._place(file, update.session_key, folder, file in clashing)
                except UpdateFailed as failure:
                    failures.append(failure)
                    return
            done += 1
            self._on_file(done, len(files))

        try:
            async with asyncio.TaskGroup() as group:
                for file in files:
                    group.create_task(place(file))
        except BaseExceptionGroup as group:
            raise _first(group.subgroup(ProcessKilled) or group) from None
        if failures:
            raise UpdateFailed(failures[0].reason, *(cause for failure in failures for cause in failure.causes))

    async def _place(self, file: ManifestFile, session_key: str, folder: Path, clashes: bool) -> None:
        try:
            await self._fill(file, session_key, folder, clashes)
        except _Lost as lost:
            if not self._rules.network_failure_ignored and not self._rules.failure_swallowed:
                raise UpdateFailed(
                    f"{file.file_name!r}: {lost}", *self._causes(file, *self._inner(file, lost))
                ) from lost
        except UpdateFailed:
            if not self._rules.failure_swallowed:
                raise
            # This is what such a release installs (PROTOCOL.md §11.4).
            self._write(folder, target_name(self._rules, file.file_name, reused=False), b"")

    async def _fill(self, file: ManifestFile, session_key: str, folder: Path, clashes: bool) -> None:
        if clashes:
            raise self._unusable(file, "shares its temporary file")
        expected = expected_hash(self._profile, self._rules, file, self._key)
        kept = await asyncio.to_thread(self._find_kept, file.file_name, expected)
        if kept is not None:
            self._ledger.reused.append(file.file_name)
            self._write(folder, target_name(self._rules, file.file_name, reused=True), kept)
            return
        if not fits_cache(self._rules, file.file_name):
            raise self._unusable(file, "name too long for the cache")
        partial = self._state.partial_folder / partial_name(file.file_name, expected)
        await self._fetch(file, partial)
        received = partial.read_bytes()
        partial.unlink()
        try:
            content = await asyncio.to_thread(
                decode_file, self._rules, file, received, expected, self._key, session_key
            )
        except UpdateFailed as error:
            raise UpdateFailed(error.reason, *self._causes(file, *error.causes)) from error
        (self._state.cache_folder / cache_names(self._rules, file.file_name, expected)[0]).write_bytes(content)
        self._write(folder, target_name(self._rules, file.file_name, reused=False), content)

    def _write(self, folder: Path, name: str, content: bytes) -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def _unusable(self, file: ManifestFile, why: str) -> UpdateFailed:
        return UpdateFailed(f"{file.file_name!r}: {why}", ReportedCause(FILE_FAILED, file.file_name))

    def _has(self, file: ManifestFile) -> bool:
        try:
            expected = expected_hash(self._profile, self._rules, file, self._key)
        except UpdateFailed:
            return False
        return self._find_kept(file.file_name, expected) is not None

    def _find_kept(self, file_name: str, expected: str) -> bytes | None:
        """The file's bytes from the builtin bundle or the cache, if their digest matches."""
        places = [self._state.cache_folder / name for name in cache_names(self._rules, file_name, expected)]
        if self._builtin is not None and self._rules.reuses_builtin:
            # iOS looks up the name as listed, so a compressed entry never matches there (PROTOCOL.md §5.4).
            name = file_name.removesuffix(BROTLI_SUFFIX) if self._profile.android else file_name
            places.insert(0, self._builtin / name)
        for place in places:
            if place.is_file():
                content = place.read_bytes()
                if hashlib.sha256(content).hexdigest() == expected:
                    return content
        return None

    async def _fetch(self, file: ManifestFile, partial: Path) -> None:
        """Download into `partial`. Raises _Lost, and leaves what arrived there."""
        offset = partial.stat().st_size if self._rules.resumes and partial.exists() else 0
        status = 0
        try:
            async with self._network.get(file.download_url, offset or None) as incoming:
                status = incoming.status
                if offset and status == 416:
                    return  # counts as complete; the digest decides
                if not self._accepts(status):
                    raise _Lost(f"HTTP error: {status}", status)
                await self._receive(incoming, file, partial, offset if status == 206 else 0)
        except TransferFailed as error:
            raise _Lost(str(error), 0) from error

    async def _receive(self, incoming: Incoming, file: ManifestFile, partial: Path, offset: int) -> None:
        total = None if incoming.length is None else incoming.length + offset
        with partial.open("ab" if offset else "wb") as content:
            async for chunk in incoming.chunks():
                content.write(chunk)
                self._on_progress(DownloadProgress("manifest", file.file_name, offset + incoming.received, total))

    def _accepts(self, status: int) -> bool:
        return status in (200, 206) if self._profile.android else 200 <= status < 300

    def _inner(self, file: ManifestFile, lost: _Lost) -> list[ReportedCause]:
        """Without any answer, Android sends only the outer report."""
        return [] if self._profile.android and not lost.status else [ReportedCause(FILE_FAILED, file.file_name)]

    def _causes(self, file: ManifestFile, *inner: ReportedCause) -> list[ReportedCause]:
        """On Android, an inner handler reports the last part of the path, and an outer one reports again (§5.4)."""
        if not self._profile.android:
            return list(inner)
        base = PurePosixPath(file.file_name).name.removesuffix(BROTLI_SUFFIX)
        return [*(cause._replace(subject=base) for cause in inner), ReportedCause(FILE_FAILED, file.file_name)]


def parallel_files(cores: int) -> int:
    """How many files a device with so many cores fetches at once."""
    return min(max(2 * cores, PARALLEL_FLOOR), PARALLEL_CEILING)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
