"""`edge app doctor`: find what in an app's folder would keep its devices from updating.

Reads files only; with --online it also sends one request to the node that they name.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.terminal.options import with_output
from edge.cli.terminal.output import Output, counted, line

if TYPE_CHECKING:
    from edge.cli.app_folder.findings import AppFinding


@click.command("doctor", short_help="Check an app's folder for what keeps devices from updating.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".", required=False)
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Key file that publicKey must match; default: the key in edge.json, or .capgo_key_v2.pub.",
)
@click.option("--online", is_flag=True, help="Also check that the node at updateUrl answers.")
@with_output
def doctor(out: Output, folder: Path, key_file: Path | None, online: bool) -> None:
    """Check the app in FOLDER (default: this one): plugin, addresses, notifyAppReady, key, settings,
    Content-Security-Policy.

    Runs none of the app's code, and sends no request without --online. Exits 1 if it finds an error.
    """
    from edge.cli.app_folder.findings import Level, find_faults  # imports the table of all plugin releases
    from edge.cli.app_folder.folder import read_app_folder
    from edge.cli.app_folder.online import ask_node

    read = read_app_folder(folder, key_file)
    findings = find_faults(read) + (ask_node(read) if online else [])
    out.result([each._asdict() for each in findings], lambda: _print_text(findings))
    if any(each.level is Level.ERROR for each in findings):
        raise click.exceptions.Exit(1)


def _print_text(findings: "list[AppFinding]") -> None:
    for each in findings:
        line(f"{each.level:<7}  {each.about}: {each.says}")
        if each.remedy:
            line(f"{'':7}  -> {each.remedy}")
    line(", ".join(counted(sum(each.level == level for each in findings), level) for level in ("error", "warning")))
