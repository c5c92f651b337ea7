"""In which form each plugin release downloads an update, from the capability table, and how releases are named."""

import enum
from itertools import groupby

from edge.domain.model import Platform
from edge.wire.capabilities import NEWEST_PLUGIN, capability, parse_plugin_version, stretches
from edge.wire.plugins import OLDEST_SUPPORTED_MAJOR

PLATFORMS = {Platform.ANDROID: "Android", Platform.IOS: "iOS"}
_ROWS = ("manifest_to_send", "manifest_network_failure_ignored", "manifest_encryption", "encryption")


class DownloadForm(enum.Enum):
    """The value says how a person hears of it."""

    PACKED = "in {files}"  # what changed, compressed
    PLAIN = "in {files}, not compressed"  # what changed, as it is: for releases that misname compressed files
    ZIP = "as a zip"


def download_form(platform: Platform, release: str, encrypted: bool = False) -> DownloadForm | None:
    """None: the release is not offered such a bundle. Raises Invalid `invalid_plugin_version`."""
    if parse_plugin_version(release).major < OLDEST_SUPPORTED_MAJOR:
        return None
    if encrypted and capability("encryption", platform, release) != "v3":
        return None
    sent = capability("manifest_to_send", platform, release)
    if sent == "none" or (encrypted and capability("manifest_encryption", platform, release) != "v3"):
        return DownloadForm.ZIP
    # Such an iOS release would install a bundle with holes where files were lost (plugin-capabilities §2).
    if platform is Platform.IOS and capability("manifest_network_failure_ignored", platform, release) == "yes":
        return DownloadForm.ZIP
    if sent == "plain_names":
        return DownloadForm.ZIP if encrypted else DownloadForm.PLAIN
    return DownloadForm.PACKED


def releases_by_form(encrypted: bool) -> dict[DownloadForm, str]:
    """`Android 5.43.3-5.50.2, 6.39.0-6.51.21; iOS ...`, of every form that some release downloads."""
    found: dict[DownloadForm, list[str]] = {}
    for platform, word in PLATFORMS.items():
        for form, ranges in _ranges(platform, encrypted).items():
            found.setdefault(form, []).append(f"{word} {', '.join(ranges)}")
    return {form: "; ".join(found[form]) for form in DownloadForm if form in found}


def _ranges(platform: Platform, encrypted: bool) -> dict[DownloadForm, list[str]]:
    """Neighbours of one major line are joined."""
    asked = [(download_form(platform, first, encrypted), first, last) for first, last in stretches(_ROWS, platform)]
    found: dict[DownloadForm, list[str]] = {}
    for (form, _), group in groupby(asked, key=lambda each: (each[0], parse_plugin_version(each[1]).major)):
        joined = list(group)
        first, last = joined[0][1], joined[-1][2]
        if form is not None:
            found.setdefault(form, []).append(_stretch(first, last))
    return found


def _stretch(first: str, last: str) -> str:
    if last == NEWEST_PLUGIN:
        return f"{first} and later"
    return first if first == last else f"{first}-{last}"
