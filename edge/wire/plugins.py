"""From a plugin release to what the node does with it: what it can take (`plugin_of`), what to send it (`form_of`).

Every answer comes from the capability table (plugin-capabilities §2 to §7); this file only says which rows decide what.
"""

import enum
from functools import lru_cache
from typing import Literal, NamedTuple

from edge.domain.model import PlainWithKey, Platform, Plugin
from edge.wire.capabilities import capability, is_family, is_unknown_release, parse_plugin_version, platform_of

# About 1,000 releases exist and a fleet runs some dozens of them. Devices choose the string (at most 128 characters),
# so all caches together stay below 15 MB whatever is sent.
RELEASE_CACHE_LIMIT = 4096

OLDEST_SUPPORTED_MAJOR = 5  # device-protocol §1.4, rule 11

Checksum = Literal["sha256", "crc32", "none"]


class Generation(enum.Enum):
    """How a release reads an answer that offers nothing (device-protocol §10)."""

    G0 = "G0"
    G1 = "G1"
    G2 = "G2"
    G3 = "G3"
    ELECTRON = "electron"  # a package of its own, beside the generations (plugin-capabilities §11)

    def __init__(self, name: str) -> None:
        self.hears_reasons = name in ("G3", "electron")  # the others take every word of a reason for a failure


class ZipEnd(enum.Enum):
    """What a zip request gets whose range starts at or past the end (plugin-capabilities §6)."""

    EMPTY = "empty"  # 206 with an empty body and `Content-Range: bytes */N`
    WHOLE = "whole"  # 200 with the whole body
    REFUSE = "refuse"  # 416


class Form(NamedTuple):
    """What to send to one release. Releases with equal forms get equal bytes for one bundle."""

    generation: Generation
    checksum: Checksum  # what goes with an unencrypted zip; "none": the empty string
    manifest: bool
    metadata: bool  # link and comment
    zip_end: ZipEnd
    encrypted_manifest: bool  # of an encrypted bundle too; else such a one goes as its zip


def is_electron(platform: Platform, plugin_version: str) -> bool:
    """Whether the Electron package asks, a family of its own: its first releases call their platform Android."""
    return platform_of(platform, plugin_version) is Platform.ELECTRON


@lru_cache(RELEASE_CACHE_LIMIT)
def asker_of(said: Platform, plugin_version: str) -> tuple[Platform, Plugin]:
    """Who asks: the platform it is of, whatever it says, and its release. Raises Invalid `invalid_plugin_version`."""
    platform = platform_of(said, plugin_version)
    return platform, plugin_of(platform, plugin_version)


@lru_cache(RELEASE_CACHE_LIMIT)
def plugin_of(platform: Platform, plugin_version: str) -> Plugin:
    """What the decision needs to know of a release. Raises Invalid `invalid_plugin_version`."""
    form = form_of(platform, plugin_version)
    return Plugin(
        version=plugin_version,
        supported=is_family(platform) or parse_plugin_version(plugin_version).major >= OLDEST_SUPPORTED_MAJOR,
        reads_v3=capability("encryption", platform, plugin_version) == "v3",
        plain_with_key=_plain_with_key(platform, plugin_version, form),
        reverts_to_builtin=capability("revert_to_builtin", platform, plugin_version) == "yes",
        keeps_choice=capability("channel_choice_kept_on_device", platform, plugin_version) == "yes",
        listed=not is_unknown_release(platform, plugin_version),
        sends_key_id=capability("sends_key_id_characters", platform, plugin_version) != "0",
    )


@lru_cache(RELEASE_CACHE_LIMIT)
def form_of(platform: Platform, plugin_version: str) -> Form:
    """What to send to a release. Raises Invalid `invalid_plugin_version`."""
    manifest = _takes_manifest(platform, plugin_version)
    return Form(
        generation=Generation(capability("answer_generation", platform, plugin_version)),
        checksum=_checksum(platform, plugin_version),
        manifest=manifest,
        metadata=capability("reads_link_and_comment", platform, plugin_version) == "yes",
        zip_end=_zip_end(platform, plugin_version),
        encrypted_manifest=manifest and capability("manifest_encryption", platform, plugin_version) == "v3",
    )


def _checksum(platform: Platform, plugin_version: str) -> Checksum:
    match capability("zip_checksum_plain", platform, plugin_version):
        case "sha256" | "sha256_required":
            return "sha256"
        case "crc32":
            return "crc32"
        case "not_verified" | "any_value_refused":
            return "none"
        case unknown:
            raise AssertionError(f"zip_checksum_plain {unknown!r}")


def _takes_manifest(platform: Platform, plugin_version: str) -> bool:
    names = capability("manifest_to_send", platform, plugin_version)
    if platform is not Platform.IOS:
        return names != "none"
    # An iOS release that ignores a lost file would install a bundle with holes: zip only (plugin-capabilities §2).
    safe = capability("manifest_network_failure_ignored", platform, plugin_version) == "no"
    return safe and names != "none"


def _zip_end(platform: Platform, plugin_version: str) -> ZipEnd:
    resume = capability("zip_resume", platform, plugin_version)
    if resume.endswith("restart_on_200"):
        return ZipEnd.WHOLE  # new Android asks again for ever on `bytes */N`; both platforms start over on 200
    if platform is Platform.ANDROID or resume == "across_launches_append_on_200":
        # The partial file is already whole: any body would be appended, any error would end the update.
        return ZipEnd.EMPTY
    # Without a partial file they ask for `bytes=0-` at most: only a stranger comes past the end, so plain HTTP.
    return ZipEnd.REFUSE


def _plain_with_key(platform: Platform, plugin_version: str, form: Form) -> PlainWithKey:
    match capability("zip_plain_with_public_key", platform, plugin_version):
        case "no_public_key_option" | "accepted":
            return PlainWithKey.ACCEPTED
        case "accepted_with_sha256" if form.checksum == "sha256":
            return PlainWithKey.ACCEPTED
        case "accepted_with_crc32" if form.checksum == "crc32":
            return PlainWithKey.ACCEPTED
        case "accepted_only_with_empty_checksum" if form.checksum == "none":
            return PlainWithKey.ACCEPTED
    manifest = capability("manifest_plain_with_public_key", platform, plugin_version)
    return PlainWithKey.MANIFEST_ONLY if form.manifest and manifest == "accepted" else PlainWithKey.REFUSED
