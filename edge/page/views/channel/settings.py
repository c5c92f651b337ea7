"""The channel's settings, and the commands that change them."""

from collections.abc import Mapping

from edge.control.shapes.channels import ChannelView
from edge.domain.model import Policy
from edge.page.acts.guard_plan import rule_words
from edge.page.views.channel.sight import ChannelSight, GuardSight
from edge.page.words.numbers import duration, named

_PLATFORMS = {"ios": "iOS", "android": "Android", "electron": "Electron"}
_KINDS = {"device": "real devices", "emulator": "emulators"}
_BUILDS = {"prod": "production", "dev": "development"}
_POLICIES = {
    Policy.MAJOR: "never to a higher major version",
    Policy.MINOR: "within one minor version",
    Policy.PATCH: "to the same version alone",
    Policy.VERSION_NUMBER: "by the least native version that a bundle states",
    Policy.NONE: "to every version",
}


def channel_settings(sight: ChannelSight) -> list[tuple[str, str]]:
    channel = sight.channel
    devices, builds = _chosen(channel, _PLATFORMS | _KINDS), _chosen(channel, _BUILDS)
    return [
        ("Public", "yes: devices of these platforms get it by default" if channel.public else "no"),
        ("Devices may join by themselves", "yes" if channel.self_set else "no"),
        *([("Test channel", "yes: developers may change it")] if channel.test and not channel.public else []),
        ("Devices", devices),
        ("Builds", builds),
        ("Updates of native versions", _POLICIES[channel.policy]),
        ("Below the native version", "refused" if channel.block_under_native else "offered"),
        ("Windows", ", ".join(named(each) for each in channel.windows) or "none"),
        ("Spread", duration(channel.spread_seconds) if channel.spread_seconds else "none"),
        ("Rollback passes windows", "yes" if channel.rollback_passes else "no"),
        ("Downloads", channel.prefer.value if channel.prefer is not None else "as the node prefers"),
    ]


def _chosen(channel: ChannelView, words: Mapping[str, str]) -> str:
    return ", ".join(said for name, said in words.items() if getattr(channel, name)) or "none"


def guard_settings(sight: ChannelSight) -> list[tuple[str, str]]:
    guard = sight.guard
    if not isinstance(guard, GuardSight):
        return [("Guard", f"could not be read ({guard.code})")]
    if guard.rules is None or not guard.watches:
        return [("Watches", "nothing: the guard is off")]
    return rule_words(guard.rules)


def setting_commands(sight: ChannelSight) -> list[str]:
    where = f"{sight.app} {sight.channel.name}"
    return [f"edge guard set {where} --max-failure 2%", f"edge channel set {where} --help"]
