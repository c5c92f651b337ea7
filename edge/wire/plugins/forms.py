"""What a plugin release can take (`plugin_of`) and how to answer it (`form_of`).

Both come from the capability table (PROTOCOL.md §11); only this file knows which rows decide what.
"""

import enum
from functools import lru_cache
from typing import Literal, NamedTuple

from edge.domain.file_names import NameRules, SameNames
from edge.domain.model import Platform
from edge.domain.plugin import ManifestRules, PlainWithKey, Plugin, Sent
from edge.wire.plugins.capabilities import capability, is_family, is_unknown_release, parse_plugin_version, platform_of

# About 1,000 releases exist, and a fleet runs some dozens of them. Devices choose the string (at most 128 characters);
# all caches together stay below 15 MB whatever they send.
RELEASE_CACHE_LIMIT = 4096

OLDEST_SUPPORTED_MAJOR = 5  # PROTOCOL.md §1.4, rule 11

# The rows that decide which manifest a release gets, if any.
MANIFEST_ROWS = (
    "manifest_to_send",
    "manifest_network_failure_ignored",
    "manifest_encryption",
    "manifest_same_base_name",
    "manifest_longest_base_name",
    "encryption",
)

_SENT = {"none": Sent.ZIP, "br_suffix": Sent.PACKED, "plain_names": Sent.PLAIN}
_SUFFIX_COUNTS = {"as_listed": True, "without_br": False}
_ZIP_ONLY = ManifestRules(Sent.ZIP, encrypted=False, zip_too=False)

Checksum = Literal["sha256", "crc32", "none"]


class Generation(enum.Enum):
    """How a release reads an answer without an offer (PROTOCOL.md §10)."""

    G0 = "G0"
    G1 = "G1"
    G2 = "G2"
    G3 = "G3"
    ELECTRON = "electron"  # its own package, beside the generations (PROTOCOL.md §11.11)

    def __init__(self, name: str) -> None:
        self.hears_reasons = name in ("G3", "electron")  # the others take any reason for a failure


class ZipEnd(enum.Enum):
    """The answer to a zip request whose range starts at or past the end (PROTOCOL.md §11.6)."""

    EMPTY = "empty"  # 206 with an empty body and `Content-Range: bytes */N`
    WHOLE = "whole"  # 200 with the whole body
    REFUSE = "refuse"  # 416


class Form(NamedTuple):
    """How to answer a release. Releases with equal forms get equal bytes for the same bundle in the same `Sent`."""

    generation: Generation
    checksum: Checksum  # of a plain zip; "none": an empty string is sent
    metadata: bool  # link and comment
    zip_end: ZipEnd


@lru_cache(RELEASE_CACHE_LIMIT)
def asker_of(said: Platform, plugin_version: str) -> tuple[Platform, Plugin]:
    """The device's actual platform, and its release. Raises Invalid `invalid_plugin_version`."""
    platform = platform_of(said, plugin_version)
    return platform, plugin_of(platform, plugin_version)


@lru_cache(RELEASE_CACHE_LIMIT)
def plugin_of(platform: Platform, plugin_version: str) -> Plugin:
    """What the decision needs to know about a release. Raises Invalid `invalid_plugin_version`."""
    manifest = _manifest_rules(platform, plugin_version)
    plain_with_key = _plain_with_key(platform, plugin_version, manifest)
    zip_too = manifest.sent is Sent.PACKED and _is_zip_as_good(platform, plugin_version, plain_with_key)
    return Plugin(
        version=plugin_version,
        supported=is_family(platform) or parse_plugin_version(plugin_version).major >= OLDEST_SUPPORTED_MAJOR,
        reads_v3=capability("encryption", platform, plugin_version) == "v3",
        plain_with_key=plain_with_key,
        reverts_to_builtin=capability("revert_to_builtin", platform, plugin_version) == "yes",
        keeps_choice=capability("channel_choice_kept_on_device", platform, plugin_version) == "yes",
        listed=not is_unknown_release(platform, plugin_version),
        sends_key_id=capability("sends_key_id_characters", platform, plugin_version) != "0",
        manifest=manifest._replace(zip_too=zip_too),
    )


@lru_cache(RELEASE_CACHE_LIMIT)
def form_of(platform: Platform, plugin_version: str) -> Form:
    """How to answer a release. Raises Invalid `invalid_plugin_version`."""
    return Form(
        generation=Generation(capability("answer_generation", platform, plugin_version)),
        checksum=_checksum(platform, plugin_version),
        metadata=capability("reads_link_and_comment", platform, plugin_version) == "yes",
        zip_end=_zip_end(platform, plugin_version),
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


def _manifest_rules(platform: Platform, plugin_version: str) -> ManifestRules:
    sent = _manifest_sent(platform, plugin_version)
    if sent is Sent.ZIP:
        return _ZIP_ONLY
    limit, _, counted = capability("manifest_longest_base_name", platform, plugin_version).partition("_")
    return ManifestRules(
        sent,
        encrypted=capability("manifest_encryption", platform, plugin_version) == "v3",
        names=NameRules(
            SameNames(capability("manifest_same_base_name", platform, plugin_version)),
            limit_bytes=int(limit),
            suffix_counts=_SUFFIX_COUNTS[counted],
        ),
    )


def _is_zip_as_good(platform: Platform, plugin_version: str, plain_with_key: PlainWithKey) -> bool:
    """Whether the release may get the zip where it could have files: it verifies both by SHA-256, a device with a key
    takes both, and files of a zip are in its cache for the next update, as since names in it have no `.br`."""
    _, _, counted = capability("manifest_longest_base_name", platform, plugin_version).partition("_")
    verified = _checksum(platform, plugin_version) == "sha256"
    return verified and not _SUFFIX_COUNTS[counted] and plain_with_key is not PlainWithKey.MANIFEST_ONLY


def _manifest_sent(platform: Platform, plugin_version: str) -> Sent:
    ignored = platform is Platform.IOS and capability("manifest_network_failure_ignored", platform, plugin_version)
    if ignored == "yes":
        return Sent.ZIP  # it would install the bundle without the files it failed to load (PROTOCOL.md §11.4)
    return _SENT[capability("manifest_to_send", platform, plugin_version)]


def _zip_end(platform: Platform, plugin_version: str) -> ZipEnd:
    resume = capability("zip_resume", platform, plugin_version)
    if resume.endswith("restart_on_200"):
        return ZipEnd.WHOLE  # recent Android retries `bytes */N` without limit; both platforms start over on 200
    if platform is Platform.ANDROID or resume == "across_launches_append_on_200":
        # The partial file is already complete: any body would be appended, any error would end the update.
        return ZipEnd.EMPTY
    # Without a partial file they request at most `bytes=0-`: only strangers go past the end, so plain HTTP.
    return ZipEnd.REFUSE


def _plain_with_key(platform: Platform, plugin_version: str, manifest: ManifestRules) -> PlainWithKey:
    checksum = _checksum(platform, plugin_version)
    match capability("zip_plain_with_public_key", platform, plugin_version):
        case "no_public_key_option" | "accepted":
            return PlainWithKey.ACCEPTED
        case "accepted_with_sha256" if checksum == "sha256":
            return PlainWithKey.ACCEPTED
        case "accepted_with_crc32" if checksum == "crc32":
            return PlainWithKey.ACCEPTED
        case "accepted_only_with_empty_checksum" if checksum == "none":
            return PlainWithKey.ACCEPTED
    accepted = capability("manifest_plain_with_public_key", platform, plugin_version) == "accepted"
    return PlainWithKey.MANIFEST_ONLY if manifest.sent is not Sent.ZIP and accepted else PlainWithKey.REFUSED
