"""Where a role is held, as options of a verb: --org, --app, --channel; without any, for everything."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from edge.cli.terminal.output import note
from edge.control.access.roles import ROLE_WORDS, Role

F = TypeVar("F", bound=Callable[..., Any])

# For the help of verbs that take a role: those that are always there.
ROLES_HELP = "Roles: " + "; ".join(f"{role.value} {ROLE_WORDS[role]}" for role in Role) + "; your own ones."


def scoped(command: F) -> F:
    """Adds --org, --app and --channel; the command gets `scopes`, as the API writes them, none for everything. Raises
    UsageError."""

    @click.option("--org", "orgs", multiple=True, metavar="NAME", help="In this organisation; may be repeated.")
    @click.option("--app", "apps", multiple=True, metavar="APP", help="In this app; may be repeated.")
    @click.option(
        "--channel", "channels", multiple=True, metavar="NAME", help="On this channel of --app; may be repeated."
    )
    @functools.wraps(command)
    def run(*args: Any, orgs: tuple[str, ...], apps: tuple[str, ...], channels: tuple[str, ...], **kwargs: Any) -> Any:
        return command(*args, scopes=scopes_of(orgs, apps, channels), **kwargs)

    return run  # type: ignore[return-value]


def scopes_of(orgs: tuple[str, ...], apps: tuple[str, ...], channels: tuple[str, ...]) -> list[str]:
    """Raises UsageError for channels without the one app that they are of."""
    if channels and len(apps) != 1:
        raise click.UsageError("--channel is of one app: give exactly one --app")
    held = [f"app:{apps[0]}/{channel}" for channel in channels] if channels else [f"app:{app}" for app in apps]
    return [*(f"org:{name}" for name in orgs), *held]


def scope_words(scope: str) -> str:
    """For people, after the name of a role: " of app com.acme.app"; "" for everything."""
    kind, _, rest = scope.partition(":")
    if kind == "org":
        return f" of organisation {rest}"
    app, slash, channel = rest.partition("/")
    if kind != "app":
        return ""
    return f" of channel {channel} of app {app}" if slash else f" of app {app}"


def note_absent(view: dict[str, Any]) -> None:
    """Of an answer to what gives a role: where it counts for nothing yet."""
    for scope in view.get("absent", ()):
        note(f"there is no{scope_words(scope).removeprefix(' of')} here: this counts once there is")


def held_words(holds: list[dict[str, Any]]) -> str:
    """Of what somebody holds, in one cell."""
    said = (each["role"] + scope_words(each["scope"]) + (" (lapsed)" if each.get("lapsed") else "") for each in holds)
    return ", ".join(said)
