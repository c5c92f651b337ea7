"""Fetching a bundle's zip as a release does: where it resumes, what it appends by mistake, what it retries without end.

PROTOCOL.md §5.2, §5.3, §11.3, §11.6. Checking the bytes is `zip_install`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edge.device.behaviours import ZipResume
from edge.device.failure import StillRetrying, UpdateFailed
from edge.device.ledger import DownloadProgress, Ledger, ProgressListener
from edge.device.network import BodyBroken, DeviceNetwork, Incoming, Offline, TransferFailed
from edge.device.profile import Profile
from edge.device.setup import Sleep

RETRY_STEP_SECONDS = 10.0  # waits are 10, 20, 30 ... seconds, PROTOCOL.md §5.2
_NUMERIC_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class _Retry(Exception):
    """The release retries after a pause."""


@dataclass(frozen=True, slots=True)
class Partial:
    """Received bytes, and next to them the version that they belong to."""

    bytes_path: Path
    version_path: Path

    def offset(self, version: str) -> int:
        """How many bytes of `version` there are. Those of another version are deleted; the content is never checked."""
        try:
            if self.version_path.read_text() == version:
                return self.bytes_path.stat().st_size
        except FileNotFoundError:
            pass
        self.remove()
        self.version_path.write_text(version)
        return 0

    def remove(self) -> None:
        self.bytes_path.unlink(missing_ok=True)
        self.version_path.unlink(missing_ok=True)


class ZipDownloader:
    """Downloads one zip."""

    def __init__(
        self,
        profile: Profile,
        network: DeviceNetwork,
        ledger: Ledger,
        folder: Path,
        *,
        sleep: Sleep,
        patience_seconds: float,
        on_progress: ProgressListener,
    ) -> None:
        """`folder` survives launches. A release that retries without end is watched for `patience_seconds`."""
        self._profile = profile
        self._network = network
        self._ledger = ledger
        self._folder = folder
        self._sleep = sleep
        self._patience_seconds = patience_seconds
        self._on_progress = on_progress

    async def download(self, url: str, version: str, download_id: str) -> Path:
        """The finished file, as received. Raises UpdateFailed, StillRetrying, ProcessKilled.

        `download_id` is random per download, so only releases with a shared partial file find earlier bytes.
        """
        partial = self._partial(download_id)
        if self._profile.zip_resume is ZipResume.NONE:
            partial.remove()
        await self._until_complete(url, version, partial)
        complete = self._folder / f"{download_id}.zip"
        partial.bytes_path.replace(complete)
        partial.remove()
        return complete

    def _partial(self, download_id: str) -> Partial:
        if self._profile.zip_resume is ZipResume.ACROSS_LAUNCHES:
            return Partial(self._folder / "package.tmp", self._folder / "update.dat")
        return Partial(self._folder / f"temp_{download_id}.tmp", self._folder / f"update_{download_id}.dat")

    async def _until_complete(self, url: str, version: str, partial: Partial) -> None:
        """One job: attempts until all bytes have arrived or the job fails."""
        wait, waited = RETRY_STEP_SECONDS, 0.0
        while True:
            try:
                return await self._attempt(url, version, partial)
            except Offline as error:
                if not self._profile.android:
                    raise UpdateFailed(str(error)) from error
                # WorkManager reruns the job under the same id when its network constraint holds again.
                if self._profile.zip_resume is ZipResume.NONE:
                    partial.remove()
            except _Retry as error:
                if waited + wait > self._patience_seconds:
                    raise StillRetrying(str(error)) from error
                self._ledger.waits.append(wait)
                await self._sleep(wait)
                waited, wait = waited + wait, wait + RETRY_STEP_SECONDS
            except TransferFailed as error:
                raise UpdateFailed(str(error)) from error

    async def _attempt(self, url: str, version: str, partial: Partial) -> None:
        offset = partial.offset(version)
        async with self._network.get(url, self._range_from(offset), zip_client=True) as incoming:
            self._check_status(incoming, offset)
            if incoming.status == 200 and offset and not self._appends_on_200():
                offset = 0
            with partial.bytes_path.open("r+b" if offset else "wb") as file:
                file.seek(offset)
                await self._receive(incoming, version, offset, file)

    async def _receive(self, incoming: Incoming, version: str, offset: int, file: BinaryIO) -> None:
        total = None if incoming.length is None else incoming.length + offset
        try:
            async for chunk in incoming.chunks():
                file.write(chunk)
                self._on_progress(DownloadProgress("zip", version, offset + incoming.received, total))
        except BodyBroken as error:
            if self._profile.zip_retries:
                raise _Retry(str(error)) from error
            raise

    def _range_from(self, offset: int) -> int | None:
        asks_always = not self._profile.android and self._profile.zip_resume in (
            ZipResume.NONE_BUT_RANGE_FROM_0,
            ZipResume.ACROSS_LAUNCHES,
        )
        return offset if offset or asks_always else None

    def _appends_on_200(self) -> bool:
        return self._profile.zip_resume in (ZipResume.ACROSS_LAUNCHES, ZipResume.SAME_JOB_APPEND)

    def _check_status(self, incoming: Incoming, offset: int) -> None:
        """Raises UpdateFailed or _Retry unless the body can be written: at `offset`, or for a 200 at 0."""
        status = incoming.status
        accepted = status in (200, 206) if self._profile.android else 200 <= status < 300
        if self._profile.zip_retries:
            if status in (408, 429) or status >= 500:
                raise _Retry(f"HTTP error: {status}")
            if status == 206 and not _continues(incoming.content_range, offset):
                raise _Retry(f"bad Content-Range: {incoming.content_range!r}")
        if not accepted:
            raise UpdateFailed(f"HTTP error: {status}")


def _continues(content_range: str, offset: int) -> bool:
    match = _NUMERIC_RANGE.fullmatch(content_range)
    return match is not None and int(match[1]) == offset
