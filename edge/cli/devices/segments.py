"""`edge segment`: devices told apart by an expression; a segment may lead to a channel, rollouts may name it."""

from typing import IO, Any
from urllib.parse import urlencode

import click
import msgspec

from edge.cli.devices.body import read_body
from edge.cli.devices.explain import unreported_sentence
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, fields, line, note, table
from edge.domain.targeting.language import language_rows

_RULES = """\b
The language is a subset of CEL. Values stand in quotes, numbers do not:
  == != < <= > >=   in ["a", "b"]   && || !   ( )   true false
A version may be short: "14" is 14.0.0. What is unknown of a device makes no
comparison true, != and ! included. Of what devices did (first_seen_days,
sessions_7d, errors_7d, feature) nothing is known yet, of any device."""


def _language() -> str:
    """The table of the language, an example and its meaning in each line."""
    rows = [(example, meaning) for _, _, meaning, example in language_rows()]
    width = max(len(example) for example, _ in rows)
    return "\n".join([_RULES, "", "\b", *(f"  {example:<{width}}  {meaning}" for example, meaning in rows)])


@click.group()
def segment() -> None:
    """Tell devices apart by an expression."""


@segment.command("set", epilog=_language(), short_help="Make segment NAME of APP, or change it.")
@click.argument("app")
@click.argument("name")
@click.option("--where", metavar="EXPR", help="Who is in it; see below. A new segment needs it.")
@click.option("--channel", help="Where it sends its devices; without one, rollouts and experiments may name it.")
@click.option("--no-channel", is_flag=True, help="It leads nowhere any more.")
@click.option("--priority", type=int, help="The lowest is asked first, then by name; 100 unless told.")
@click.option(
    "--yield-to-self-set/--never-yield",
    "yield_to_self_set",
    default=None,
    help="Leave a device on its own defaultChannel, or never.",
)
@click.option("--default-yield", is_flag=True, help="Where that may be chosen and is not public: so it is unless told.")
@with_api
def set_segment(
    client: ControlClient, out: Output, app: str, name: str, no_channel: bool, default_yield: bool, **given: Any
) -> None:
    """Make segment NAME of APP, or change it; what is not given stays as it is."""
    settings = {name: value for name, value in given.items() if value is not None}
    if no_channel and "channel" in settings:
        raise click.UsageError("either --channel or --no-channel")
    if default_yield and "yield_to_self_set" in settings:
        raise click.UsageError("one of --yield-to-self-set, --never-yield and --default-yield")
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
    """List the segments of APP in the order in which they are asked."""
    segments = client.get(app_path(app, "segments"))
    rows = [[each["priority"], each["name"], each["channel"], each["where"]] for each in segments]
    out.result(segments, lambda: table(("priority", "segment", "channel", "where"), rows, "no segments yet"))


@segment.command()
@click.argument("app")
@click.argument("name")
@with_api
def show(client: ControlClient, out: Output, app: str, name: str) -> None:
    """Show segment NAME of APP."""
    found = client.get(app_path(app, "segments", name))
    yields = {True: "always", False: "never", None: "where it may be chosen and is not public"}
    pairs = (
        ("name", found["name"]),
        ("where", found["where"]),
        ("channel", found["channel"] or ""),
        ("priority", found["priority"]),
        ("yields to defaultChannel", yields[found["yield_to_self_set"]]),
    )
    out.result(found, lambda: fields(pairs))


@segment.command()
@click.argument("app")
@click.argument("name")
@with_asking
@with_api
def delete(client: ControlClient, out: Output, asking: Asking, app: str, name: str) -> None:
    """Delete segment NAME of APP."""
    request = ControlRequest("DELETE", app_path(app, "segments", name))
    gone = carry_out(client, out, asking, request, f"delete segment {name} of {app}")
    out.result(gone, lambda: line(f"deleted segment {name} of {app}"))


@segment.command(short_help="Tell whether a device is in a segment, or would be.")
@click.argument("app")
@click.argument("name")
@click.option("--body", type=click.File("rb"), help="What the device posts to /updates; - is stdin.")
@click.option("--device", metavar="ID", help="Instead: the device as it last reported, as `edge explain` asks.")
@click.option("--where", metavar="EXPR", help="Try this instead of what is saved; NAME need not exist then.")
@click.option("--country", default="", help="What a trusted proxy would say of the device, like DE.")
@with_api
def test(
    client: ControlClient,
    out: Output,
    app: str,
    name: str,
    body: IO[bytes] | None,
    device: str | None,
    where: str | None,
    country: str,
) -> None:
    """Tell whether a device is in segment NAME of APP, or would be with another expression. Saves nothing."""
    if (body is None) == (device is None):
        raise click.UsageError("give either --body or --device")
    question, unreported = (read_body(body), "") if body is not None else _question_of(client, app, str(device))
    asked = {"device": msgspec.Raw(question), "where": where, "country": country}
    tested = client.post(app_path(app, "segments", name, "test"), asked)

    def tell() -> None:
        if unreported:
            line(unreported)
        line(f"{'is in' if tested['matches'] else 'is not in'} segment {name}: {tested['where']}")
        if tested["unknown"]:
            line(f"unknown of this device: {', '.join(tested['unknown'])}")

    out.result(tested, tell)


def _question_of(client: ControlClient, app: str, device: str) -> tuple[bytes, str]:
    """What the device would post: its latest report, or what a fresh one says; and a sentence about that."""
    found = client.get(f"{app_path(app, 'explain')}?{urlencode({'device_id': device})}")
    unreported = "" if found["reported"] else unreported_sentence(found["asked"])
    return msgspec.json.encode({**found["asked"], "app_id": app}), unreported


def _sentence(view: dict[str, Any]) -> str:
    leads = f", leads to channel {view['channel']}" if view["channel"] else ""
    return f"{view['name']}: {view['where']}{leads}, priority {view['priority']}"
