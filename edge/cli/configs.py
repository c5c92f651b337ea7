"""`edge config`: whether a node would start with this configuration, and where each value comes from."""

import os
from pathlib import Path

import click

from edge.cli.options import with_config, with_output
from edge.cli.output import Output, line, table
from edge.config import load_settings


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command(short_help="Tell whether `edge serve` would take it.")
@with_config
@with_output
def check(out: Output, config_file: Path | None) -> None:
    """Read the configuration as `edge serve` does; what is wrong is told by name."""
    from edge.node.tls import read_pair  # cryptography, which `--help` does not need

    found, _ = load_settings(config_file, os.environ)
    for port in (found.devices, found.control):
        if port.tls_certificate:
            read_pair(port.tls_certificate, port.tls_key)
    source = str(config_file) if config_file else "defaults and environment"
    out.result({"valid": True, "source": source}, lambda: line(f"{source}: good"))


@config.command(short_help="Print every option in effect and its origin.")
@with_config
@with_output
def show(out: Output, config_file: Path | None) -> None:
    """Print every option in effect and its origin: default, a file, or a variable of the environment."""
    _, settings = load_settings(config_file, os.environ)
    value = [{"option": each.option, "value": each.value, "origin": each.origin} for each in settings]
    rows = [[each.option, each.value, each.origin] for each in settings]
    out.result(value, lambda: table(("option", "value", "origin"), rows, ""))
