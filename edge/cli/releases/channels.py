"""`edge channel`: which bundle a channel offers, to which devices, and how far from the native version."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from edge.cli.releases.experiments import sentence as experiment_sentence
from edge.cli.releases.reach import warn_of_reach
from edge.cli.releases.replaced import instead_of, print_ended, replacing_options
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, fields, line, moment, table
from edge.domain.model import BUILTIN, Phase, Policy
from edge.domain.plugin import Prefer
from edge.domain.schedule.durations import format_duration, parse_duration

F = TypeVar("F", bound=Callable[..., Any])

# Each yes-or-no setting of a channel, with its two options and what they mean.
SWITCHES = (
    ("public", "--public/--private", "Offer it to every device that names no other channel."),
    ("self_set", "--self-set/--no-self-set", "Let devices choose this channel themselves."),
    ("test", "--test/--no-test", "Mark it as a test channel: developers may change it, unless it is public."),
    ("ios", "--ios/--no-ios", "Serve iOS."),
    ("android", "--android/--no-android", "Serve Android."),
    ("electron", "--electron/--no-electron", "Serve Electron."),
    ("emulator", "--emulator/--no-emulator", "Serve emulators."),
    ("device", "--device/--no-device", "Serve physical devices."),
    ("dev", "--dev/--no-dev", "Serve development builds."),
    (
        "prod",
        "--prod/--no-prod",
        "Serve production builds. Android plugins below 5.43.3, 6.42.3, 7.41.1, 8.40.8 report only production builds.",
    ),
    (
        "block_under_native",
        "--block-under-native/--allow-under-native",
        "Offer no version lower than the native version.",
    ),
)
NODES_OWN = "node"  # what the node prefers
PLATFORMS = ("ios", "android", "electron")
# How `show` prints values that are not plain.
TOLD: Mapping[str, Callable[[Any], str]] = {
    "bundle": lambda bundle: bundle or "",
    "last_good": lambda bundle: bundle or "",
    "served": lambda bundle: bundle or "",
    "taken_back": lambda views: ", ".join(map(_taken_back, views)),
    "bundle_changed": lambda seconds: moment(seconds) if seconds else "",
    "spread_seconds": lambda seconds: format_duration(seconds) if seconds else "",
    "prefer": lambda form: form or NODES_OWN,
    "rollout": lambda view: f"{view['bundle']} {view['phase']}" if view else "",
    "experiment": lambda view: experiment_sentence(view) if view else "",
}


def settings_options(command: F) -> F:
    """Adds the options of `create` and `set`; one that is not given is None and changes nothing."""
    for name, flags, meaning in reversed(SWITCHES):
        command = click.option(flags, name, default=None, help=meaning)(command)
    policies = click.Choice([policy.value for policy in Policy])
    command = click.option(
        "--policy", type=policies, help="Block updates that change this part of the native version."
    )(command)
    command = click.option("--replace", is_flag=True, help="Take over platforms from the channel that is public now.")(
        command
    )
    command = click.option(
        "--spread", metavar="DURATION", help="Spread the offers of a new bundle over 30m, 6h; 0s: at once."
    )(command)
    forms = click.Choice([*(each.value for each in Prefer), NODES_OWN])
    command = click.option(
        "--prefer",
        type=forms,
        help="What devices that take both get: manifest (file by file), zip, or the better; node: as the node prefers.",
    )(command)
    return click.option(
        "--bundle", metavar="V|builtin", help="Version to offer, or builtin: the code inside the native app."
    )(command)


@click.group()
def channel() -> None:
    """Manage channels: which devices are offered which bundle."""


@channel.command()
@click.argument("app")
@click.argument("name")
@settings_options
@with_asking
@with_change
def create(
    client: ControlClient, out: Output, asking: Asking, app: str, name: str, replace: bool, **given: Any
) -> None:
    """Create channel NAME of APP. Asks for confirmation if devices would use it at once."""
    settings = _settings(given)
    if not (settings.get("public") and (replace or "bundle" in settings)):
        asking = asking._replace(yes=True)
    request = ControlRequest("POST", app_path(app, "channels"), {"name": name, **settings, "replace": replace})
    made = carry_out(client, out, asking, request, f"create channel {name} of {app}")
    out.result(made, lambda: line(f"created channel {_sentence(made)}"))
    if settings.get("bundle"):
        warn_of_reach(client, app, name)


@channel.command("set")
@click.argument("app")
@click.argument("name")
@settings_options
@replacing_options
@with_asking
@with_change
def set_channel(
    client: ControlClient,
    out: Output,
    asking: Asking,
    app: str,
    name: str,
    replace: bool,
    force: bool,
    downgrade: bool,
    again: bool,
    if_current: str | None,
    **given: Any,
) -> None:
    """Change channel NAME of APP; settings not given stay as they are.

    Asks for confirmation with --public, --bundle builtin, --force, --downgrade and --again.
    """
    settings = _settings(given)
    if not settings:
        raise click.UsageError("nothing to change: give at least one setting")
    if not (force or downgrade or again or settings.get("public") or settings.get("bundle") == BUILTIN):
        asking = asking._replace(yes=True)
    terms = {"replace": replace, "force": force, "downgrade": downgrade, "again": again, "if_current": if_current}
    request = ControlRequest("PATCH", app_path(app, "channels", name), settings | terms)
    told = _settings_told(settings)
    what = f"set channel {name} of {app}" + (f": {told}" if told else "")
    if "prefer" in settings:
        what += " (in which form devices download the bundle)"
    after = carry_out(client, out, asking, request, what)

    def print_text() -> None:
        line(
            f"changed channel {_sentence(after, told)}"
            if after["changed"]
            else f"no change: channel {_sentence(after)}"
        )
        print_ended(after["replaced"])

    out.result(after, print_text)
    if settings.get("bundle"):
        warn_of_reach(client, app, name)


@channel.command("list")
@click.argument("app")
@with_api
def list_channels(client: ControlClient, out: Output, app: str) -> None:
    """List the channels of APP."""
    channels = client.get(app_path(app, "channels"))
    rows = [
        [each["name"], _served(each), _active(each), each["public"], _platforms(each), each["policy"]]
        for each in channels
    ]
    columns = ("channel", "bundle", "active", "public", "platforms", "policy")
    out.result(channels, lambda: table(columns, rows, "no channels yet"))


@channel.command()
@click.argument("app")
@click.argument("name")
@with_api
def show(client: ControlClient, out: Output, app: str, name: str) -> None:
    """Show the settings of channel NAME of APP."""
    found = client.get(app_path(app, "channels", name))
    told = {name: TOLD[name](value) if name in TOLD else value for name, value in found.items()}
    out.result(found, lambda: fields([(name.removesuffix("_seconds").replace("_", " "), told[name]) for name in told]))


@channel.command()
@click.argument("app")
@click.argument("name")
@with_asking
@with_change
def delete(client: ControlClient, out: Output, asking: Asking, app: str, name: str) -> None:
    """Delete channel NAME of APP."""
    request = ControlRequest("DELETE", app_path(app, "channels", name))
    gone = carry_out(client, out, asking, request, f"delete channel {name} of {app}")
    out.result(gone, lambda: line(f"deleted channel {name} of {app}"))


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """Raises Invalid `invalid_duration`."""
    settings = {name: value for name, value in given.items() if value is not None}
    if settings.get("prefer") == NODES_OWN:
        settings["prefer"] = None
    if "spread" in settings:
        settings["spread_seconds"] = parse_duration(settings.pop("spread"))
    return settings


def _settings_told(settings: dict[str, Any]) -> str:
    """`no-ios, prefer zip`: what was given, in the words of the options; without what every sentence has."""
    flags = {name: flags.replace("--", "").split("/") for name, flags, _ in SWITCHES}
    words = []
    for name, value in settings.items():
        if name in ("bundle", "public"):
            continue
        if name in flags:
            words.append(flags[name][0 if value else 1])
        else:
            words.append(f"{name.removesuffix('_seconds')} {TOLD[name](value) if name in TOLD else value}")
    return ", ".join(words)


def _sentence(view: dict[str, Any], told: str = "") -> str:
    """`told`: the settings that were changed."""
    replaced = instead_of(view["replaced"])
    offering = f"{told}; {_offering(view)}" if told else _offering(view)
    return f"{view['name']}: {offering}{replaced}, {'public' if view['public'] else 'private'}"


def _offering(view: dict[str, Any]) -> str:
    if view["withdrawn"]:
        return f"offers {view['served']} instead of {view['bundle']}, which was withdrawn"
    return f"offers {view['bundle']}" if view["bundle"] else "offers nothing yet"


def _served(view: dict[str, Any]) -> str:
    """What devices get: `1.0.0 (1.0.1 withdrawn)` if another bundle stands in."""
    return f"{view['served']} ({view['bundle']} withdrawn)" if view["withdrawn"] else view["bundle"] or ""


def _active(view: dict[str, Any]) -> list[str]:
    """The active rollout and the experiment on the channel."""
    rollout, experiment = view["rollout"], view["experiment"]
    is_rolling_out = rollout is not None and Phase(rollout["phase"]).is_active
    return [
        *([f"rollout {rollout['bundle']} {rollout['phase']}"] if is_rolling_out else []),
        *([f"experiment {experiment['name']}"] if experiment else []),
    ]


def _taken_back(view: dict[str, Any]) -> str:
    by = f" by {view['by']}" if view["by"] else ""
    return f"{view['bundle']} at {moment(view['at'])}{by}"


def _platforms(view: dict[str, Any]) -> list[str]:
    return [name for name in PLATFORMS if view[name]]
