"""The size of an update: the largest files, the changes since the previous version, and what each device downloads.

A device that runs the previous version has its files; by manifest, it downloads only content that it lacks.
"""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Any, NamedTuple

from edge.cli.app_folder.downloads import DownloadForm, releases_by_form
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.output import counted, size
from edge.domain.file_names import target_name
from edge.domain.model import FileEntry

LARGEST = 5
WIDTH = 80  # columns
SAME_FILES = "the same files"
NAMED = 3  # files printed per kind of change


class File(NamedTuple):
    """A file of a bundle's manifest, under the name that it has on a device."""

    name: str
    hash: str  # of the plain bytes
    bytes: int  # of the blob that is downloaded


class Changes(NamedTuple):
    """Names of files compared to the previous version."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


class Download(NamedTuple):
    """What the plugin releases `releases` download in one form."""

    form: str
    files: int
    bytes: int
    releases: str


class SizeReport(NamedTuple):
    """The report on one bundle, against the previous version."""

    largest: tuple[tuple[str, int], ...]  # names, plain bytes
    since: str | None  # the previous version, if any
    changes: Changes
    downloads: tuple[Download, ...]  # of a device on the previous version, or without any

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "largest": [{"name": name, "bytes": count} for name, count in self.largest],
            "since": self.since,
            "changes": self.changes._asdict() if self.since else None,
            "downloads": [each._asdict() for each in self.downloads],
        }

    def line(self) -> str:
        """What devices download, in one line without the releases."""
        weights = [each.bytes for each in self.downloads]
        least, most = size(min(weights)), size(max(weights))
        span = least if least == most else f"{least} to {most} by plugin release"
        on_top = f" on top of {self.since}" if self.since else ""
        return f"download{on_top}: {span}; --sizes has details"

    def lines(self) -> list[str]:
        told = [f"largest: {', '.join(f'{name} {size(count)}' for name, count in self.largest)}"]
        if self.since is not None:
            told.append(f"since {self.since}: {_told_changes(self.changes)}")
        told.append(f"to download{f' on top of {self.since}' if self.since else ''}:")
        for each in self.downloads:
            told.append(f"  {each.form}")
            told += wrap(each.releases, WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
        return told

    @property
    def warning(self) -> str:
        """A sentence if a device on the previous version gets nothing new, else empty."""
        same = self.since is not None and not any(self.changes)
        return f"it has the same files as {self.since}" if same else ""


class Before(NamedTuple):
    """The bundle that an update starts from."""

    version: str
    files: tuple[File, ...]


def find_before(client: ControlClient, app: str, version: str, channel: str | None) -> Before | None:
    """What the channel offers before the publish, or without a channel the newest version; never `version` itself."""
    if channel is not None:
        found = client.get(app_path(app, "channels", channel))["bundle"]
    else:
        found = next((each["version"] for each in client.get(app_path(app, "bundles"))), None)
    if found in (None, "builtin", version):
        return None
    return Before(found, listed_entries(client.get(app_path(app, "bundles", found))["entries"]))


def listed_entries(entries: Iterable[Mapping[str, Any]]) -> tuple[File, ...]:
    """Of a bundle as the control API returns it."""
    return tuple(File(target_name(each["name"]), each["hash"], each["bytes"]) for each in entries)


def listed_files(entries: Iterable[FileEntry]) -> tuple[File, ...]:
    """Of a bundle packed here."""
    return tuple(File(target_name(entry.name), entry.hash, entry.bytes) for entry in entries)


def build_report(
    files: Sequence[File], plain_sizes: Mapping[str, int], zip_bytes: int, encrypted: bool, before: Before | None
) -> SizeReport:
    """`plain_sizes` are the files' sizes in bytes, by name."""
    held = {file.hash for file in before.files} if before else set()
    fetched = {file.hash: file for file in files if file.hash not in held}.values()
    weights = {
        DownloadForm.PACKED: sum(file.bytes for file in fetched),
        DownloadForm.PLAIN: sum(plain_sizes[file.name] for file in fetched),
        DownloadForm.ZIP: zip_bytes,
    }
    return SizeReport(
        largest=tuple(sorted(plain_sizes.items(), key=lambda each: (-each[1], each[0]))[:LARGEST]),
        since=before.version if before else None,
        changes=_changes(files, before.files if before else ()),
        downloads=tuple(
            _download(form, weights[form], len(fetched), releases)
            for form, releases in releases_by_form(encrypted).items()
        ),
    )


def _changes(files: Sequence[File], before: Sequence[File]) -> Changes:
    old = {file.name: file.hash for file in before}
    new = {file.name: file.hash for file in files}
    return Changes(
        new=tuple(name for name in new if name not in old),
        changed=tuple(name for name, found in new.items() if old.get(name, found) != found),
        removed=tuple(name for name in old if name not in new),
    )


def _download(form: DownloadForm, weight: int, files: int, releases: str) -> Download:
    count = 1 if form is DownloadForm.ZIP else files
    if not count:
        return Download("nothing", 0, 0, releases)
    return Download(f"{size(weight)} {form.value.format(files=counted(files, 'file'))}", count, weight, releases)


def _told_changes(changes: Changes) -> str:
    told = [
        f"{len(names)} {kind} ({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''})"
        for kind, names in changes._asdict().items()
        if names
    ]
    return ", ".join(told) or SAME_FILES
