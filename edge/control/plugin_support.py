"""What the API answers to a publish beside the bundle: which plugin releases get its zip, and why."""

from collections.abc import Sequence

import msgspec

from edge.control.shapes.bundles import BundleChanged
from edge.domain.model import Bundle, FileEntry
from edge.wire.plugins.zip_notes import zip_notes


class ZipNoteView(msgspec.Struct, frozen=True, kw_only=True):
    """Releases that take single files, but not of this bundle.

    `releases` are ranges such as `6.14.28-6.42.3` and `8.49.5 and later`, `reason` is a stable code, `files` the first
    ones that are to blame, `message` a sentence for a person.
    """

    platform: str
    releases: list[str]
    reason: str
    files: list[str]
    message: str


class BundlePublished(BundleChanged, frozen=True, kw_only=True):
    """`zip_instead` is empty where every release that takes single files gets them."""

    zip_instead: list[ZipNoteView]


def view_zip_notes(bundle: Bundle, entries: Sequence[FileEntry]) -> list[ZipNoteView]:
    return [
        ZipNoteView(
            platform=note.platform.value,
            releases=list(note.releases),
            reason=note.why.value,
            files=list(note.files),
            message=note.message,
        )
        for note in zip_notes(bundle, entries)
    ]
