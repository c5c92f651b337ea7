"""`edge explain`: one device's update check, rule by rule, with the answer and the reason.

The device is given by its id, with the rest taken from its latest report, or by the request body that it posts.
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

TIMES = frozenset({"time", "opens_at", "until"})  # which steps give in seconds since the epoch
NOT_HERE = "not_on_this_channel"
MADE_UP = "00000000-0000-4000-8000-000000000001"  # any UUID: rollouts and spreads draw by it
PLATFORMS = {"ios": "iOS", "android": "Android", "electron": "Electron"}

F = TypeVar("F", bound=Callable[..., Any])

# Each field of an update check that a person may know, with its option and meaning.
FIELDS = (
    ("device_id", "--device", "ID", "Device id; fields not given are taken from its latest report."),
    ("platform", "--platform", "NAME", "Platform: ios, android or electron."),
    ("version_name", "--version-name", "V", "Bundle that it runs, or builtin."),
    ("version_build", "--native", "V", "Version of the native app."),
    ("plugin_version", "--plugin", "V", "Version of the updater plugin."),
    ("defaultChannel", "--default-channel", "NAME", "Channel that the app is built with or has chosen."),
    ("custom_id", "--custom-id", "ID", "Custom id that the app gave it."),
    ("key_id", "--key-id", "TEXT", "Start of the public key that the app holds."),
    ("version_os", "--os", "V", "Version of the operating system."),
    ("install_source", "--install-source", "TEXT", "Store that the app came from."),
)
FLAGS = (
    ("is_prod", "--prod/--dev", "Production or development build."),
    ("is_emulator", "--emulator/--no-emulator", "Emulator or physical device."),
)


def question_options(command: F) -> F:
    """Adds the options that describe a device; None where not given."""
    for name, flags, meaning in reversed(FLAGS):
        command = click.option(flags, name, default=None, help=meaning)(command)
    for name, option, metavar, meaning in reversed(FIELDS):
        command = click.option(option, name, metavar=metavar, help=meaning)(command)
    return command


@click.command()
@click.argument("app")
@click.option(
    "--body", type=click.File("rb"), metavar="FILE", help="Body that the device posts to /updates; - is stdin."
)
@question_options
@click.option("--country", metavar="CC", help="Country that a trusted proxy reports, such as DE.")
@with_api
def explain(
    client: ControlClient, out: Output, app: str, body: IO[bytes] | None, country: str | None, **given: Any
) -> None:
    """Explain how a device's update check is decided: every rule in order with its input and outcome, then the answer,
    the reason and what to do next."""
    known = {name: _word(value) for name, value in given.items() if value is not None}
    if (body is None) == (not known):
        raise click.UsageError("give either --body, or --device and what you know about it")
    if known and "device_id" not in known:
        raise click.UsageError(f"--device is missing: the device's id, or, for one that is made up, {MADE_UP}")
    more = {"country": country} if country else {}
    if body is not None:
        found = client.post(_address(app, more), read_body(body))
    else:
        found = client.get(_address(app, {**known, **more}))
    out.result(found, lambda: _print_text(found, "device_id" in known))


def _print_text(found: dict[str, Any], unreported: bool) -> None:
    """`unreported`: the device was given by its id, so there may be no report from it."""
    asked = _words({name: value for name, value in found["asked"].items() if value not in ("", None)})
    labelled("asked   ", asked)
    if found["reported"]:
        line(f"          fields not given are from the device's report of {moment(found['reported'])}")
    elif unreported:
        line(unreported_sentence(found["asked"]))
    line("")
    table(("#", "rule", "outcome", "saw"), list(_rows(found["steps"])), "no rule was reached")
    line("")
    line("answer    " + msgspec.json.encode(found["answer"]).decode())
    labelled("decision", _decision(found["decision"]))
    labelled("next    ", found["next"])


def unreported_sentence(asked: dict[str, Any]) -> str:
    """For a device without any report: as what it was asked."""
    kind = PLATFORMS.get(asked["platform"], asked["platform"])
    return f"the node has no report from this device; asked as a fresh {kind} device"


def _rows(steps: Sequence[dict[str, Any]]) -> Iterator[list[Any]]:
    """One row per rule; consecutive rules that do not apply to the channel share one."""
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
    """The outcome, its details and, if it has one, the code with its meaning."""
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
