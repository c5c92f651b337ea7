"""`edge app doctor`: see what of an app's folder would keep its devices from updating.

Reads files; only with --online it asks the node that they name whether it is there.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, counted, line

if TYPE_CHECKING:
    from edge.cli.app_folder.findings import AppFinding


@click.command("doctor", short_help="See what of an app's folder keeps devices from updating.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".", required=False)
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The key's file that publicKey must belong to; else that of edge.json, or .capgo_key_v2.pub here.",
)
@click.option("--online", is_flag=True, help="Also ask the node of updateUrl whether it is there.")
@with_output
def doctor(out: Output, folder: Path, key_file: Path | None, online: bool) -> None:
    """Check the app in FOLDER (this one): plugin, addresses, notifyAppReady, key, settings, Content-Security-Policy.

    Nothing of the app is run, and nobody is asked without --online. Exit code 1 when there is an error.
    """
    from edge.cli.app_folder.findings import Level, find_faults  # with the table of all plugin releases
    from edge.cli.app_folder.folder import read_app_folder
    from edge.cli.app_folder.online import ask_node

    read = read_app_folder(folder, key_file)
    findings = find_faults(read) + (ask_node(read) if online else [])
    out.result([each._asdict() for each in findings], lambda: _tell(findings))
    if any(each.level is Level.ERROR for each in findings):
        raise click.exceptions.Exit(1)


def _tell(findings: "list[AppFinding]") -> None:
    for each in findings:
        line(f"{each.level:<7}  {each.about}: {each.says}")
        if each.remedy:
            line(f"{'':7}  -> {each.remedy}")
    line(", ".join(counted(sum(each.level == level for each in findings), level) for level in ("error", "warning")))
