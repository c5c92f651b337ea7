"""How an update ends without a bundle: the reports that the release sends, and what it leaves behind."""

from typing import NamedTuple


class ReportedCause(NamedTuple):
    """A report of the local cause. `subject` is a file of the manifest, or empty for the whole bundle."""

    action: str
    subject: str = ""


class UpdateFailed(Exception):
    """The bundle cannot be installed. `causes` are reported in order, before the `download_fail` of the whole update.

    `hangs`: the release reports nothing more and still assumes that a download is running (PROTOCOL.md §5.8).
    `downloaded`: all bytes arrived, and processing them failed.
    """

    def __init__(self, reason: str, *causes: ReportedCause, hangs: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.causes = causes
        self.hangs = hangs
        self.downloaded = False


class ProcessKilled(Exception):
    """The operating system killed the app: nothing more runs in this launch."""


class StillRetrying(Exception):
    """The release would keep retrying; the simulation stops watching."""
