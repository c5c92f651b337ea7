"""`edge app`: create, list, show and delete apps; check an app's folder."""

import click

from edge.cli.app_folder.doctor import doctor
from edge.cli.terminal.asking import Asking, ControlRequest, carry_out, with_asking
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, fields, line, table


@click.group()
def app() -> None:
    """Create, list and delete apps; check an app's folder."""


app.add_command(doctor)


@app.command()
@click.argument("app")
@click.option("--expose-metadata", is_flag=True, help="Tell devices a bundle's link and comment.")
@with_api
def create(client: ControlClient, out: Output, app: str, expose_metadata: bool) -> None:
    """Create APP, the id of the native app, like com.example.app.

    Letters, digits, '-' and '_', in one part or several with a '.' between them; at most 128 characters.
    """
    made = client.post("/v1/apps", {"app": app, "expose_metadata": expose_metadata})
    out.result(made, lambda: line(f"created {made['app']}"))


@app.command("list")
@with_api
def list_apps(client: ControlClient, out: Output) -> None:
    """List the apps that the token may see."""
    apps = client.get("/v1/apps")
    columns = ("app", "revision", "bundles", "channels", "overrides")
    out.result(apps, lambda: table(columns, [[each[name] for name in columns] for each in apps], "no apps yet"))


@app.command()
@click.argument("app")
@with_api
def show(client: ControlClient, out: Output, app: str) -> None:
    """Show APP with its channels."""
    found = client.get(app_path(app))

    def tell() -> None:
        names = ("app", "revision", "bundles", "overrides", "expose_metadata")
        fields([(name.replace("_", " "), found[name]) for name in names])
        rows = [[each["name"], each["bundle"], each["public"]] for each in found["channels"]]
        table(("channel", "bundle", "public"), rows, "no channels yet")

    out.result(found, tell)


@app.command(short_help="Delete APP with all it has.")
@click.argument("app")
@with_asking
@with_api
def delete(client: ControlClient, out: Output, asking: Asking, app: str) -> None:
    """Delete APP: its bundles, channels, segments and overrides. On a terminal its id has to be typed.

    Devices keep what they run and hear that there is nothing new; downloads under way can end. Version names stay used
    up, also if the app is created again. History, and what devices reported, stays. `edge undo` brings the app back.
    """
    request = ControlRequest("DELETE", app_path(app))
    gone = carry_out(client, out, asking, request, f"delete app {app} with all it has", type_in=app)
    out.result(gone, lambda: line(f"deleted app {app} (revision {gone['revision']})"))
