"""The answer about what changed between two bundles."""

from edge.control.shapes.common import AnswerBody
from edge.domain.decision.foresight.bundle_changes import FileFate


class FileGroupView(AnswerBody, frozen=True, kw_only=True):
    """How many files, and their bytes as they are stored: of those that are gone, in the older bundle."""

    files: int
    bytes: int


class FileChangeView(AnswerBody, frozen=True, kw_only=True):
    """A file by its name on devices. Sizes are in bytes as stored, null in a bundle without it; `download_bytes` is
    what a device that has the older bundle loads for it, and 0 for content that it has under another name."""

    name: str
    fate: FileFate
    was_bytes: int | None
    bytes: int | None
    download_bytes: int


class BundleChangesView(AnswerBody, frozen=True, kw_only=True):
    """From bundle `before` to `version`. A device that runs the one and takes single files downloads `download_bytes`
    for the other; any other device downloads `zip_bytes`. `files` are those that are not the same, most to download
    first; `more_files` are not listed."""

    app: str
    before: str
    version: str
    download_bytes: int
    zip_bytes: int
    added: FileGroupView
    changed: FileGroupView
    removed: FileGroupView
    same: FileGroupView
    files: list[FileChangeView]
    more_files: int
