"""What each reported action says about a device and a bundle, beyond being counted. Pure."""

import enum


class Meaning(enum.IntFlag):
    """Actions have several; most have none."""

    RUNS = 1  # its version is the bundle that the device runs
    START = 2  # that bundle starts
    READY = 4  # it has started: proof
    PROOF = 8  # so does this, if it comes `SETTLED_SECONDS` after the latest start
    SET = 16
    RESET = 32
    DOWNLOADS = 64
    DOWNLOADED = 128
    FAILED_BOOT = 256
    FAILED_INSTALL = 512
    FOREGROUND = 1024  # a session may begin
    BACKGROUND = 2048  # it ends
    CRASH = 4096
    ERROR = 8192
    OF_OFFER = 16384  # of the bundle that was offered last, whichever it names


_CRASHES = ("app_crash", "app_crash_native", "app_anr", "app_initialization_failure")
_ERRORS = ("webview_javascript_error", "webview_unhandled_rejection")
# Sent while a bundle starts or about the process before, so also by a bundle that does not survive its start.
_OF_STARTS = (
    *("app_moved_to_foreground", "app_launch_timeout", "app_killed_low_memory"),
    *("app_killed_excessive_resource_usage",),
    *("webview_unclean_restart", "webview_render_process_gone", "webview_content_process_terminated"),
    *("os_version_changed", "native_app_version_changed"),
)
_PROOFS = (
    *("app_moved_to_background", "app_memory_warning", *_ERRORS),
    *("webview_resource_error", "webview_security_policy_violation"),
    *("webview_dom_content_loaded", "webview_page_loaded", "blocked_by_server_url", "rate_limit_reached", "ping"),
)
_INSTALL_FAILURES = (
    *("download_fail", "finish_download_fail", "download_manifest_file_fail", "download_manifest_checksum_fail"),
    *("download_manifest_brotli_fail", "manifest_path_fail", "checksum_fail", "checksum_required"),
    *("session_key_required", "decrypt_fail", "unzip_fail", "low_mem_fail", "insufficient_disk_space"),
    *("windows_path_fail", "canonical_path_fail", "directory_path_fail"),
    *("invalid_signature", "signature_not_provided", "signature_validation_failed"),
)
_BEGINNINGS = (
    "download_manifest_start",
    "download_zip_start",
    *(f"download_{percent}" for percent in range(0, 100, 10)),
)
_COMPLETIONS = ("download_complete", "download_zip_complete", "download_manifest_complete", "set_next")


def _table() -> dict[str, Meaning]:
    runs = Meaning.RUNS
    found = dict.fromkeys((*_CRASHES, *_ERRORS, *_OF_STARTS, *_PROOFS), runs)
    found |= {action: found[action] | Meaning.PROOF for action in _PROOFS}
    found |= dict.fromkeys(_INSTALL_FAILURES, Meaning.FAILED_INSTALL)
    found |= dict.fromkeys(_BEGINNINGS, Meaning.DOWNLOADS) | dict.fromkeys(_COMPLETIONS, Meaning.DOWNLOADED)
    found |= dict.fromkeys(("update_fail", "set_fail"), Meaning.FAILED_BOOT)
    found |= {action: found[action] | Meaning.CRASH for action in _CRASHES}
    found |= {action: found[action] | Meaning.ERROR for action in _ERRORS}
    found["set"] = runs | Meaning.SET | Meaning.START | Meaning.DOWNLOADED
    found["reset"] = Meaning.RESET
    found["app_launch_start"] = runs | Meaning.START | Meaning.FOREGROUND
    found["app_launch_ready"] = runs | Meaning.READY
    found["app_moved_to_foreground"] |= Meaning.START | Meaning.FOREGROUND
    found["download_fail"] |= Meaning.OF_OFFER
    found["app_moved_to_background"] |= Meaning.BACKGROUND
    return found


MEANINGS = _table()
