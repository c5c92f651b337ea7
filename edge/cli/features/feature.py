"""`edge feature`: typed values that an app's code asks for by name, by segment, share and bundle."""

from typing import Any

import click

from edge.cli.features.conditions import shown_value
from edge.cli.features.experiments import print_trial
from edge.cli.features.feature_key import feature_key
from edge.cli.features.foreseen import explain, preview, print_used, used
from edge.cli.features.settings import setting_options, settings_body
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, takes_yes, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, fields, line, note, table
from edge.domain.errors import Unavailable

_HOW = """\b
A rule is [NAME:] SEGMENT or EXPRESSION [@ SHARE%] => VALUE:
  --rule 'beta => true'                          a segment
  --rule 'platform == "ios" => true'             an expression, as of segments
  --rule 'slow-start: beta @ 20% => true'        named, for a share of them
The first that takes a device decides; then --share, of the others; then
--default. Values are JSON; of a string feature, any text. A rule's name is
sent to devices, a segment's is not."""


@click.group()
def feature() -> None:
    """Give parts of an app values by segment, without a release."""


feature.add_command(preview)
feature.add_command(explain)
feature.add_command(feature_key)
feature.add_command(used)


@feature.command("set", epilog=_HOW, short_help="Create or change feature NAME of APP.")
@click.argument("app")
@click.argument("name")
@setting_options
@click.option("--dry-run", is_flag=True, help="Show the change and the devices it affects, without making it.")
@takes_yes
@with_change
def set_feature(client: ControlClient, out: Output, app: str, name: str, dry_run: bool, **given: Any) -> None:
    """Create or change feature NAME of APP; settings not given stay as they are. --rule, if given, is all rules."""
    body = settings_body(client, app, name, given)
    if not body:
        raise click.UsageError("nothing to change: give at least one setting")
    request = ControlRequest("PATCH", app_path(app, "features", name), body)
    after = carry_out(client, out, Asking(yes=True, dry_run=dry_run), request, f"set feature {name} of {app}")
    out.result(after, lambda: _print_set(after))


@feature.command("list")
@click.argument("app")
@with_api
def list_features(client: ControlClient, out: Output, app: str) -> None:
    """List the features of APP: what each gives to whom."""
    found = client.get(app_path(app, "features"))

    def print_text() -> None:
        rows = [[each["name"], each["type"], _state(each), [_said(step) for step in each["said"]]] for each in found]
        table(
            ("feature", "type", "state", "gives"),
            rows,
            f"no features yet: edge feature set {app} NAME --type boolean --default false",
        )

    out.result(found, print_text)


@feature.command(short_help="Show feature NAME of APP.")
@click.argument("app")
@click.argument("name")
@with_api
def show(client: ControlClient, out: Output, app: str, name: str) -> None:
    """Show feature NAME of APP: who gets what, how many devices were given what, and what its experiment shows."""
    path = app_path(app, "features", name)
    found = client.get(path)

    def print_text() -> None:
        _print_one(found)
        try:
            print_used(name, client.get(f"{path}/figures"))
        except Unavailable as error:
            note(f"its figures cannot be said now: {error.message}")
        if found["experiment"]:
            print_trial(client, app, name)

    out.result(found, print_text)


@feature.command(short_help="Give every device the default of feature NAME at once.")
@click.argument("app")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Show the devices that it affects and what it may turn on, only.")
@takes_yes
@with_change
def kill(client: ControlClient, out: Output, app: str, name: str, dry_run: bool) -> None:
    """Give every device the default of feature NAME of APP at once, whatever its rules say. `revive` ends that.

    A feature that needs this default as its prerequisite may be turned on by it: the answer names those.
    """
    request = ControlRequest("POST", app_path(app, "features", name, "kill"))
    after = carry_out(
        client,
        out,
        Asking(yes=True, dry_run=dry_run),
        request,
        lambda foreseen: f"kill feature {name} of {app}{_turning_on(foreseen)}",
    )
    gives = shown_value(after["default"])
    said = f"{'killed' if after['changed'] else 'already killed:'} {name}: everybody gets {gives}"
    out.result(after, lambda: line(said + _turning_on(after)))


@feature.command()
@click.argument("app")
@click.argument("name")
@with_asking
@with_change
def revive(client: ControlClient, out: Output, asking: Asking, app: str, name: str) -> None:
    """Have the rules of feature NAME of APP apply again."""
    request = ControlRequest("POST", app_path(app, "features", name, "revive"))
    after = carry_out(client, out, asking, request, f"revive feature {name} of {app}")
    out.result(after, lambda: _print_set(after))


@feature.command()
@click.argument("app")
@click.argument("name")
@with_asking
@with_change
def delete(client: ControlClient, out: Output, asking: Asking, app: str, name: str) -> None:
    """Delete feature NAME of APP: apps use the default in their code."""
    request = ControlRequest("DELETE", app_path(app, "features", name))
    gone = carry_out(client, out, asking, request, f"delete feature {name} of {app}")
    out.result(gone, lambda: line(f"deleted feature {name} of {app}"))


def _turning_on(found: dict[str, Any]) -> str:
    """The end of a line, if there is anything to say."""
    names = found.get("kill_turns_on", ())  # a node of an earlier release has none
    needs = "needs" if len(names) == 1 else "need"
    return f"; this may turn on {', '.join(names)}, which {needs} what every device then gets" if names else ""


def _print_set(after: dict[str, Any]) -> None:
    line(f"{'set' if after['changed'] else 'no change:'} feature {after['name']}")
    for step in after["said"]:
        line(f"  {_said(step)}")


def _print_one(found: dict[str, Any]) -> None:
    turned_on = found.get("kill_turns_on", ())
    fields(
        (
            ("feature", found["name"]),
            ("about", found["about"]),
            ("type", found["type"]),
            ("state", _state(found)),
            ("changed", f"r{found['version']}"),
            ("needs", found["needs"]),
            ("needed by", ", ".join(found["needed_by"])),
            ("if killed", f"may turn on {', '.join(turned_on)}" if turned_on else ""),
            ("experiment", found["experiment"]["name"] if found["experiment"] else ""),
        )
    )
    names = {each["segment"] or each["where"]: each["name"] for each in found["rules"]}
    rows = [[step["whom"], shown_value(step["value"])] for step in found["said"]]
    table(("who", "gets"), rows, "")
    if names:
        line(f"rules are called {', '.join(names.values())}")


def _said(step: dict[str, Any]) -> str:
    return f"{step['whom']} → {shown_value(step['value'])}"


def _state(found: dict[str, Any]) -> str:
    told = "on" if found["on"] else "KILLED"
    more = [
        *(["servers only"] if found["server_only"] else []),
        *(["noted"] if found["noted"] else []),
        *([f"experiment {found['experiment']['name']}"] if found["experiment"] else []),
    ]
    return ", ".join([told, *more])
