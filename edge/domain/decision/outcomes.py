"""The possible outcomes of a check, and the stable code of every reason for offering nothing.

The codes and messages are the protocol's (PROTOCOL.md §1.4, §10): devices, logs and `explain` share them.
"""

import enum
from typing import NamedTuple

from edge.domain.forms.manifest_forms import ChosenForms
from edge.domain.model import AppId, Bundle, ChannelName


class Reason(enum.Enum):
    """Why a device is offered nothing: (stable code, message for a person)."""

    UNKNOWN_APP = ("on_premise_app", "This node does not serve the app")
    INVALID_APP_ID = ("invalid_app_id", "No app can have this id")
    UNSUPPORTED_PLUGIN = ("unsupported_plugin_version", "The plugin version is too old to be updated")
    NO_CHANNEL = ("no_channel", "no default channel or override")
    KEY_ID_MISMATCH = ("key_id_mismatch", "The bundle is encrypted for another key")
    ENCRYPTION_UNSUPPORTED = ("encryption_unsupported", "The plugin version cannot read this encryption")
    KEY_ID_MISSING = ("key_id_missing", "The bundle is encrypted and the device shows no key")
    ENCRYPTION_REQUIRED = ("encryption_required", "The device holds a key and accepts no plain bundle")
    WITHHELD = ("bundle_withheld", "The bundle failed on this device before")
    DISABLED_IOS = ("disabled_platform_ios", "The channel does not serve iOS")
    DISABLED_ANDROID = ("disabled_platform_android", "The channel does not serve Android")
    DISABLED_ELECTRON = ("disabled_platform_electron", "The channel does not serve Electron")
    UNNUMBERED_NATIVE = ("semver_error", "The native version has no number to compare the bundle with")
    MAJOR = ("disable_auto_update_to_major", "Cannot upgrade major version")
    PRIVATE_CHANNEL = ("cannot_update_via_private_channel", "The channel is private and was not assigned")
    MINOR = ("disable_auto_update_to_minor", "Cannot upgrade minor version")
    PATCH = ("disable_auto_update_to_patch", "Cannot upgrade patch version")
    MISCONFIGURED = ("misconfigured_channel", "The bundle names no minimum native version")
    METADATA = ("disable_auto_update_to_metadata", "The native version is below the bundle's minimum")
    # The node's own, for policies that do not already enforce a minimum.
    BELOW_MINIMUM = ("native_version_below_minimum", "The native version is below the bundle's minimum")
    ABOVE_MAXIMUM = ("native_version_above_maximum", "The native version is above the bundle's maximum")
    UNDER_NATIVE = ("disable_auto_update_under_native", "Cannot revert under native version")
    PROD_BUILD = ("disable_prod_build", "The channel does not serve production builds")
    DEV_BUILD = ("disable_dev_build", "The channel does not serve development builds")
    DEVICE = ("disable_device", "The channel does not serve physical devices")
    EMULATOR = ("disable_emulator", "The channel does not serve emulators")
    BUILTIN_TOO_OLD = ("revert_to_builtin_plugin_version_too_old", "The plugin version cannot revert to builtin")
    OUTSIDE_WINDOW = ("outside_maintenance_window", "The channel's maintenance window is closed")
    SPREAD = ("spread_not_reached", "The new bundle is being offered little by little")
    STALE = ("stale", "This node has not heard from the node above for too long to offer anything new")
    MANIFEST_LOST = ("manifest_lost", "This node cannot read the bundle's manifest, or a file that it names")
    ZIP_LOST = ("zip_lost", "This node cannot read the bundle's zip")

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message


class HoldReason(enum.Enum):
    """Why a device gets what comes before the channel's newest bundle: (code, message)."""

    CONTROL_GROUP = ("rollout_control_group", "The device is in the control group")
    NOT_IN_SEGMENT = ("rollout_not_in_segment", "The rollout is for segments that the device is not in")
    PAUSED = ("rollout_paused", "The rollout is paused, and the device does not run its bundle yet")
    SHARE = ("rollout_share_not_reached", "The rollout's share does not reach the device yet")
    WITHDRAWN = ("bundle_withdrawn", "The channel's bundle was withdrawn; the last good one stands in")
    WITHHELD = ("bundle_withheld", "The bundle failed on this device before; what comes before it stands in")
    LOST = ("bundle_lost", "This node cannot read all of the bundle; what comes before it stands in")

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message


# These devices get their next version from the app store; a plugin may notify its app (PROTOCOL.md §1.7).
BREAKING = frozenset({Reason.MAJOR, Reason.MINOR, Reason.PATCH, Reason.METADATA, Reason.BELOW_MINIMUM})


# Neither the device nor the app is at fault: the answer is that the device is up to date.
SILENT = frozenset({Reason.WITHHELD, Reason.STALE, Reason.MANIFEST_LOST, Reason.ZIP_LOST})


class Offer(NamedTuple):
    """Install `bundle`, in the form that `forms` has for the device's version (None: files, where they can be sent).
    `arm` is `experiment/arm` if an experiment decided."""

    bundle: Bundle
    channel: ChannelName
    arm: str = ""
    forms: ChosenForms | None = None

    @property
    def code(self) -> str:
        return "offer"


class UpToDate(NamedTuple):
    """Nothing to do: the device runs what its channel offers it, or the channel offers nothing.

    `held` is why that is not the channel's newest bundle, if it is not; `arm` is `experiment/arm` if the device runs
    the bundle of its arm.
    """

    channel: ChannelName
    held: HoldReason | None = None
    arm: str = ""

    @property
    def code(self) -> str:
        """What metrics count decisions by."""
        return "up_to_date" if self.held is None else self.held.code


class RevertToBuiltin(NamedTuple):
    """Revert to the web code inside the native app."""

    channel: ChannelName

    @property
    def code(self) -> str:
        return "revert_to_builtin"


class Blocked(NamedTuple):
    """A rule, a window or a spread blocks the device. `target` is the version that it would have got, if any."""

    reason: Reason
    target: str = ""

    @property
    def code(self) -> str:
        return self.reason.code


_UNKNOWN_APP, _INVALID_APP_ID = Blocked(Reason.UNKNOWN_APP), Blocked(Reason.INVALID_APP_ID)


def unserved(app: AppId) -> Blocked:
    """The decision for a device whose app is not served here. `app` is empty if the device sent an invalid id."""
    return _UNKNOWN_APP if app else _INVALID_APP_ID


Decision = Offer | UpToDate | RevertToBuiltin | Blocked
