"""`edge explain`: the whole way of one device's check through the rules, what the device is answered, and why.

A device is named by its id alone, what it last reported being taken for the rest, or by the body that it posts.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import IO, Any, TypeVar
from urllib.parse import urlencode

import click
import msgspec

from edge.cli.devices.body import read_body
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, cell, labelled, line, moment, table

TIMES = frozenset({"time", "opens_at", "until"})  # what steps show in seconds since the epoch
NOT_HERE = "not_on_this_channel"
PLATFORMS = {"ios": "iOS", "android": "Android", "electron": "Electron"}

F = TypeVar("F", bound=Callable[..., Any])

# Each field of a device's check that people know, with its option and what it is.
FIELDS = (
    ("device_id", "--device", "ID", "The device; what is not given below is taken from its latest report."),
    ("platform", "--platform", "NAME", "ios, android or electron."),
    ("version_name", "--version-name", "V", "The bundle that it runs, or builtin."),
    ("version_build", "--native", "V", "The version of the native app."),
    ("plugin_version", "--plugin", "V", "The version of the updater plugin."),
    ("defaultChannel", "--default-channel", "NAME", "The channel that the app is built with, or that it chose."),
    ("custom_id", "--custom-id", "TEXT", "The id that the app has given it."),
    ("key_id", "--key-id", "TEXT", "Of the public key that it holds."),
    ("version_os", "--os", "V", "The version of its system."),
    ("install_source", "--install-source", "TEXT", "The store that it came from."),
)
FLAGS = (
    ("is_prod", "--prod/--dev", "A build for the stores, or for developers."),
    ("is_emulator", "--emulator/--no-emulator", "An emulator, or a device."),
)


def question_options(command: F) -> F:
    """What can be said of a device; None where it is not."""
    for name, flags, meaning in reversed(FLAGS):
        command = click.option(flags, name, default=None, help=meaning)(command)
    for name, option, metavar, meaning in reversed(FIELDS):
        command = click.option(option, name, metavar=metavar, help=meaning)(command)
    return command


@click.command()
@click.argument("app")
@click.option("--body", type=click.File("rb"), help="What the device posts to /updates; - is stdin.")
@question_options
@click.option("--country", metavar="CC", help="Where a trusted proxy says that it is.")
@with_api
def explain(
    client: ControlClient, out: Output, app: str, body: IO[bytes] | None, country: str | None, **given: Any
) -> None:
    """Show every rule in order, what it saw and its outcome; then the answer, why, and what to do next."""
    said = {name: _word(value) for name, value in given.items() if value is not None}
    if (body is None) == (not said):
        raise click.UsageError("give either --body, or --device and what is known of it")
    more = {"country": country} if country else {}
    if body is not None:
        found = client.post(_address(app, more), read_body(body))
    else:
        found = client.get(_address(app, {**said, **more}))
    out.result(found, lambda: _tell(found, "device_id" in said))


def _tell(found: dict[str, Any], unreported: bool) -> None:
    """`unreported`: the device was named, and there may be no report of it."""
    asked = _words({name: value for name, value in found["asked"].items() if value not in ("", None)})
    labelled("asked   ", asked)
    if found["reported"]:
        line(f"          what was not given is from the device's report of {moment(found['reported'])}")
    elif unreported:
        line(unreported_sentence(found["asked"]))
    line("")
    table(("#", "rule", "outcome", "saw"), list(_rows(found["steps"])), "no rule was reached")
    line("")
    line("answer    " + msgspec.json.encode(found["answer"]).decode())
    labelled("decision", _decision(found["decision"]))
    labelled("next    ", found["next"])


def unreported_sentence(asked: dict[str, Any]) -> str:
    kind = PLATFORMS.get(asked["platform"], asked["platform"])
    return f"no report of this device is known; asked as a fresh {kind} device"


def _rows(steps: Sequence[dict[str, Any]]) -> Iterator[list[Any]]:
    """Rules that cannot stop anything on this channel share a line."""
    number = 0
    for outcome, group in groupby(steps, key=lambda step: step["outcome"]):
        together = list(group)
        if outcome == NOT_HERE and len(together) > 1:
            names = ", ".join(step["rule"] for step in together)
            yield [f"{number + 1}-{number + len(together)}", f"{len(together)} rules", outcome, names]
        else:
            for place, step in enumerate(together, number + 1):
                yield [str(place), step["rule"], outcome, _words(step["saw"])]
        number += len(together)


def _decision(decision: dict[str, Any]) -> str:
    """The outcome, what it is about, and where that has one, the code of why, with what it means."""
    apart = ("outcome", "code", "message")
    about = _words({name: value for name, value in decision.items() if name not in apart and value})
    why = [f"{decision['code']}: {decision['message']}"] if "message" in decision else []
    return "; ".join([decision["outcome"], about, *why])


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_value(name, value)}" for name, value in values.items()) or "-"


def _value(name: str, value: Any) -> str:
    if name in TIMES and isinstance(value, float | int):
        return moment(value)
    if isinstance(value, dict):
        return f"({_words(value)})"
    return cell(value)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else "true" if value else "false"


def _address(app: str, query: dict[str, str]) -> str:
    return app_path(app, "explain") + (f"?{urlencode(query)}" if query else "")
