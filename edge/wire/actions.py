"""The actions that an event can report: the closed list of PROTOCOL.md §4.3, without what follows from them."""

import re

from edge.domain.facts import Cause

# Decided by a server; also accepted from devices, some of which send `backend_refusal` (PROTOCOL.md §11.7).
_BY_SERVERS = frozenset(
    {
        "get", "noNew", "missingBundle", "cannotGetBundle", "NoChannelOrOverride", "needPlanUpgrade",
        "channelMisconfigured", "keyMismatch", "backend_refusal", "InvalidIp", "customIdBlocked", "rateLimited",
        "disablePlatformIos", "disablePlatformAndroid", "disablePlatformElectron", "disableAutoUpdate",
        "disableAutoUpdateToMajor", "disableAutoUpdateToMinor", "disableAutoUpdateToPatch",
        "disableAutoUpdateMetadata", "disableAutoUpdateUnderNative", "disableDevBuild", "disableProdBuild",
        "disableDevice", "disableEmulator", "cannotUpdateViaPrivateChannel", "setChannel", "getChannel", "uninstall",
    }
)  # fmt: skip

_OF_BUNDLES = frozenset(
    {
        "set", "set_next", "set_fail", "reset", "delete", "update_fail",
        "download_complete", "download_fail", *(f"download_{percent}" for percent in range(0, 100, 10)),
        "download_manifest_start", "download_manifest_complete", "download_zip_start", "download_zip_complete",
        "download_manifest_file_fail", "download_manifest_checksum_fail", "download_manifest_brotli_fail",
        "finish_download_fail", "manifest_path_fail", "checksum_fail", "checksum_required", "session_key_required",
        "decrypt_fail", "unzip_fail", "low_mem_fail", "insufficient_disk_space", "windows_path_fail",
        "canonical_path_fail", "directory_path_fail",
        "invalid_signature", "signature_not_provided", "signature_validation_failed",
    }
)  # fmt: skip

_OF_APPS = frozenset(
    {
        "app_moved_to_foreground", "app_moved_to_background",
        "app_launch_start", "app_launch_ready", "app_launch_timeout",
        "app_crash", "app_crash_native", "app_anr", "app_killed_low_memory", "app_killed_excessive_resource_usage",
        "app_initialization_failure", "app_memory_warning",
        "webview_javascript_error", "webview_unhandled_rejection", "webview_resource_error",
        "webview_security_policy_violation", "webview_unclean_restart", "webview_render_process_gone",
        "webview_content_process_terminated", "webview_dom_content_loaded", "webview_page_loaded",
        "os_version_changed", "native_app_version_changed",
        "blocked_by_server_url", "rate_limit_reached", "ping",
    }
)  # fmt: skip


def withheld_action(cause: Cause) -> str:
    """The node's own action for having withheld a bundle."""
    return f"withheld_{cause.word}"


# The node's own actions, refused from devices: which arm it offered, and why it withheld a bundle.
EXPERIMENT_OFFER = "experiment_offer"
OF_NODE = frozenset({EXPERIMENT_OFFER, *map(withheld_action, Cause)})

# Actions whose version is the bundle that the device runs; with `reset`, builtin.
OF_RUNNING = _OF_APPS | {"set", "reset"}

# The device has the bundle and runs it from its next start on.
INSTALLS_LATER = frozenset({"download_complete", "set_next"})

# The device does not have the bundle, or no longer.
NOT_INSTALLED = frozenset(action for action in _OF_BUNDLES if action.endswith("_fail")) | {"delete"}

ACTIONS = _BY_SERVERS | _OF_BUNDLES | _OF_APPS

_PROGRESS = re.compile(r"download_(\d{1,9})", re.ASCII)
_LAST_PROGRESS = 90


def known_action(text: str) -> str | None:
    """The action as in ACTIONS; None if it is none.

    Android's progress has no upper bound: `download_130` or `download_400` of a small zip is still the unpacking that
    `download_90` stands for (PROTOCOL.md §4.5).
    """
    if text in ACTIONS:
        return text
    progress = _PROGRESS.fullmatch(text)
    return f"download_{min(int(progress[1]) // 10 * 10, _LAST_PROGRESS)}" if progress else None
