"""The behaviours in which plugin releases differ, each a closed choice.

Each enum spells the values of one row as the capability table does (PROTOCOL.md §11), so a value that the simulator
does not know fails when the profile is built, not in mid-update.
"""

import enum


class NoUpdateAnswer(enum.Enum):
    """The effect of `message` and `error` in an answer (PROTOCOL.md §11.7)."""

    MESSAGE_IS_NO_UPDATE = "message_is_no_update"
    MESSAGE_IS_FAILURE = "message_is_failure"
    MESSAGE_OR_ERROR_IS_FAILURE = "message_or_error_is_failure"
    MESSAGE_OR_ERROR_IS_REFUSAL = "message_or_error_is_refusal"
    ERROR_IS_FAILURE = "error_is_failure"
    ERROR_IS_FAILURE_EVENT_ONLY = "error_is_failure_event_only"
    KIND = "kind"


class BreakingEvent(enum.Enum):
    """When the app gets the event that the store has a newer version (PROTOCOL.md §11.7)."""

    NEVER = "never"
    MAJOR = "message_and_major_true_and_version"
    MAJOR_WITHOUT_ERROR = "message_and_major_true_and_version_without_error"
    BREAKING_OR_MAJOR_WITHOUT_ERROR = "message_and_breaking_or_major_and_version_without_error"
    BREAKING_OR_MAGIC = "breaking_true_or_magic_strings"


class RateLimit(enum.Enum):
    """The effect of a 429 (PROTOCOL.md §11.8)."""

    PLAIN_FAILURE = "plain_failure"
    LATCH = "latch"
    LATCH_WITHOUT_REPORT = "latch_without_report"
    RETRY_AFTER = "retry_after"


class ZipChecksum(enum.Enum):
    """The digest that a plain zip must have."""

    NOT_VERIFIED = "not_verified"
    CRC32 = "crc32"
    SHA256 = "sha256"
    ANY_VALUE_REFUSED = "any_value_refused"
    SHA256_REQUIRED = "sha256_required"


class ZipResume(enum.Enum):
    """How a broken zip download continues."""

    NONE = "none"
    NONE_BUT_RANGE_FROM_0 = "none_but_sends_range_from_0"
    ACROSS_LAUNCHES = "across_launches_append_on_200"
    SAME_JOB_APPEND = "same_job_append_on_200"
    SAME_JOB_RESTART = "same_job_restart_on_200"
    RESTART_ON_200 = "restart_on_200"


class PlainZipWithKey(enum.Enum):
    """An unencrypted zip on a device that holds a public key (PROTOCOL.md §11.5)."""

    NO_KEY_OPTION = "no_public_key_option"
    WITH_CRC32 = "accepted_with_crc32"
    WITH_SHA256 = "accepted_with_sha256"
    WITH_EMPTY_CHECKSUM = "accepted_only_with_empty_checksum"
    REFUSED = "refused"


class Brotli(enum.Enum):
    """Which files of a manifest are decompressed."""

    NAME_SUFFIX = "name_suffix"
    EVERY_FILE = "every_file"


class PathRules(enum.Enum):
    """Which paths in a manifest are refused with a report."""

    NONE_REPORTED = "none_reported"
    ESCAPING = "refuses_escaping_paths"
    ESCAPING_AND_DUPLICATES = "refuses_escaping_paths_and_duplicates"


class ReusedName(enum.Enum):
    """The name under which a file that needs no download is written (PROTOCOL.md §11.4)."""

    AS_LISTED = "as_listed"
    WITH_BR = "with_br"
    WITHOUT_BR = "without_br"


class SameBaseName(enum.Enum):
    """The fate of two files of one manifest with the same last path part (PROTOCOL.md §11.4)."""

    WORKS = "works"
    FAILS = "fails"
    FAILS_WHEN_CONTENT_IS_EQUAL = "fails_when_content_is_equal"


class WrongKey(enum.Enum):
    """The reports about a zip that cannot be decrypted (PROTOCOL.md §11.9)."""

    DOWNLOAD_FAIL_ONLY = "download_fail_only"
    DOWNLOAD_FAIL_ONLY_FOR_A_ZIP = "download_fail_only_for_a_zip"
    DECRYPT_FAIL = "decrypt_fail"
    FINISH_DOWNLOAD_FAIL = "finish_download_fail"
    DECRYPT_FAIL_AND_FINISH_DOWNLOAD_FAIL = "decrypt_fail_and_finish_download_fail"

    @property
    def reports_decrypt(self) -> bool:
        return self in (WrongKey.DECRYPT_FAIL, WrongKey.DECRYPT_FAIL_AND_FINISH_DOWNLOAD_FAIL)

    @property
    def reports_finish(self) -> bool:
        return self in (WrongKey.FINISH_DOWNLOAD_FAIL, WrongKey.DECRYPT_FAIL_AND_FINISH_DOWNLOAD_FAIL)


class EncryptionForm(enum.Enum):
    """The form of encryption that a release reads. Only V2 and V3 use a public key (PROTOCOL.md §6.1)."""

    NONE = "none"
    V1 = "v1"
    V1_OR_V2 = "v1_or_v2"
    V2 = "v2"
    V3 = "v3"
    UNUSABLE = "unusable"  # of manifests only: no encrypted manifest can be valid


class HttpTimeouts(enum.Enum):
    """Android's answer and manifest requests; iOS always uses the response timeout."""

    VOLLEY = "volley"
    RESPONSE_TIMEOUT = "response_timeout"
    TEN_SECONDS = "10s_default"
    THIRTY_SECONDS = "30s"
