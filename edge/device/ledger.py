"""The record of one update: every request, byte, second, reused file, report and event, in order."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class LedgerRequest(NamedTuple):
    """`status` 0: no answer. Byte counts are of bodies, as the device's HTTP stack delivers them."""

    method: str
    url: str
    status: int
    range: str  # the Range header sent, or ""
    sent_bytes: int
    received_bytes: int
    seconds: float
    body: str = ""  # what was posted
    cause: str = ""  # why there was no whole answer


class DownloadProgress(NamedTuple):
    """One step of a download, for a progress bar. `total_bytes` None: unknown."""

    phase: str  # "zip" or "manifest"
    name: str  # the version, or the file of a manifest
    done_bytes: int
    total_bytes: int | None


ProgressListener = Callable[[DownloadProgress], None]


class UpdateResult(enum.Enum):
    """How an update cycle ended."""

    UPDATED = "updated"
    ROLLED_BACK = "rolled_back"  # installed, never called notifyAppReady, removed again
    UP_TO_DATE = "up_to_date"
    BLOCKED = "blocked"
    REVERTED = "reverted"
    FAILED = "failed"
    SKIPPED = "skipped"  # no request: rate limited, or an earlier download seems to be running
    KILLED = "killed"  # the app was killed; start a new Device
    WAITING = "waiting"  # the release keeps retrying without end; nothing is reported


@dataclass(slots=True)
class Ledger:
    """Filled while an update runs."""

    requests: list[LedgerRequest] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)  # file names of the manifest that were not fetched
    reports: list[dict[str, Any]] = field(default_factory=list)  # statistics that the server accepted, as sent
    events: list[str] = field(default_factory=list)  # events raised for the app's own code
    waits: list[float] = field(default_factory=list)  # seconds between retries

    @property
    def received_bytes(self) -> int:
        return sum(request.received_bytes for request in self.requests)

    @property
    def sent_bytes(self) -> int:
        return sum(request.sent_bytes for request in self.requests)

    @property
    def actions(self) -> list[str]:
        """The reports' actions, in the order the server accepted them."""
        return [report["action"] for report in self.reports]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOutcome:
    """The end of an update cycle; `seconds` is how long it took."""

    result: UpdateResult
    reason: str
    version: str  # that runs now; the native version on builtin
    folder: Path | None  # of its files; None on builtin without a given folder
    seconds: float
    ledger: Ledger
