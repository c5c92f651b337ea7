"""`edge restart`: the node of this configuration changes over to a new process, without a refused connection."""

import os
from pathlib import Path

import click

from edge.cli.terminal.options import with_config, with_output
from edge.cli.terminal.output import Output, line
from edge.config import load_config
from edge.node.succession.door import ask_to_restart


@click.command()
@with_config
@with_output
def restart(output: Output, config_file: Path | None) -> None:
    """Restart this machine's node without refusing a connection.

    A new process starts with the same command line: the release that is installed now, and the configuration as it is
    now. It serves before the old one stops. If it does not, the old one goes on, and this command says why and exits
    with 1. Ports and data_dir cannot change this way.
    """
    restarted = ask_to_restart(load_config(config_file, os.environ).node_dir)
    text = f"restarted: process {restarted.pid} serves, release {restarted.version}"
    output.result(restarted, lambda: line(text))
