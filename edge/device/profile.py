"""What one published release of the plugin does on one platform: every behaviour looked up once, by name.

The rows are those of plugin-capabilities; nothing here compares version numbers. Each enum spells the values of one
row as the table does, so a value the simulator does not know fails when the profile is built, not in mid-update.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from edge.domain.model import Platform
from edge.wire.plugins.capabilities import capability

# Releases that say another version than the one they were published as (plugin-capabilities §1).
_REPORTED = {
    "5.50.2": "5.50.1",
    "6.43.5": "8.43.5",
    "6.50.2": "6.50.1",
    "7.50.2": "7.50.1",
    **dict.fromkeys(("0.0.2", "0.0.3", "0.0.4", "0.0.5", "0.0.6"), "0.0.1"),  # of the Electron package
    **dict.fromkeys(("6.14.32", "6.14.33", "6.14.34", "6.14.35", "6.14.36"), "6.14.31"),
}

_UNZIP_BUFFERS = {"zips_below_6_KiB": 8 * 1024, "zips_below_192_KiB": 256 * 1024}  # device-protocol §4.5


class NoUpdateAnswer(enum.Enum):
    """What `message` and `error` in an answer do (plugin-capabilities §7)."""

    MESSAGE_IS_NO_UPDATE = "message_is_no_update"
    MESSAGE_IS_FAILURE = "message_is_failure"
    MESSAGE_OR_ERROR_IS_FAILURE = "message_or_error_is_failure"
    MESSAGE_OR_ERROR_IS_REFUSAL = "message_or_error_is_refusal"
    ERROR_IS_FAILURE = "error_is_failure"
    ERROR_IS_FAILURE_EVENT_ONLY = "error_is_failure_event_only"
    KIND = "kind"


class BreakingEvent(enum.Enum):
    """When the app is told that the store has its next version (plugin-capabilities §7)."""

    NEVER = "never"
    MAJOR = "message_and_major_true_and_version"
    MAJOR_WITHOUT_ERROR = "message_and_major_true_and_version_without_error"
    BREAKING_OR_MAJOR_WITHOUT_ERROR = "message_and_breaking_or_major_and_version_without_error"
    BREAKING_OR_MAGIC = "breaking_true_or_magic_strings"


class RateLimit(enum.Enum):
    """What a 429 does (plugin-capabilities §8)."""

    PLAIN_FAILURE = "plain_failure"
    LATCH = "latch"
    LATCH_WITHOUT_REPORT = "latch_without_report"
    RETRY_AFTER = "retry_after"


class ZipChecksum(enum.Enum):
    NOT_VERIFIED = "not_verified"
    CRC32 = "crc32"
    SHA256 = "sha256"
    ANY_VALUE_REFUSED = "any_value_refused"
    SHA256_REQUIRED = "sha256_required"


class ZipResume(enum.Enum):
    NONE = "none"
    NONE_BUT_RANGE_FROM_0 = "none_but_sends_range_from_0"
    ACROSS_LAUNCHES = "across_launches_append_on_200"
    SAME_JOB_APPEND = "same_job_append_on_200"
    SAME_JOB_RESTART = "same_job_restart_on_200"
    RESTART_ON_200 = "restart_on_200"


class PlainZipWithKey(enum.Enum):
    """A zip that is not encrypted, on a device that holds a public key (plugin-capabilities §5)."""

    NO_KEY_OPTION = "no_public_key_option"
    WITH_CRC32 = "accepted_with_crc32"
    WITH_SHA256 = "accepted_with_sha256"
    WITH_EMPTY_CHECKSUM = "accepted_only_with_empty_checksum"
    REFUSED = "refused"


class Brotli(enum.Enum):
    NAME_SUFFIX = "name_suffix"
    EVERY_FILE = "every_file"


class PathRules(enum.Enum):
    NONE_REPORTED = "none_reported"
    ESCAPING = "refuses_escaping_paths"
    ESCAPING_AND_DUPLICATES = "refuses_escaping_paths_and_duplicates"


class ReusedName(enum.Enum):
    """Under which name a file is written that needs no download (plugin-capabilities §4)."""

    AS_LISTED = "as_listed"
    WITH_BR = "with_br"
    WITHOUT_BR = "without_br"


class SameBaseName(enum.Enum):
    """What becomes of two files of one manifest whose last path part is equal (plugin-capabilities §4)."""

    WORKS = "works"
    FAILS = "fails"
    FAILS_WHEN_CONTENT_IS_EQUAL = "fails_when_content_is_equal"


class WrongKey(enum.Enum):
    """What is reported of a zip that cannot be decrypted (plugin-capabilities §9)."""

    DOWNLOAD_FAIL_ONLY = "download_fail_only"
    DOWNLOAD_FAIL_ONLY_FOR_A_ZIP = "download_fail_only_for_a_zip"
    DECRYPT_FAIL = "decrypt_fail"
    FINISH_DOWNLOAD_FAIL = "finish_download_fail"
    DECRYPT_FAIL_AND_FINISH_DOWNLOAD_FAIL = "decrypt_fail_and_finish_download_fail"

    @property
    def says_decrypt(self) -> bool:
        return self in (WrongKey.DECRYPT_FAIL, WrongKey.DECRYPT_FAIL_AND_FINISH_DOWNLOAD_FAIL)

    @property
    def says_finish(self) -> bool:
        return self in (WrongKey.FINISH_DOWNLOAD_FAIL, WrongKey.DECRYPT_FAIL_AND_FINISH_DOWNLOAD_FAIL)


class EncryptionForm(enum.Enum):
    """Forms a release reads. Only V2 and V3 know a public key (device-protocol §6.1)."""

    NONE = "none"
    V1 = "v1"
    V1_OR_V2 = "v1_or_v2"
    V2 = "v2"
    V3 = "v3"
    UNUSABLE = "unusable"  # of manifests only: no encrypted manifest can be right


class HttpTimeouts(enum.Enum):
    """Android's answer and manifest requests; iOS always uses the response timeout."""

    VOLLEY = "volley"
    RESPONSE_TIMEOUT = "response_timeout"
    TEN_SECONDS = "10s_default"
    THIRTY_SECONDS = "30s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestProfile:
    """How a release that reads manifests downloads one (plugin-capabilities §4, §5)."""

    brotli: Brotli
    hash_satisfiable: bool  # 7.9.2 - 7.18.14 on Android compare each hash with two different digests
    hash_any_case: bool
    unencrypted_files_verified: bool
    failure_swallowed: bool  # the worker logs a failure and reports success
    network_failure_ignored: bool  # a file that does not arrive is simply missing
    resumes: bool
    reuses_builtin: bool
    path_rules: PathRules
    reused_name: ReusedName
    same_base_name: SameBaseName
    longest_base_name_bytes: int
    cache_without_br: bool  # today's cache: `.br` is no part of its names, and zips fill it too
    encryption: EncryptionForm
    plain_with_key: bool
    top_level_checksum_must_decrypt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    platform: Platform
    release: str  # as published
    plugin_version: str  # as reported, see plugin-capabilities §1
    # What it sends.
    lowercase_device_id: bool
    sends_default_channel: bool
    sends_environment: bool  # is_prod, is_emulator
    sends_install_source: bool
    sends_old_version_name: bool
    key_id_characters: int  # 0: sends none
    stats_in_arrays: bool
    plugin_user_agent: bool
    says_builtin: bool  # on builtin the version_name is the word; else it is the native version
    reports_phases: bool  # start and end of a download, and each file of a manifest that failed
    reports_next: bool  # `set_next`
    reports_reset_of_failed_boot: bool
    ends_failed_boot_on_builtin: bool  # even with a bundle before it, whose `set` it reports
    reports_deleted: bool  # `delete` of a bundle that was there; Android long said so only of one that was not
    wrong_key: WrongKey
    unzip_buffer_bytes: int  # which Android's progress counts before it unpacks anything
    timeouts: HttpTimeouts
    # How it reads an answer.
    no_update_answer: NoUpdateAnswer
    reads_body_of_errors: bool
    reverts_to_builtin: bool
    breaking_event: BreakingEvent
    rate_limit: RateLimit
    reads_link_and_comment: bool
    # What it does about channels.
    keeps_channel: bool  # the choice stays on the device; else with the server
    keeps_channel_of_get: bool
    channel_reply_unsets: bool
    lists_channels: bool
    hides_refusal_code: bool  # whatever the server refuses with, the app gets `server_error`
    # How it downloads.
    zip_checksum: ZipChecksum
    zip_plain_with_key: PlainZipWithKey
    zip_resume: ZipResume
    zip_retries: bool  # 5xx, 408, 429, short bodies and bad Content-Range: again, without limit
    total_transfer_limit: bool  # any one transfer ends after `transfer_limit_seconds`
    manifest: ManifestProfile | None
    encryption: EncryptionForm

    @property
    def android(self) -> bool:
        return self.platform is Platform.ANDROID

    @property
    def has_download_jobs(self) -> bool:
        """Whether Android's job scheduler downloads: all releases but those with Volley."""
        return self.android and self.timeouts is not HttpTimeouts.VOLLEY

    @property
    def holds_public_key(self) -> bool:
        """Whether the `publicKey` option exists in this release."""
        return self.encryption not in (EncryptionForm.NONE, EncryptionForm.V1)

    @property
    def refuses_unverifiable(self) -> bool:
        """From 8.51.23 nothing is installed that was not checked against a digest."""
        return self.zip_checksum is ZipChecksum.SHA256_REQUIRED


def build_profile(platform: Platform, release: str) -> Profile:
    """Raises Invalid for a version that `capability` cannot place, or a family that has no such row."""
    if platform is Platform.ELECTRON:
        return _electron_profile(release)

    def row(name: str) -> str:
        return capability(name, platform, release)

    android = platform is Platform.ANDROID
    return Profile(
        platform=platform,
        release=release,
        plugin_version=_REPORTED.get(release, release),
        lowercase_device_id=android or row("device_id_case") == "lower",
        sends_default_channel=_yes(row("sends_default_channel")),
        sends_environment=_yes(row("sends_is_prod_and_is_emulator")),
        sends_install_source=_yes(row("sends_install_source")),
        sends_old_version_name=_yes(row("stats_old_version_name")),
        key_id_characters=int(row("sends_key_id_characters")),
        stats_in_arrays=row("stats_form") == "array",
        plugin_user_agent=_yes(row("plugin_user_agent")),
        says_builtin=row("builtin_version_name") == "builtin",
        reports_phases=_yes(row("phase_stats")),
        reports_next=_yes(row("set_next_stat")),
        reports_reset_of_failed_boot=_yes(row("reset_stat_after_failed_boot")),
        ends_failed_boot_on_builtin=android and row("fallback_of_failed_boot") == "ends_on_builtin",
        reports_deleted=_yes(row("delete_stat_of_deleted")),
        wrong_key=WrongKey(row("wrong_key_reports")),
        unzip_buffer_bytes=_UNZIP_BUFFERS[row("zip_progress_above_100")] if android else 0,
        timeouts=HttpTimeouts(row("okhttp_timeouts")) if android else HttpTimeouts.RESPONSE_TIMEOUT,
        no_update_answer=NoUpdateAnswer(row("no_update_answer")),
        reads_body_of_errors=row("answer_body_of_non_2xx") == "read",
        reverts_to_builtin=_yes(row("revert_to_builtin")),
        breaking_event=BreakingEvent(row("breaking_event")),
        rate_limit=RateLimit(row("http_429")),
        reads_link_and_comment=_yes(row("reads_link_and_comment")),
        keeps_channel=_yes(row("channel_choice_kept_on_device")),
        keeps_channel_of_get=_yes(row("channel_of_get_kept")),
        channel_reply_unsets=_yes(row("channel_reply_unset_flag")),
        lists_channels=_yes(row("list_channels")),
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
    """What the Electron package shares with the plugin; `electron.ElectronDevice` knows how it behaves."""

    def row(name: str) -> str:
        return capability(name, Platform.ELECTRON, release)

    return Profile(
        platform=Platform.ELECTRON,
        release=release,
        plugin_version=_REPORTED.get(release, release),
        lowercase_device_id=True,
        sends_default_channel=True,
        sends_environment=True,
        sends_install_source=False,
        sends_old_version_name=True,
        key_id_characters=int(row("sends_key_id_characters")),
        stats_in_arrays=row("stats_form") == "array",
        plugin_user_agent=True,
        says_builtin=row("builtin_version_name") == "builtin",
        reports_phases=False,
        reports_next=False,
        reports_reset_of_failed_boot=False,
        ends_failed_boot_on_builtin=False,
        reports_deleted=False,
        wrong_key=WrongKey.DOWNLOAD_FAIL_ONLY,
        unzip_buffer_bytes=0,
        timeouts=HttpTimeouts.RESPONSE_TIMEOUT,
        no_update_answer=NoUpdateAnswer.MESSAGE_IS_NO_UPDATE,
        reads_body_of_errors=False,
        reverts_to_builtin=_yes(row("revert_to_builtin")),
        breaking_event=BreakingEvent.BREAKING_OR_MAGIC,
        rate_limit=RateLimit(row("http_429")),
        reads_link_and_comment=False,
        keeps_channel=True,
        keeps_channel_of_get=False,
        channel_reply_unsets=False,
        lists_channels=True,
        hides_refusal_code=False,
        zip_checksum=ZipChecksum(row("zip_checksum_plain")),
        zip_plain_with_key=PlainZipWithKey.WITH_SHA256,
        zip_resume=ZipResume(row("zip_resume")),
        zip_retries=False,
        total_transfer_limit=False,
        manifest=None,
        encryption=EncryptionForm.NONE,
    )


def _manifest_profile(row: Callable[[str], str], android: bool) -> ManifestProfile:
    longest_bytes, _, counted = row("manifest_longest_base_name").partition("_")
    return ManifestProfile(
        brotli=Brotli(row("manifest_brotli")),
        hash_satisfiable=row("manifest_hash") != "unsatisfiable",
        # Rows that exist for one platform only: the other one's behaviour never changed (device-protocol §5.4).
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
