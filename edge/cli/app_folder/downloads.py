"""The form in which each plugin release downloads an update, from the capability table, and how releases are listed."""

import enum
from functools import partial

from edge.domain.model import Platform
from edge.domain.plugin import Sent
from edge.wire.plugins.capabilities import ranges_by
from edge.wire.plugins.forms import MANIFEST_ROWS, plugin_of

PLATFORMS = {Platform.ANDROID: "Android", Platform.IOS: "iOS"}


class DownloadForm(enum.Enum):
    """The value is how a person reads it."""

    PACKED = "in {files}"  # what changed, compressed
    PLAIN = "in {files}, not compressed"  # what changed, uncompressed: for releases that misname compressed files
    ZIP = "as a zip"


def download_form(platform: Platform, release: str, encrypted: bool = False) -> DownloadForm | None:
    """None: the release is offered no such bundle. Raises Invalid `invalid_plugin_version`."""
    plugin = plugin_of(platform, release)
    if not plugin.supported or (encrypted and not plugin.reads_v3):
        return None
    sent = plugin.manifest.sent
    if encrypted and not (sent is Sent.PACKED and plugin.manifest.encrypted):
        return DownloadForm.ZIP
    return {Sent.ZIP: DownloadForm.ZIP, Sent.PLAIN: DownloadForm.PLAIN, Sent.PACKED: DownloadForm.PACKED}[sent]


def releases_by_form(encrypted: bool) -> dict[DownloadForm, str]:
    """`Android 5.43.3-5.50.2, 6.39.0-6.51.21; iOS ...`, for every form that some release downloads."""
    found: dict[DownloadForm, list[str]] = {}
    for platform, word in PLATFORMS.items():
        ranges = ranges_by(MANIFEST_ROWS, platform, partial(download_form, platform, encrypted=encrypted))
        for form, releases in ranges.items():
            if form is not None:
                found.setdefault(form, []).append(f"{word} {', '.join(releases)}")
    return {form: "; ".join(found[form]) for form in DownloadForm if form in found}
