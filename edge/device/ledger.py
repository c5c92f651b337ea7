"""What one update cost and caused: every request, byte, second, reused file, report and event, in order."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class LedgerRequest(NamedTuple):
    """`status` 0: no answer came. Bytes are those of the bodies, as the HTTP stack of the device hands them over."""

    method: str
    url: str
    status: int
    range: str  # the Range header sent, or ""
    sent_bytes: int
    received_bytes: int
    seconds: float
    body: str = ""  # what was posted


class DownloadProgress(NamedTuple):
    """One step for whoever draws a bar. `total_bytes` None: the server did not say."""

    phase: str  # "zip" or "manifest"
    name: str  # the version, or the file of a manifest
    done_bytes: int
    total_bytes: int | None


ProgressListener = Callable[[DownloadProgress], None]


class UpdateResult(enum.Enum):
    UPDATED = "updated"
    ROLLED_BACK = "rolled_back"  # installed, never called notifyAppReady, removed again
    UP_TO_DATE = "up_to_date"
    BLOCKED = "blocked"
    REVERTED = "reverted"
    FAILED = "failed"
    SKIPPED = "skipped"  # nothing was asked: rate limited, or an earlier download is thought to run
    KILLED = "killed"  # the app died in the middle; start a new Device
    WAITING = "waiting"  # the release goes on retrying for ever; nothing is reported


@dataclass(slots=True)
class Ledger:
    """Filled while an update runs."""

    requests: list[LedgerRequest] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)  # file names of the manifest that were not fetched
    reports: list[dict[str, Any]] = field(default_factory=list)  # statistics the server took, as sent
    events: list[str] = field(default_factory=list)  # what the app's own code was told
    waits: list[float] = field(default_factory=list)  # seconds between retries

    @property
    def received_bytes(self) -> int:
        return sum(request.received_bytes for request in self.requests)

    @property
    def sent_bytes(self) -> int:
        return sum(request.sent_bytes for request in self.requests)

    @property
    def actions(self) -> list[str]:
        """The reports' actions, in the order the server took them."""
        return [report["action"] for report in self.reports]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOutcome:
    result: UpdateResult
    reason: str
    version: str  # what runs now; the native version on builtin
    folder: Path | None  # where its files are; None on a builtin nobody gave a folder for
    seconds: float
    ledger: Ledger
