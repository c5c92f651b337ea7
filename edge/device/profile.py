"""What one published release of the plugin does on one platform: every behaviour looked up once, by name.

The rows are those of PROTOCOL.md §11; nothing here compares version numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.device.behaviours import (
    BreakingEvent,
    Brotli,
    EncryptionForm,
    HttpTimeouts,
    NoUpdateAnswer,
    PathRules,
    PlainZipWithKey,
    RateLimit,
    ReusedName,
    SameBaseName,
    WrongKey,
    ZipChecksum,
    ZipResume,
)
from edge.domain.model import Platform
from edge.wire.plugins.capabilities import capability

# Releases that report another version than they were published under (PROTOCOL.md §11.1).
_REPORTED = {
    "5.50.2": "5.50.1",
    "6.43.5": "8.43.5",
    "6.50.2": "6.50.1",
    "7.50.2": "7.50.1",
    **dict.fromkeys(("0.0.2", "0.0.3", "0.0.4", "0.0.5", "0.0.6"), "0.0.1"),  # of the Electron package
    **dict.fromkeys(("6.14.32", "6.14.33", "6.14.34", "6.14.35", "6.14.36"), "6.14.31"),
}

_UNZIP_BUFFERS = {"zips_below_6_KiB": 8 * 1024, "zips_below_192_KiB": 256 * 1024}  # PROTOCOL.md §4.5

# The fields of a Profile that a row answers with yes or no.
_FLAGS: Mapping[str, Any] = {
    "sends_default_channel": "sends_default_channel",
    "sends_environment": "sends_is_prod_and_is_emulator",
    "sends_install_source": "sends_install_source",
    "sends_old_version_name": "stats_old_version_name",
    "plugin_user_agent": "plugin_user_agent",
    "reports_phases": "phase_stats",
    "reports_next": "set_next_stat",
    "reports_reset_of_failed_boot": "reset_stat_after_failed_boot",
    "reports_deleted": "delete_stat_of_deleted",
    "reverts_to_builtin": "revert_to_builtin",
    "reads_link_and_comment": "reads_link_and_comment",
    "keeps_channel": "channel_choice_kept_on_device",
    "keeps_channel_of_get": "channel_of_get_kept",
    "channel_reply_unsets": "channel_reply_unset_flag",
    "lists_channels": "list_channels",
}
# What every release of the Electron package does and does not do.
_ELECTRON_FLAGS: Mapping[str, Any] = {
    **dict.fromkeys(
        (
            "lowercase_device_id",
            "sends_default_channel",
            "sends_environment",
            "sends_old_version_name",
            "plugin_user_agent",
            "keeps_channel",
            "lists_channels",
        ),
        True,
    ),
    **dict.fromkeys(
        (
            "sends_install_source",
            "reports_phases",
            "reports_next",
            "reports_reset_of_failed_boot",
            "ends_failed_boot_on_builtin",
            "reports_deleted",
            "reads_body_of_errors",
            "reads_link_and_comment",
            "keeps_channel_of_get",
            "channel_reply_unsets",
            "hides_refusal_code",
            "zip_retries",
            "total_transfer_limit",
        ),
        False,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestProfile:
    """How a release that reads manifests downloads one (PROTOCOL.md §11.4, §11.5)."""

    brotli: Brotli
    hash_satisfiable: bool  # 7.9.2 - 7.18.14 on Android compare each hash with two different digests
    hash_any_case: bool
    unencrypted_files_verified: bool
    failure_swallowed: bool  # the worker logs a failure but reports success
    network_failure_ignored: bool  # a file that does not arrive is simply missing
    resumes: bool
    reuses_builtin: bool
    path_rules: PathRules
    reused_name: ReusedName
    same_base_name: SameBaseName
    longest_base_name_bytes: int
    cache_without_br: bool  # today's cache: names without `.br`, and filled from zips too
    encryption: EncryptionForm
    plain_with_key: bool
    top_level_checksum_must_decrypt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The behaviours of one release on one platform."""

    platform: Platform
    release: str  # as published
    plugin_version: str  # as reported, see PROTOCOL.md §11.1
    # What it sends:
    lowercase_device_id: bool
    sends_default_channel: bool
    sends_environment: bool  # is_prod, is_emulator
    sends_install_source: bool
    sends_old_version_name: bool
    key_id_characters: int  # 0: sends none
    stats_in_arrays: bool
    plugin_user_agent: bool
    sends_builtin: bool  # on builtin, version_name is that word; otherwise it is the native version
    reports_phases: bool  # start and end of a download, and each failed file of a manifest
    reports_next: bool  # `set_next`
    reports_reset_of_failed_boot: bool
    ends_failed_boot_on_builtin: bool  # even if a bundle ran before, whose `set` it reports
    reports_deleted: bool  # `delete` of an existing bundle; old Android releases reported only missing ones
    wrong_key: WrongKey
    unzip_buffer_bytes: int  # counted in Android's progress before anything is unpacked
    timeouts: HttpTimeouts
    # How it reads an answer:
    no_update_answer: NoUpdateAnswer
    reads_body_of_errors: bool
    reverts_to_builtin: bool
    breaking_event: BreakingEvent
    rate_limit: RateLimit
    reads_link_and_comment: bool
    # How it chooses channels:
    keeps_channel: bool  # the choice is kept on the device; otherwise on the server
    keeps_channel_of_get: bool
    channel_reply_unsets: bool
    lists_channels: bool
    hides_refusal_code: bool  # the app gets `server_error`, whatever the server's reason
    # How it downloads:
    zip_checksum: ZipChecksum
    zip_plain_with_key: PlainZipWithKey
    zip_resume: ZipResume
    zip_retries: bool  # retries 5xx, 408, 429, short bodies and bad Content-Range, without limit
    total_transfer_limit: bool  # any one transfer ends after `transfer_limit_seconds`
    manifest: ManifestProfile | None
    encryption: EncryptionForm

    @property
    def android(self) -> bool:
        return self.platform is Platform.ANDROID

    @property
    def has_download_jobs(self) -> bool:
        """Whether Android's job scheduler downloads, as in all releases but those with Volley."""
        return self.android and self.timeouts is not HttpTimeouts.VOLLEY

    @property
    def holds_public_key(self) -> bool:
        """Whether the `publicKey` option exists in this release."""
        return self.encryption not in (EncryptionForm.NONE, EncryptionForm.V1)

    @property
    def refuses_unverifiable(self) -> bool:
        """Whether only bundles with a checked digest are installed, as from 8.51.23."""
        return self.zip_checksum is ZipChecksum.SHA256_REQUIRED


def build_profile(platform: Platform, release: str) -> Profile:
    """The behaviour of one release. Raises Invalid for a version that `capability` cannot place, or a family without
    such a row."""
    if platform is Platform.ELECTRON:
        return _electron_profile(release)

    def row(name: str) -> str:
        return capability(name, platform, release)

    android = platform is Platform.ANDROID
    return Profile(
        platform=platform,
        release=release,
        plugin_version=_REPORTED.get(release, release),
        **{field: _yes(row(name)) for field, name in _FLAGS.items()},
        lowercase_device_id=android or row("device_id_case") == "lower",
        key_id_characters=int(row("sends_key_id_characters")),
        stats_in_arrays=row("stats_form") == "array",
        sends_builtin=row("builtin_version_name") == "builtin",
        ends_failed_boot_on_builtin=android and row("fallback_of_failed_boot") == "ends_on_builtin",
        wrong_key=WrongKey(row("wrong_key_reports")),
        unzip_buffer_bytes=_UNZIP_BUFFERS[row("zip_progress_above_100")] if android else 0,
        timeouts=HttpTimeouts(row("okhttp_timeouts")) if android else HttpTimeouts.RESPONSE_TIMEOUT,
        no_update_answer=NoUpdateAnswer(row("no_update_answer")),
        reads_body_of_errors=row("answer_body_of_non_2xx") == "read",
        breaking_event=BreakingEvent(row("breaking_event")),
        rate_limit=RateLimit(row("http_429")),
        hides_refusal_code=android and row("channel_refusal_text") == "server_error",
        zip_checksum=ZipChecksum(row("zip_checksum_plain")),
        zip_plain_with_key=PlainZipWithKey(row("zip_plain_with_public_key")),
        zip_resume=ZipResume(row("zip_resume")),
        zip_retries=android and row("zip_http_error") != "download_fails_at_once",
        total_transfer_limit=not android and _yes(row("ios_total_transfer_limit")),
        manifest=_manifest_profile(row, android) if _yes(row("manifest_parsed")) else None,
        encryption=EncryptionForm(row("encryption")),
    )


def _electron_profile(release: str) -> Profile:
    """What the Electron package shares with the plugin; `ElectronDevice` has the rest of its behaviour."""

    def row(name: str) -> str:
        return capability(name, Platform.ELECTRON, release)

    return Profile(
        platform=Platform.ELECTRON,
        release=release,
        plugin_version=_REPORTED.get(release, release),
        **_ELECTRON_FLAGS,
        key_id_characters=int(row("sends_key_id_characters")),
        stats_in_arrays=row("stats_form") == "array",
        sends_builtin=row("builtin_version_name") == "builtin",
        wrong_key=WrongKey.DOWNLOAD_FAIL_ONLY,
        unzip_buffer_bytes=0,
        timeouts=HttpTimeouts.RESPONSE_TIMEOUT,
        no_update_answer=NoUpdateAnswer.MESSAGE_IS_NO_UPDATE,
        reverts_to_builtin=_yes(row("revert_to_builtin")),
        breaking_event=BreakingEvent.BREAKING_OR_MAGIC,
        rate_limit=RateLimit(row("http_429")),
        zip_checksum=ZipChecksum(row("zip_checksum_plain")),
        zip_plain_with_key=PlainZipWithKey.WITH_SHA256,
        zip_resume=ZipResume(row("zip_resume")),
        manifest=None,
        encryption=EncryptionForm.NONE,
    )


def _manifest_profile(row: Callable[[str], str], android: bool) -> ManifestProfile:
    longest_bytes, _, counted = row("manifest_longest_base_name").partition("_")
    return ManifestProfile(
        brotli=Brotli(row("manifest_brotli")),
        hash_satisfiable=row("manifest_hash") != "unsatisfiable",
        # Some rows exist for one platform only: the other never changed (PROTOCOL.md §5.4).
        hash_any_case=android and row("manifest_hash_case") == "any",
        unencrypted_files_verified=android or _yes(row("manifest_plain_files_verified")),
        failure_swallowed=android and _yes(row("manifest_failure_swallowed")),
        network_failure_ignored=not android and _yes(row("manifest_network_failure_ignored")),
        resumes=row("manifest_file_resume") == "range",
        reuses_builtin=not android or _yes(row("manifest_reuses_files_in_apk")),
        path_rules=PathRules(row("manifest_path_rules")),
        reused_name=ReusedName(row("manifest_reused_file_name")),
        same_base_name=SameBaseName(row("manifest_same_base_name")),
        longest_base_name_bytes=int(longest_bytes),
        cache_without_br=counted == "without_br",
        encryption=EncryptionForm(row("manifest_encryption")),
        plain_with_key=row("manifest_plain_with_public_key") == "accepted",
        top_level_checksum_must_decrypt=not android and _yes(row("manifest_top_level_checksum_must_decrypt")),
    )


def _yes(value: str) -> bool:
    return value == "yes"
