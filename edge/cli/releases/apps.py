"""`edge app`: apps on the node, and the check of an app's folder."""

import click

from edge.cli.app_folder.doctor import doctor
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, fields, line, note, table


@click.group()
def app() -> None:
    """Create, list, show and delete apps; check an app's folder."""


app.add_command(doctor)


@app.command()
@click.argument("app")
@click.option("--expose-metadata", is_flag=True, help="Send a bundle's link and comment to devices.")
@with_api
def create(client: ControlClient, out: Output, app: str, expose_metadata: bool) -> None:
    """Create APP, named by the native app's id, such as com.example.app.

    An id has at most 128 characters: letters, digits, '-' and '_', in parts separated by '.'.
    """
    made = client.post("/v1/apps", {"app": app, "expose_metadata": expose_metadata})
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

    out.result(found, print_text)


@app.command(short_help="Delete APP and everything in it.")
@click.argument("app")
@with_asking
@with_api
def delete(client: ControlClient, out: Output, asking: Asking, app: str) -> None:
    """Delete APP with its bundles, channels, segments and overrides. On a terminal, confirm by typing its id.

    Devices keep the bundle they run and get no more updates; downloads in progress can finish. Version names stay
    taken, even if the app is created again. History and device reports are kept. `edge undo` restores the app.
    """
    request = ControlRequest("DELETE", app_path(app))
    gone = carry_out(client, out, asking, request, f"delete app {app} and everything in it", type_in=app)
    out.result(gone, lambda: line(f"deleted app {app} (revision {gone['revision']})"))
