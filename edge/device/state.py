"""One device's storage: bundles by id, the one that runs, caches, unfinished files, pending reports.

One directory per device. `state.json` is replaced whole, so a killed process leaves the old or the new one.
"""

import enum
import shutil
from pathlib import Path
from typing import Any

import msgspec

STATE_FORMAT = 1
BUILTIN_ID = "builtin"
PENDING_REPORTS_LIMIT = 200  # PROTOCOL.md §4.1; the oldest are dropped
PARTIAL_LIFE_SECONDS = 3600.0  # unfinished manifest files, PROTOCOL.md §5.4


class BundleStatus(enum.Enum):
    """The status in a bundle's record."""

    DOWNLOADING = "downloading"
    PENDING = "pending"  # complete, never started
    SUCCESS = "success"  # called notifyAppReady
    ERROR = "error"  # the device ignores this version until the record is deleted


class InstalledBundle(msgspec.Struct):
    """A bundle's record; `id` names its folder."""

    id: str
    version: str
    status: BundleStatus
    checksum: str = ""


class _Document(msgspec.Struct):
    format: int = STATE_FORMAT
    current: str = BUILTIN_ID
    bundles: list[InstalledBundle] = []
    pending_reports: list[dict[str, Any]] = []
    channel: str = ""  # that the app chose, in releases that keep the choice here


class DeviceState:
    """Opened once per launch. Every change is on disk when the method returns."""

    def __init__(self, folder: Path) -> None:
        self.bundle_folder = folder / "versions"
        self.cache_folder = folder / "capgo_downloads"
        self.partial_folder = folder / "partial"
        for path in (self.bundle_folder, self.cache_folder, self.partial_folder):
            path.mkdir(parents=True, exist_ok=True)
        self._path = folder / "state.json"
        self._document = self._read()
        self._sweep()

    @property
    def current(self) -> InstalledBundle | None:
        """The bundle that runs, or None on builtin."""
        return next((b for b in self._document.bundles if b.id == self._document.current), None)

    @property
    def bundles(self) -> tuple[InstalledBundle, ...]:
        return tuple(self._document.bundles)

    def folder_of(self, bundle: InstalledBundle) -> Path:
        return self.bundle_folder / bundle.id

    def find(self, version: str) -> InstalledBundle | None:
        """The bundle of that version whose directory exists (PROTOCOL.md §1.8: the lookup lists directories)."""
        named = (b for b in self._document.bundles if b.version == version)
        return next((b for b in named if self.folder_of(b).is_dir()), None)

    def add(self, bundle: InstalledBundle) -> Path:
        """Register a bundle and create its empty folder."""
        self._document.bundles.append(bundle)
        folder = self.folder_of(bundle)
        folder.mkdir()
        self._write()
        return folder

    def mark(self, bundle: InstalledBundle, status: BundleStatus) -> None:
        bundle.status = status
        self._write()

    def run(self, bundle: InstalledBundle | None) -> None:
        """Make `bundle` (None: builtin) the one that runs."""
        self._document.current = bundle.id if bundle else BUILTIN_ID
        self._write()

    def delete(self, bundle: InstalledBundle) -> None:
        """Delete directory and record. The plugin keeps a tombstone, which its lookup by directory never sees."""
        shutil.rmtree(self.folder_of(bundle), ignore_errors=True)
        self._document.bundles.remove(bundle)
        self._write()

    @property
    def pending_reports(self) -> list[dict[str, Any]]:
        return list(self._document.pending_reports)

    def keep_reports(self, reports: list[dict[str, Any]]) -> None:
        """Replace the pending reports; beyond PENDING_REPORTS_LIMIT the oldest are dropped."""
        self._document.pending_reports = reports[-PENDING_REPORTS_LIMIT:]
        self._write()

    @property
    def channel(self) -> str:
        """The channel that the app chose, or empty."""
        return self._document.channel

    def choose(self, channel: str) -> None:
        self._document.channel = channel
        self._write()

    def drop_old_partials(self, now: float) -> None:
        """Delete unfinished files past PARTIAL_LIFE_SECONDS. `now` is in seconds since the epoch, as file times are."""
        for path in self.partial_folder.glob("partial_*.tmp"):
            if now - path.stat().st_mtime > PARTIAL_LIFE_SECONDS:
                path.unlink()

    def _sweep(self) -> None:
        # A launch killed during a download leaves a folder that no later one completes: ids are random per download.
        for bundle in [b for b in self._document.bundles if b.status is BundleStatus.DOWNLOADING]:
            self.delete(bundle)
        for pattern in ("temp_*.tmp", "update_*.dat"):
            for path in self.partial_folder.glob(pattern):
                path.unlink()

    def _read(self) -> _Document:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Document)
        except FileNotFoundError:
            return _Document(bundles=[], pending_reports=[])

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self._document))
        fresh.replace(self._path)
