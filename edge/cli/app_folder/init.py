"""`edge init`: write edge.json from the app's Capacitor configuration, so that `edge publish` needs no arguments."""

import os
from pathlib import Path
from typing import NamedTuple

import click

from edge.cli.app_folder.app_file import APP_FILE, AppFile, encode_app_file
from edge.cli.app_folder.branches import find_branch
from edge.cli.app_folder.capacitor import CapacitorConfig, read_capacitor
from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, line, note
from edge.domain.errors import Conflict, Invalid
from edge.domain.model import parse_app_id, parse_channel_name

MAIN_BRANCHES = ("main", "master", "trunk")
CHANNEL = "production"


class Draft(NamedTuple):
    """The edge.json to write."""

    file: AppFile
    notes: tuple[str, ...]  # what the user should check


@click.command("init")
@click.option("--server", envvar="EDGE_URL", default="", metavar="URL", help="Address of the control API (EDGE_URL).")
@click.option("--app", default="", metavar="APP", help="App id; default: appId in capacitor.config.")
@click.option("--web", default="", metavar="PATH", help="Built web folder; default: webDir in capacitor.config.")
@click.option("--channel", metavar="NAME", default=CHANNEL, show_default=True, help="Channel for the main branch.")
@click.option("--force", is_flag=True, help=f"Overwrite {APP_FILE}.")
@with_output
def init(out: Output, server: str, app: str, web: str, channel: str, force: bool) -> None:
    """Write edge.json in the app's folder, from its capacitor.config.{json,ts,js}.

    The file is parsed, never run. Settings that are not literals are listed; give them as options.
    """
    file = Path(APP_FILE)
    if file.exists() and not force:
        raise Conflict("app_file_exists", f"{APP_FILE} already exists; use --force to overwrite it")
    branch = find_branch(os.environ, Path())
    draft = draft_app_file(read_capacitor(Path()), server=server, app=app, web=web, channel=channel, branch=branch)
    file.write_bytes(encode_app_file(draft.file))

    def print_text() -> None:
        line(f"wrote {APP_FILE}: {draft.file.app}, {draft.file.web}")
        for pattern, name in draft.file.channels.items():
            line(f"branch {pattern} is published to channel {name}")
        for each in draft.notes:
            note(each)
        line(f"next: edge app create {draft.file.app}, edge channel create {draft.file.app} {channel} --public")
        line("then: edge app doctor, and edge publish after each build")

    out.result({"file": APP_FILE, "settings": draft.file, "notes": draft.notes}, print_text)


def draft_app_file(
    config: CapacitorConfig | None, *, server: str, app: str, web: str, channel: str, branch: str
) -> Draft:
    """Options take precedence over the configuration. Raises Invalid `unknown_app_id`, and for malformed names."""
    read = config or CapacitorConfig(Path(), {}, ())
    app = app or read.text("plugins", "CapacitorUpdater", "appId") or read.text("appId")
    if not app:
        raise Invalid("unknown_app_id", f"{_why(config, 'appId')}; use --app")
    web = web or read.text("webDir")
    notes = [f"{read.file.name}: {name} is not a literal and was not read" for name in read.unread]
    if not web:
        web = "dist"
        notes.append(f"{_why(config, 'webDir')}: assumed {web!r}; change it in {APP_FILE}, or use --web")
    if not server:
        notes.append(f'no server: set "server" in {APP_FILE} or EDGE_URL, unless the node runs on this machine')
    if not branch:
        notes.append(f"no git branch here: use `edge publish --channel {channel}`")
    main = branch if branch in MAIN_BRANCHES else MAIN_BRANCHES[0]
    made = AppFile(
        app=parse_app_id(app), web=Path(web).as_posix(), server=server, channels={main: parse_channel_name(channel)}
    )
    return Draft(made, tuple(notes))


def _why(config: CapacitorConfig | None, name: str) -> str:
    if config is None:
        return "no capacitor.config.json, .ts or .js in this folder"
    how = "is not a literal" if config.is_unread(name) else "is not set"
    return f"{name} {how} in {config.file.name}"
