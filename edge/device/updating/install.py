"""From an offered update to a registered bundle: by zip or manifest, with the reports, and what a failure leaves.

PROTOCOL.md §1.8 (which failures leave a record), §4.3 (phase and progress reports), §5.1 (which mode).
"""

import asyncio
import hashlib
from pathlib import Path

from edge.device.behaviours import EncryptionForm
from edge.device.failure import ReportedCause, StillRetrying, UpdateFailed
from edge.device.ledger import DownloadProgress, Ledger, ProgressListener
from edge.device.network import DeviceNetwork
from edge.device.profile import ManifestProfile, Profile
from edge.device.reports import Reporter
from edge.device.setup import Sleep
from edge.device.state import BundleStatus, DeviceState, InstalledBundle
from edge.device.updating.answer import UpdateFound
from edge.device.updating.crypto import DeviceKey, Undecryptable, split_session_key
from edge.device.updating.manifest_download import ManifestDownloader
from edge.device.updating.manifest_files import cache_names, fits_cache
from edge.device.updating.zip_download import ZipDownloader
from edge.device.updating.zip_install import install_zip

IOS_DOWNLOADED_PERCENT = 70  # of a zip; iOS reports nothing between 0 and this (PROTOCOL.md §5.3)
ANDROID_FIRST_PERCENT = 10  # for the first bytes
ANDROID_FETCHED_PERCENT = 70  # all bytes received; later steps continue from here
ANDROID_VERIFIED_PERCENT = 75  # of a zip: unpacking fills the range from here to the next
ANDROID_UNPACKED_PERCENT = 90  # and beyond, if the zip is small compared to the read buffer (§4.5)


class Deciles:
    """`download_10`, `download_20`: each ten percent once on Android, on iOS only when hit exactly (PROTOCOL.md §4.3).

    Android starts at 10 and may end above 100; exactly 100 counts as complete, before the bundle is unpacked (§4.5).
    """

    def __init__(self, profile: Profile, reporter: Reporter, version: str) -> None:
        self._every = profile.android
        self._reporter = reporter
        self._version = version
        self._next = ANDROID_FIRST_PERCENT if profile.android else 0

    def reach(self, percent: int) -> None:
        tens = percent // 10 * 10
        if tens < self._next or (not self._every and (percent % 10 or percent >= 100)):
            return
        self._next = tens + 10
        self._reporter.report("download_complete" if percent == 100 else f"download_{tens}", self._version)

    def reach_fetched(self, done: int, total: int) -> None:
        """`done` of `total` bytes of a zip, or files of a manifest, have arrived."""
        percent = done * 100 // total
        self.reach(min(max(percent, ANDROID_FIRST_PERCENT), ANDROID_FETCHED_PERCENT) if self._every else percent)

    def reach_unpacked(self, done_bytes: int, total_bytes: int) -> None:
        """`done_bytes` of a zip's `total_bytes` are unpacked; on Android."""
        part = ANDROID_UNPACKED_PERCENT - ANDROID_VERIFIED_PERCENT
        self.reach(ANDROID_VERIFIED_PERCENT + part * (done_bytes * 100 // total_bytes) // 100)


class Installer:
    """Downloads and installs one update."""

    def __init__(
        self,
        profile: Profile,
        state: DeviceState,
        network: DeviceNetwork,
        ledger: Ledger,
        reporter: Reporter,
        *,
        key: DeviceKey | None,
        builtin: Path | None,
        sleep: Sleep,
        patience_seconds: float,
        on_progress: ProgressListener,
    ) -> None:
        self._profile = profile
        self._state = state
        self._network = network
        self._ledger = ledger
        self._reporter = reporter
        self._key = key
        self._builtin = builtin
        self._sleep = sleep
        self._patience_seconds = patience_seconds
        self._on_progress = on_progress

    async def install(self, update: UpdateFound, bundle_id: str) -> InstalledBundle:
        """Download and verify the bundle; never falls back from a manifest to the zip. Raises UpdateFailed,
        StillRetrying, ProcessKilled.
        """
        bundle = InstalledBundle(bundle_id, update.version, BundleStatus.DOWNLOADING, update.checksum)
        folder = self._state.add(bundle)
        deciles = Deciles(self._profile, self._reporter, update.version)
        try:
            if update.manifest is not None and self._profile.manifest is not None:
                await self._from_manifest(update, self._profile.manifest, folder, deciles)
            else:
                await self._from_zip(update, bundle_id, folder, deciles)
        except UpdateFailed as error:
            self._leave(bundle, update, error)
            raise
        except StillRetrying:
            self._state.delete(bundle)
            raise
        self._reporter.report("download_complete", update.version)
        self._state.mark(bundle, BundleStatus.PENDING)
        return bundle

    def _leave(self, bundle: InstalledBundle, update: UpdateFound, error: UpdateFailed) -> None:
        """A failed manifest leaves an ERROR record on iOS; other failures leave nothing (PROTOCOL.md §1.8)."""
        if update.manifest is not None and not self._profile.android:
            self._state.mark(bundle, BundleStatus.ERROR)
            return
        self._state.delete(bundle)
        if self._profile.android and error.downloaded and not error.hangs:
            self._reporter.report("delete", update.version)

    async def _from_zip(self, update: UpdateFound, bundle_id: str, folder: Path, deciles: Deciles) -> None:
        self._report_phase("download_zip_start", update)
        deciles.reach(0)
        downloader = ZipDownloader(
            self._profile,
            self._network,
            self._ledger,
            self._state.partial_folder,
            sleep=self._sleep,
            patience_seconds=self._patience_seconds,
            on_progress=lambda progress: self._take_progress(progress, deciles),
        )
        archive = await downloader.download(update.url, update.version, bundle_id)
        deciles.reach(ANDROID_FETCHED_PERCENT if self._profile.android else IOS_DOWNLOADED_PERCENT)
        self._report_phase("download_zip_complete", update)
        try:
            for unpacked_bytes, total_bytes in await asyncio.to_thread(
                install_zip,
                self._profile,
                archive,
                folder,
                checksum=update.checksum,
                session_key=update.session_key,
                key=self._key,
            ):
                deciles.reach_unpacked(unpacked_bytes, total_bytes)
            if self._profile.android:
                deciles.reach(ANDROID_UNPACKED_PERCENT)
            await asyncio.to_thread(self._keep_files, folder)
        except UpdateFailed as error:
            error.downloaded = True
            raise
        finally:
            archive.unlink(missing_ok=True)

    def _keep_files(self, folder: Path) -> None:
        """Fill the cache from the zip, in releases that do, so that later manifests need not fetch those files."""
        rules = self._profile.manifest
        if rules is None or not rules.cache_without_br:
            return
        for file in (path for path in folder.rglob("*") if path.is_file()):
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            if fits_cache(rules, file.name):
                (self._state.cache_folder / cache_names(rules, file.name, digest)[0]).write_bytes(content)

    def _take_progress(self, progress: DownloadProgress, deciles: Deciles) -> None:
        self._on_progress(progress)
        if self._profile.android and progress.total_bytes:
            deciles.reach_fetched(progress.done_bytes, progress.total_bytes)

    async def _from_manifest(self, update: UpdateFound, rules: ManifestProfile, folder: Path, deciles: Deciles) -> None:
        key = self._manifest_key(update, rules)
        self._report_phase("download_manifest_start", update)
        deciles.reach(0)
        downloader = ManifestDownloader(
            self._profile,
            rules,
            self._network,
            self._ledger,
            self._state,
            builtin=self._builtin,
            key=key,
            on_progress=self._on_progress,
            on_file=deciles.reach_fetched,
        )
        await downloader.download(update, folder)
        self._report_phase("download_manifest_complete", update)
        if self._profile.android:
            deciles.reach(ANDROID_UNPACKED_PERCENT)

    def _manifest_key(self, update: UpdateFound, rules: ManifestProfile) -> DeviceKey | None:
        """The key for an encrypted manifest, None for a plain one. Raises UpdateFailed for one that cannot be read."""
        if self._key is None:
            return None
        if not update.session_key:
            if rules.plain_with_key:
                return None
            action = "session_key_required" if self._profile.refuses_unverifiable else "checksum_fail"
            raise self._withheld("not encrypted for this device's key", action)
        try:
            split_session_key(update.session_key)
            if rules.top_level_checksum_must_decrypt:
                self._key.digest(update.checksum)
        except Undecryptable as error:
            action = "session_key_required" if self._profile.refuses_unverifiable else "decrypt_fail"
            raise self._withheld(str(error), action) from error
        if rules.encryption is EncryptionForm.UNUSABLE:
            raise UpdateFailed("this release reads no encrypted manifest", ReportedCause("decrypt_fail"))
        return self._key

    def _withheld(self, reason: str, action: str) -> UpdateFailed:
        hangs = self._profile.android and self._profile.refuses_unverifiable
        return UpdateFailed(reason, ReportedCause(action), hangs=hangs)

    def _report_phase(self, action: str, update: UpdateFound) -> None:
        if self._profile.reports_phases:
            self._reporter.report_download(action, update.version)
