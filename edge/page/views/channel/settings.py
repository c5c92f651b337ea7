"""The channel's settings, and the commands that change them."""

from edge.page.acts.guard_plan import rule_words
from edge.page.views.channel.sight import ChannelSight, GuardSight
from edge.page.words.numbers import duration, named

_KINDS = ("ios", "android", "electron", "emulator", "device", "dev", "prod")


def channel_settings(sight: ChannelSight) -> list[tuple[str, str]]:
    channel = sight.channel
    devices = [each for each in _KINDS if getattr(channel, each)]
    return [
        ("Public", "yes: devices of these platforms get it by default" if channel.public else "no"),
        ("Devices may join by themselves", "yes" if channel.self_set else "no"),
        ("Devices", ", ".join(devices) or "none"),
        ("Updates of native versions", channel.policy.value),
        ("Below the native version", "refused" if channel.block_under_native else "offered"),
        ("Windows", ", ".join(named(each) for each in channel.windows) or "none"),
        ("Spread", duration(channel.spread_seconds) if channel.spread_seconds else "none"),
        ("Rollback passes windows", "yes" if channel.rollback_passes else "no"),
        ("Form", channel.prefer.value if channel.prefer is not None else "as the node prefers"),
    ]


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
