"""How an update ends without a bundle: which reports the release sends for it, and what it leaves behind."""

from typing import NamedTuple


class ReportedCause(NamedTuple):
    """A report that names the local reason. `subject` is the file of a manifest, or empty for the whole bundle."""

    action: str
    subject: str = ""


class UpdateFailed(Exception):
    """The bundle cannot be installed. `causes` are reported in order, before the `download_fail` of the whole update.

    `hangs`: the release says nothing more and keeps believing that a download is running (plugin-capabilities §3).
    `downloaded`: the bytes were here, and what was made of them failed.
    """

    def __init__(self, reason: str, *causes: ReportedCause, hangs: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.causes = causes
        self.hangs = hangs
        self.downloaded = False


class ProcessKilled(Exception):
    """The operating system ended the app in the middle; nothing after this line runs in this launch."""


class StillRetrying(Exception):
    """The release would go on waiting and asking; the simulation's patience is over."""
