"""`edge feature preview` and `explain`: who gets what, before and after a change, and why one device does."""

from typing import IO, Any
from urllib.parse import urlencode

import click
import msgspec

from edge.cli.devices.body import read_body
from edge.cli.features.conditions import shown_value
from edge.cli.features.settings import setting_options, settings_body
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, line, moment, note, table


@click.command(short_help="Show how many known devices get what of feature NAME.")
@click.argument("app")
@click.argument("name")
@setting_options
@with_api
def preview(client: ControlClient, out: Output, app: str, name: str, **given: Any) -> None:
    """Show how many known devices get what of feature NAME of APP, and what settings would change, given as to `set`.
    Nothing is changed."""
    found = client.post(app_path(app, "features", name, "preview"), settings_body(client, app, name, given))
    out.result(found, lambda: _print_preview(found))


def _print_preview(found: dict[str, Any]) -> None:
    before = {(each["variant"], shown_value(each["value"])): each["devices"] for each in found["before"]}
    after = {(each["variant"], shown_value(each["value"])): each["devices"] for each in found["after"]}
    rows = [
        [variant, value, before.get((variant, value), 0), after.get((variant, value), 0)]
        for variant, value in dict.fromkeys((*after, *before))
    ]
    table(("variant", "value", "devices now", "then"), rows, "no device gets it")
    line(f"{found['touched'] or 'none'} of {counted(found['devices'], 'known device')} get another value")
    for each in found["moves"]:
        was, becomes = shown_value(each["was"]), shown_value(each["becomes"])
        line(f"  {counted(each['devices'], 'device')}: {becomes} instead of {was}")
    for each in found["others"]:
        line(f"feature {each['feature']} changes with it, for {counted(each['touched'] or 0, 'device')}")
    if found["cut"]:
        note(f"only reports since {moment(found['since'])} were read: there may be more devices")


@click.command(short_help="Explain what a device gets of feature NAME.")
@click.argument("app")
@click.argument("name")
@click.argument("device", required=False)
@click.option(
    "--context", metavar="JSON", help="Context with which an app asks: targetingKey, platform, version_name …"
)
@click.option(
    "--body", type=click.File("rb"), metavar="FILE", help="Body that the device posts to /updates; - is stdin."
)
@click.option("--country", default="", metavar="CC", help="Country that a trusted proxy would report, such as DE.")
@with_api
def explain(
    client: ControlClient,
    out: Output,
    app: str,
    name: str,
    device: str | None,
    context: str | None,
    body: IO[bytes] | None,
    country: str,
) -> None:
    """Explain step by step what DEVICE gets of feature NAME of APP, as it last reported; or a device that posts --body
    to /updates; or an app that asks with --context, which is understood as an SDK's is."""
    if sum(each is not None for each in (device, context, body)) != 1:
        raise click.UsageError("give one of DEVICE, --context and --body")
    path = app_path(app, "features", name, "explain")
    if device is not None:
        asked = {"device_id": device}
        found = client.get(f"{path}?{urlencode(asked | ({'country': country} if country else {}))}")
    else:
        said = msgspec.Raw(read_body(body)) if body is not None else {"context": _context(str(context))}
        found = client.post(f"{path}?{urlencode({'country': country})}", said)
    out.result(found, lambda: _print_explained(found))


@click.command(short_help="Show how many devices were given what of feature NAME, and used it.")
@click.argument("app")
@click.argument("name")
@with_api
def used(client: ControlClient, out: Output, app: str, name: str) -> None:
    """Show how many devices were given which value of feature NAME of APP in the last 7 days, if that is recorded
    (`edge feature set --note`), and how many said that they used a feature of that name."""
    found = client.get(app_path(app, "features", name, "figures"))
    out.result(found, lambda: print_used(name, found))


def print_used(name: str, found: dict[str, Any]) -> None:
    """The figures of the last 7 days."""
    rows = [[each["variant"], each["devices"]["value"], f"{each['share']['value']:.1%}"] for each in found["given"]]
    table(("variant", "devices in 7 days", "share"), rows, "no device was recorded with a value in 7 days")
    line(f"{counted(found['used']['value'], 'device')} said that they used {name}")


def _context(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise click.UsageError(f"--context is no JSON object: {error}") from error


def _print_explained(found: dict[str, Any]) -> None:
    rows = [
        [each["step"], each["outcome"], ", ".join(f"{key} {shown_value(value)}" for key, value in each["saw"].items())]
        for each in found["steps"]
    ]
    table(("step", "outcome", "saw"), rows, "")
    value, told = shown_value(found["value"]), found["metadata"]
    why = f"variant {found['variant']}, {found['reason']} ({told['why']}), since r{told['version']}"
    line(f"{found['name']} = {value}: {why}")
    if found["reported"]:
        note(f"as the device reported at {moment(found['reported'])}")
