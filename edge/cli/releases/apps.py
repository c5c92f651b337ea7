"""`edge app`: apps on the node and their event keys, and the check of an app's folder."""

from typing import Any

import click

from edge.cli.app_folder.doctor import doctor
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, fields, line, moment, note, table
from edge.domain.schedule.durations import parse_duration


@click.group()
def app() -> None:
    """Manage apps and their event keys; check an app's folder."""


app.add_command(doctor)


@app.command()
@click.argument("app")
@click.option("--expose-metadata", is_flag=True, help="Send a bundle's link and comment to devices.")
@click.option("--org", metavar="NAME", help="The organisation that owns it; default: your own one.")
@with_change
def create(client: ControlClient, out: Output, app: str, expose_metadata: bool, org: str | None) -> None:
    """Create APP, named by the native app's id, such as com.example.app.

    An id has at most 128 characters: letters, digits, '-' and '_', in parts separated by '.'.
    """
    owner = {"organisation": org} if org is not None else {}  # older nodes do not know it
    made = client.post("/v1/apps", {"app": app, "expose_metadata": expose_metadata, **owner})
    out.result(made, lambda: line(f"created {made['app']}"))


@app.command("list")
@with_api
def list_apps(client: ControlClient, out: Output) -> None:
    """List the apps that the token can access."""
    apps = client.get("/v1/apps")

    def print_text() -> None:
        columns = ("app", "revision", "bundles", "channels", "overrides", "state")
        rows = [each | {"state": "damaged" if each.get("damaged") else "whole"} for each in apps]
        table(columns, [[each[name] for name in columns] for each in rows], "no apps yet")
        for each in apps:
            if each.get("damaged"):
                note(f"{each['app']} is damaged: {each['damaged']}")

    out.result(apps, print_text)


@app.command()
@click.argument("app")
@with_api
def show(client: ControlClient, out: Output, app: str) -> None:
    """Show APP and its channels."""
    found = client.get(app_path(app))

    def print_text() -> None:
        names = ("app", "revision", "bundles", "overrides", "expose_metadata")
        fields([(name.replace("_", " "), found[name]) for name in names])
        rows = [[each["name"], each["bundle"], each["public"]] for each in found["channels"]]
        line("")
        table(("channel", "bundle", "public"), rows, "no channels yet")
        if found["event_keys"]:
            line("")
            _print_keys(found)
        for each in found.get("approval_warnings", ()):  # older nodes do not count approvers
            note(f"approval: {each}")

    out.result(found, print_text)


@app.command("set", short_help="Set who has to agree to changes of APP.")
@click.argument("app")
@click.option(
    "--approve",
    required=True,
    metavar="CHANNEL:N|app:N",
    help="N people stand behind a change of CHANNEL; 1: one. app:N: behind those of features, and messages.",
)
@click.option(
    "--approve-for",
    "kinds",
    default="",
    metavar="KINDS",
    help="For which changes, separated by commas; by default for all that can be named.",
)
@click.option("--for", "expires", default="7d", show_default=True, metavar="TIME", help="How long a proposal waits.")
@with_change
def set_app(client: ControlClient, out: Output, app: str, approve: str, kinds: str, expires: str) -> None:
    """Have several people stand behind changes of a channel of APP, or of its features and messages.

    N counts its author and everybody who approves it: with production:2, one person asks and another one approves
    (`edge proposal`). production:1 ends that, and is itself a change that two have to stand behind, as is everything
    that asks for less than before. A channel that is called app is channel:app:2.

    Of a channel: publish,promote,withdraw,delete. publish: another bundle for all or some, or an experiment. promote:
    more devices get what some have. withdraw: a bundle that the channel offers or has offered. delete: the channel, the
    app, a bundle that it can fall back to. Settings, segments that lead devices away and a guard that allows more need
    it whatever is named. Pauses pass; so do rollbacks to what the channel offered before, of which webhooks are told.

    Of the app (app:2): feature,message. feature: what a feature gives to devices; killing one passes as a rollback
    does. message: one to devices.
    """
    channel, colon, people = approve.rpartition(":")
    if not colon or not channel or not (people.isascii() and people.isdigit()):
        raise click.BadParameter("use CHANNEL:N, as in production:2", param_hint="--approve")
    body: dict[str, Any] = {"people": int(people[:4]), "expires_seconds": parse_duration(expires)}
    if kinds:
        body["kinds"] = [each.strip() for each in kinds.split(",")]
    name = channel.removeprefix("channel:")
    path = app_path(app, "approval") if channel == "app" else app_path(app, "channels", name, "approval")
    done = client.put(path, body)

    def print_text() -> None:
        rows = [
            [each["channel"] or "(the app)", each["people"], ", ".join(each["kinds"]), _approvers(each)]
            for each in done["approvals"]
        ]
        table(("channel", "people", "for", "may approve"), rows, f"one person is enough for every change of {app}")
        for each in done["approvals"]:
            if each.get("warning"):
                note(each["warning"])

    out.result(done, print_text)


def _approvers(rule: dict[str, Any]) -> str:
    """Members of a login provider's groups cannot be counted; older nodes count nobody."""
    counted = rule.get("approvers")
    return f"{counted} people" if counted is not None else "cannot be counted (groups)" if "approvers" in rule else "?"


@app.command(short_help="Delete APP and everything in it.")
@click.argument("app")
@with_asking
@with_change
def delete(client: ControlClient, out: Output, asking: Asking, app: str) -> None:
    """Delete APP with its bundles, channels, segments and overrides. On a terminal, confirm by typing its id.

    Devices keep the bundle they run and get no more updates; downloads in progress can finish. Version names stay
    taken, even if the app is created again. History and device reports are kept. `edge undo` restores the app.
    """
    request = ControlRequest("DELETE", app_path(app))
    gone = carry_out(client, out, asking, request, f"delete app {app} and everything in it", type_in=app)
    out.result(gone, lambda: line(f"deleted app {app} (revision {gone['revision']})"))


NEWEST = "--keep (30d) after the next is made"


@app.group()
def key() -> None:
    """Make and remove the keys for events of an app's own code.

    An app without a key takes events (`POST /events`) from whoever knows its id. The key is in the app's code, where
    everybody can read it: it is no secret, and can be replaced.
    """


@key.command()
@click.argument("app")
@click.option("--keep", default="30d", show_default=True, metavar="TIME", help="Take the former key for so long.")
@with_change
def make(client: ControlClient, out: Output, app: str, keep: str) -> None:
    """Make the key that events of APP need from now on.

    The former key is taken for --keep more (0s: no longer), for devices that run an older bundle. With the first key,
    events without one are refused at once.
    """
    client.post(app_path(app, "event-keys"), {"keep_seconds": parse_duration(keep)})
    _show_keys(client, out, app)


@key.command()
@click.argument("app")
@with_change
def remove(client: ControlClient, out: Output, app: str) -> None:
    """Remove all event keys of APP: its events are taken without one."""
    gone = client.delete(app_path(app, "event-keys"))
    out.result(gone, lambda: line(f"{app} takes events without a key"))


def _show_keys(client: ControlClient, out: Output, app: str) -> None:
    found = client.get(app_path(app))
    out.result({"app": found["app"], "event_keys": found["event_keys"]}, lambda: _print_keys(found))


def _print_keys(found: dict[str, Any]) -> None:
    rows = [
        [each["key"], moment(each["made"]), moment(each["until"]) if each["until"] else NEWEST]
        for each in reversed(found["event_keys"])
    ]
    table(("event key", "made", "taken until"), rows, "")
