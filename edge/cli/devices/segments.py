"""`edge segment`: devices selected by an expression. A segment may send them to a channel; rollouts may use it."""

from typing import IO, Any
from urllib.parse import urlencode

import click
import msgspec

from edge.cli.devices.body import read_body
from edge.cli.devices.explain import unreported_sentence
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, counted, fields, line, moment, note, table
from edge.domain.targeting.language import language_rows

RUNNING_SHOWN = 3  # groups of devices by what they run, in a line

_RULES = """\b
The language is a subset of CEL. Text is quoted, numbers are not:
  == != < <= > >=   in ["a", "b"]   && || !   ( )   true false
A version may be short: "14" is 14.0.0. A comparison with an
unknown field is never true, not even with != or !. How a device is used
(whole numbers and feature) is judged once a UTC day."""


def _language() -> str:
    """The language table: an example and its meaning per line."""
    rows = [(example, meaning) for _, _, meaning, example in language_rows()]
    width = max(len(example) for example, _ in rows)
    return "\n".join([_RULES, "", "\b", *(f"  {example:<{width}}  {meaning}" for example, meaning in rows)])


@click.group()
def segment() -> None:
    """Manage segments: devices selected by an expression."""


@segment.command("set", epilog=_language(), short_help="Create or change segment NAME of APP.")
@click.argument("app")
@click.argument("name")
@click.option("--where", metavar="EXPR", help="Expression that selects devices, see below; a new segment needs it.")
@click.option("--leave", metavar="EXPR", help="A device that was in stays until this is true; of behaviour alone.")
@click.option("--no-leave", is_flag=True, help="A device is in just as long as --where is true: the default.")
@click.option("--channel", metavar="NAME", help="Send its devices to this channel.")
@click.option("--no-channel", is_flag=True, help="Send its devices to no channel; rollouts and experiments can use it.")
@click.option(
    "--priority", type=int, metavar="N", help="The lowest is evaluated first; equal ones by name. Default: 100."
)
@click.option(
    "--yield-to-self-set/--never-yield",
    "yield_to_self_set",
    default=None,
    help="Leave devices on their own defaultChannel, or never.",
)
@click.option("--default-yield", is_flag=True, help="Leave them there if it is self-set and not public: the default.")
@with_change
def set_segment(
    client: ControlClient,
    out: Output,
    app: str,
    name: str,
    no_channel: bool,
    no_leave: bool,
    default_yield: bool,
    **given: Any,
) -> None:
    """Create or change segment NAME of APP; settings not given stay as they are."""
    settings = {name: value for name, value in given.items() if value is not None}
    if no_channel and "channel" in settings:
        raise click.UsageError("--channel and --no-channel exclude each other")
    if default_yield and "yield_to_self_set" in settings:
        raise click.UsageError("give only one of --yield-to-self-set, --never-yield and --default-yield")
    if no_leave and "leave" in settings:
        raise click.UsageError("--leave and --no-leave exclude each other")
    if no_leave:
        settings["leave"] = None
    if no_channel:
        settings["channel"] = None
    if default_yield:
        settings["yield_to_self_set"] = None
    if not settings:
        raise click.UsageError("nothing to change: give at least one setting")
    after = client.patch(app_path(app, "segments", name), settings)
    for warning in after["warnings"]:
        note(f"warning: {warning}")
    out.result(after, lambda: line(f"{'set' if after['changed'] else 'no change:'} segment {_sentence(after)}"))


@segment.command("list")
@click.argument("app")
@with_api
def list_segments(client: ControlClient, out: Output, app: str) -> None:
    """List the segments of APP in the order they are evaluated."""
    segments = client.get(app_path(app, "segments"))
    rows = [[each["priority"], each["name"], each["channel"], each["where"], each["leave"]] for each in segments]
    out.result(segments, lambda: table(("priority", "segment", "channel", "where", "leave"), rows, "no segments yet"))


@segment.command()
@click.argument("app")
@click.argument("name")
@with_api
def show(client: ControlClient, out: Output, app: str, name: str) -> None:
    """Show segment NAME of APP."""
    found = client.get(app_path(app, "segments", name))
    yields = {True: "always", False: "never", None: "if it is self-set and not public"}
    pairs = (
        ("name", found["name"]),
        ("where", found["where"]),
        ("leave", found["leave"] or ""),
        ("channel", found["channel"] or ""),
        ("priority", found["priority"]),
        ("yields to defaultChannel", yields[found["yield_to_self_set"]]),
    )
    out.result(found, lambda: fields(pairs))


@segment.command()
@click.argument("app")
@click.argument("name")
@with_asking
@with_change
def delete(client: ControlClient, out: Output, asking: Asking, app: str, name: str) -> None:
    """Delete segment NAME of APP."""
    request = ControlRequest("DELETE", app_path(app, "segments", name))
    gone = carry_out(client, out, asking, request, f"delete segment {name} of {app}")
    out.result(gone, lambda: line(f"deleted segment {name} of {app}"))


@segment.command(short_help="Count the known devices in each segment of APP.")
@click.argument("app")
@with_api
def reach(client: ControlClient, out: Output, app: str) -> None:
    """Count the devices in each segment of APP, of those whose reports the node still holds: what they run, from how
    many a bundle is withheld, and their sessions and errors of 7 days, as far as known."""
    found = client.get(app_path(app, "segments-reach"))

    def print_text() -> None:
        rows = [
            [
                each["name"],
                each["devices"],
                [f"{run['bundle']}: {run['devices']}" for run in each["running"][:RUNNING_SHOWN]],
                each["withheld"],
                f"{each['sessions']} of {each['judged']}",
                each["errors"],
            ]
            for each in found["segments"]
        ]
        table(("segment", "devices", "run", "withheld", "sessions of", "errors"), rows, "no segments yet")
        line(f"{found['in_any']} of {counted(found['devices'], 'known device')} are in at least one")
        if found["cut"]:
            note(f"only reports since {moment(found['since'])} were read: there may be more devices")

    out.result(found, print_text)


@segment.command(short_help="Count the known devices that an expression selects.")
@click.argument("app")
@click.argument("name")
@click.option("--where", metavar="EXPR", help="Count this expression instead of the saved one; NAME need not exist.")
@with_api
def count(client: ControlClient, out: Output, app: str, name: str, where: str | None) -> None:
    """Count the devices in segment NAME of APP, or that would be with another expression, of those whose reports the
    node still holds. Saves nothing."""
    found = client.post(app_path(app, "segments", name, "count"), {"where": where})

    def print_text() -> None:
        line(f"{found['matching']} of {counted(found['devices'], 'known device')} match: {found['where']}")
        for field, devices in found["unknown"].items():
            line(f"{field} is unknown of {counted(devices, 'device')}: what is unknown matches nothing")
        for warning in found["warnings"]:
            note(f"warning: {warning}")

    out.result(found, print_text)


@segment.command(short_help="Test whether a device is in segment NAME of APP.")
@click.argument("app")
@click.argument("name")
@click.option(
    "--body", type=click.File("rb"), metavar="FILE", help="Body that the device posts to /updates; - is stdin."
)
@click.option("--device", metavar="ID", help="Device id: test the device as it last reported.")
@click.option("--where", metavar="EXPR", help="Test this expression instead of the saved one; NAME need not exist.")
@click.option("--leave", metavar="EXPR", help="Tell whether a device that was in would leave by this expression.")
@click.option("--country", default="", metavar="CC", help="Country that a trusted proxy would report, such as DE.")
@with_api
def test(
    client: ControlClient,
    out: Output,
    app: str,
    name: str,
    body: IO[bytes] | None,
    device: str | None,
    where: str | None,
    leave: str | None,
    country: str,
) -> None:
    """Test whether a device is in segment NAME of APP, or would be with another expression. Saves nothing."""
    if (body is None) == (device is None):
        raise click.UsageError("give either --body or --device")
    question, unreported = (read_body(body), "") if body is not None else _question_of(client, app, str(device))
    asked = {"device": msgspec.Raw(question), "where": where, "leave": leave, "country": country}
    tested = client.post(app_path(app, "segments", name, "test"), asked)

    def print_text() -> None:
        if unreported:
            line(unreported)
        line(f"{'in' if tested['matches'] else 'not in'} segment {name}: {tested['where']}")
        if tested["leaves"] is not None:
            line(f"a device like it that was in {'leaves' if tested['leaves'] else 'stays'}: leave {tested['leave']}")
        if tested["judged"]:
            line(f"judged {tested['judged']}")
        if tested["unknown"]:
            line(f"unknown for this device: {', '.join(tested['unknown'])}")

    out.result(tested, print_text)


def _question_of(client: ControlClient, app: str, device: str) -> tuple[bytes, str]:
    """What the device would post: its latest report or that of a fresh device, and in the latter case a sentence."""
    found = client.get(f"{app_path(app, 'explain')}?{urlencode({'device_id': device})}")
    unreported = "" if found["reported"] else unreported_sentence(found["asked"])
    return msgspec.json.encode({**found["asked"], "app_id": app}), unreported


def _sentence(view: dict[str, Any]) -> str:
    leads = f", sends to channel {view['channel']}" if view["channel"] else ""
    leaves = f", leaves by {view['leave']}" if view["leave"] else ""
    return f"{view['name']}: {view['where']}{leaves}{leads}, priority {view['priority']}"
