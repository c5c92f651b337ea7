"""Which plugin releases get a bundle as a zip although they take manifests, and why; reported when it is published.

Computed from the capability table, release by release, with the rules that answer devices.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from edge.domain.file_names import (
    BROTLI_SUFFIX,
    PART_LIMIT_ANDROID_BYTES,
    PART_LIMIT_IOS_BYTES,
    last_part,
    name_facts,
    target_name,
)
from edge.domain.forms.manifest_forms import WhyZip, why_zip
from edge.domain.model import Bundle, FileEntry, Platform
from edge.domain.plugin import Sent
from edge.wire.plugins.capabilities import ranges_by
from edge.wire.plugins.forms import MANIFEST_ROWS, plugin_of

SHOWN_NAME_LIMIT = 60  # characters of a file's name in a message

_LIMITS = {Platform.ANDROID: PART_LIMIT_ANDROID_BYTES, Platform.IOS: PART_LIMIT_IOS_BYTES}
_WORDS = {Platform.ANDROID: "Android", Platform.IOS: "iOS"}


class ZipNote(NamedTuple):
    """Releases of one platform that get a bundle as its zip for one reason."""

    platform: Platform
    releases: tuple[str, ...]  # ranges like "6.14.28-6.42.3", in order
    why: WhyZip
    files: tuple[str, ...]  # the first ones that cause it, as devices write them; empty: none in particular

    @property
    def message(self) -> str:
        """One sentence for a person."""
        releases = f"{_WORDS[self.platform]} {', '.join(self.releases)}"
        return f"zip instead of single files for {releases}: {_reason(self)}"


def zip_notes(bundle: Bundle, entries: Sequence[FileEntry]) -> list[ZipNote]:
    """`entries` are those of the bundle's manifest. Empty for a bundle without one, which goes as a zip everywhere."""
    if bundle.manifest is None:
        return []
    if bundle.names is None:  # published by an older node
        bundle = replace(bundle, names=name_facts((entry.name, entry.hash) for entry in entries))
    found = {platform: ranges_by(MANIFEST_ROWS, platform, partial(_why, bundle, platform)) for platform in _WORDS}
    return [
        ZipNote(platform, found[platform][why], why, _files(why, entries))
        for why in WhyZip
        for platform in _WORDS
        if why in found[platform]
    ]


def _why(bundle: Bundle, platform: Platform, release: str) -> WhyZip | None:
    plugin = plugin_of(platform, release)
    is_offered = plugin.supported and (bundle.encryption is None or plugin.reads_v3)
    return why_zip(bundle, plugin.manifest) if is_offered and plugin.manifest.sent is not Sent.ZIP else None


def _files(why: WhyZip, entries: Sequence[FileEntry]) -> tuple[str, ...]:
    names = [(target_name(entry.name), entry.hash) for entry in entries]
    match why:
        case WhyZip.SAME_NAME:
            return _first_alike([(last_part(name), name) for name, _ in names])
        case WhyZip.SAME_NAME_AND_CONTENT:
            return _first_alike([(last_part(name) + plain_hash, name) for name, plain_hash in names])
        case WhyZip.LONG_NAME:
            return (max((name for name, _ in names), key=lambda name: len(last_part(name).encode())),)
        case WhyZip.PLAIN_FILES:
            return tuple(name for name, _ in names if name.endswith(BROTLI_SUFFIX))[:1]
        case WhyZip.ENCRYPTED | WhyZip.UNKNOWN_FILES:
            return ()


def _first_alike(keyed: list[tuple[str, str]]) -> tuple[str, ...]:
    """The first two names with one key."""
    seen: dict[str, str] = {}
    return next(((seen[key], name) for key, name in keyed if seen.setdefault(key, name) != name), ())


def _reason(note: ZipNote) -> str:
    files, limit = note.files, _LIMITS[note.platform]
    match note.why, [_short(name) for name in files]:
        case WhyZip.SAME_NAME, [one, other]:
            return f"two files are called {_short(last_part(files[0]))} ({one}, {other})"
        case WhyZip.SAME_NAME_AND_CONTENT, [one, other]:
            return f"two equal files are called {_short(last_part(files[0]))} ({one}, {other})"
        case WhyZip.LONG_NAME, [name]:
            return (
                f"the name of {name} has {len(last_part(files[0]).encode())} bytes; every release takes up to {limit}"
            )
        case WhyZip.PLAIN_FILES, [name]:
            return f"they take no packed files, and would unpack {name}, whose own name ends in {BROTLI_SUFFIX}"
        case WhyZip.PLAIN_FILES, _:
            return "they take no packed files, and the store has no plain ones; publish the same files again"
        case WhyZip.ENCRYPTED, _:
            return "they take no packed files, and an encrypted bundle has no others"
    return "its files are not known"


def _short(name: str) -> str:
    return (
        name if len(name) <= SHOWN_NAME_LIMIT else f"{name[: SHOWN_NAME_LIMIT // 2]}…{name[-SHOWN_NAME_LIMIT // 2 :]}"
    )
