"""What to do after `explain`: one sentence for each outcome, with the command to run next. Pure.

It addresses an operator whose device did not get what they expected. If nothing on the node can change that, it states
where else to look.
"""

from edge.domain.decision.outcomes import Blocked, Decision, HoldReason, Offer, Reason, RevertToBuiltin, UpToDate

CHANNEL = "CHANNEL"  # the placeholder for a device without a channel

_KEYS = "publish the bundle for the key that the app holds (`edge bundle publish {app} FOLDER --version V --key FILE`)"
_AUDIENCE = "to serve such devices: `edge channel set {app} {channel} "
_STORE = "the device needs a newer native app from its store, or `edge channel set {app} {channel} --policy none`"

_LOST = (
    "publish the same bundle again, which uploads what is missing, or run `edge store repair`; the node's log has the "
    "blob's name"
)

_OF_REASON = {
    Reason.UNKNOWN_APP: "create the app: `edge app create {app}`",
    Reason.INVALID_APP_ID: "give the native app a valid id: letters, digits, '-' and '_', in parts separated by '.'",
    Reason.UNSUPPORTED_PLUGIN: "ship a native app with a newer plugin: no channel setting helps this device",
    Reason.NO_CHANNEL: "make a channel public (`edge channel set {app} CHANNEL --public`), or send this device to one "
    "(`edge override set {app} DEVICE CHANNEL`)",
    Reason.KEY_ID_MISMATCH: _KEYS,
    Reason.ENCRYPTION_UNSUPPORTED: "publish a plain bundle on a channel for these devices (Electron needs one), or "
    "ship a newer plugin",
    Reason.KEY_ID_MISSING: "give the app its public key in a store release, or publish a plain bundle",
    Reason.ENCRYPTION_REQUIRED: _KEYS,
    Reason.WITHHELD: "see what failed: `edge device show {app} DEVICE`; once fixed, publish a new version, or "
    "`edge device lift {app} DEVICE VERSION`",
    Reason.DISABLED_IOS: _AUDIENCE + "--ios`",
    Reason.DISABLED_ANDROID: _AUDIENCE + "--android`",
    Reason.DISABLED_ELECTRON: _AUDIENCE + "--electron`",
    Reason.UNNUMBERED_NATIVE: "give the native app a version with a number, or `edge channel set {app} {channel} "
    "--policy none`",
    Reason.MAJOR: _STORE,
    Reason.PRIVATE_CHANNEL: "make the channel public or self-set, or assign it with `edge override set {app} DEVICE "
    "{channel}` or a segment",
    Reason.MINOR: _STORE,
    Reason.PATCH: _STORE,
    Reason.MISCONFIGURED: "publish with the native version it needs: `edge bundle publish {app} FOLDER --version V "
    "--min-native N`, or choose another policy",
    Reason.METADATA: "the device needs a newer native app from its store",
    Reason.BELOW_MINIMUM: "the device needs a newer native app from its store (the bundle's `--min-native`)",
    Reason.ABOVE_MAXIMUM: "publish a bundle for this native version: it is above this one's `--max-native`",
    Reason.UNDER_NATIVE: "publish a version at or above the native one, or `edge channel set {app} {channel} "
    "--allow-under-native`",
    Reason.PROD_BUILD: _AUDIENCE + "--prod`",
    Reason.DEV_BUILD: _AUDIENCE + "--dev`",
    Reason.DEVICE: _AUDIENCE + "--device`",
    Reason.EMULATOR: _AUDIENCE + "--emulator`",
    Reason.BUILTIN_TOO_OLD: "publish a bundle with the app's builtin code: this plugin cannot revert to that",
    Reason.OUTSIDE_WINDOW: "wait for the window (`edge window show {app} {channel}`), or clear it "
    "(`edge window clear {app} {channel}`)",
    Reason.STALE: "see why this node hears nothing from the node above, or whether its clock is wrong: "
    "`edge node list`",
    Reason.MANIFEST_LOST: _LOST,
    Reason.ZIP_LOST: _LOST,
    Reason.SPREAD: "wait until the spread reaches the device, or end it: `edge channel set {app} {channel} "
    "--spread 0s`",
}

_OF_HELD = {
    HoldReason.CONTROL_GROUP: "nothing: the rollout holds this device out on purpose; promoting it ends that",
    HoldReason.NOT_IN_SEGMENT: "see which devices the rollout is for: `edge rollout show {app} {channel}`",
    HoldReason.PAUSED: "see the rollout (`edge rollout show {app} {channel}`), then resume it or roll it back",
    HoldReason.SHARE: "wait for the next step (`edge rollout show {app} {channel}`), or `edge rollout advance {app} "
    "{channel}`",
    HoldReason.WITHDRAWN: "publish a fixed version: `edge bundle publish {app} FOLDER --version V --channel {channel}`",
    HoldReason.WITHHELD: "see what failed: `edge device show {app} DEVICE`; once fixed, publish a new version",
    HoldReason.LOST: _LOST,
}
# A bundle that stands in for one that failed here is blocked too: unblocking the stand-in is not what helps.
_STAND_IN = (
    "the channel's bundle failed on this device, and the one before it is blocked ({code}); see what failed: "
    "`edge device show {{app}} DEVICE`; once fixed, publish a new version, or "
    "`edge device lift {{app}} DEVICE VERSION`"
)


def advice_of(decision: Decision, app: str, channel: str = "", held: HoldReason | None = None) -> str:
    """The next step as one sentence. `channel` is the device's, "" for none; `held` is why another bundle than the
    channel's newest stands in, if one does."""
    match decision:
        case Offer():
            advice = "nothing: the device downloads it now; to see how that went: `edge stats {app}`"
        case RevertToBuiltin():
            advice = "nothing: the device reverts to the app's builtin code; to offer a bundle instead: `edge channel "
            advice += "set {app} {channel} --bundle VERSION`"
        case UpToDate(held=None):
            advice = "nothing is newer for this device; to see what the channel offers: `edge channel "
            advice += "show {app} {channel}`"
        case UpToDate(held=HoldReason() as held):
            advice = _OF_HELD[held]
        case Blocked(reason=reason) if held is HoldReason.WITHHELD and reason is not Reason.WITHHELD:
            advice = _STAND_IN.format(code=reason.code)
        case Blocked(reason=reason):
            advice = _OF_REASON[reason]
    return advice.format(app=app, channel=channel or CHANNEL)
