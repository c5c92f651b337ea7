"""`edge config`: would a node start with this configuration, and where does each value come from?"""

import errno
import os
from pathlib import Path

import click

from edge.cli.terminal.options import with_config, with_output
from edge.cli.terminal.output import Output, line, note, table
from edge.config import file_in_effect, load_settings, read_settings
from edge.node.processes.listening import listen

ANY_PORT = 0


@click.group()
def config() -> None:
    """Check and show a node's configuration."""


@config.command(short_help="Check that `edge serve` would accept the configuration.")
@with_config
@with_output
def check(out: Output, config_file: Path | None) -> None:
    """Check the configuration as `edge serve` reads it, and list what is wrong: options, certificates, addresses that
    this machine does not have, an unusable data directory. Starts nothing, and can run beside a node.
    """
    from edge.node.tls.pair import read_pair  # imports cryptography, which --help does not need

    found, _, faults = read_settings(config_file, os.environ)
    for fault in faults[:-1]:
        note(f"edge: {fault.message}")
    if faults:
        raise faults[-1]
    _check_data_dir(Path(found.data_dir))
    for port in (found.devices, found.control):
        if port.tls_certificate:
            read_pair(port.tls_certificate, port.tls_key)
        listen(port.host, ANY_PORT, 1).close()  # checks the host only: a running node may hold the port
    source = str(file_in_effect(config_file, os.environ) or "defaults and environment")
    out.result({"valid": True, "source": source}, lambda: line(f"{source}: valid"))


def _check_data_dir(path: Path) -> None:
    """Raises NotADirectoryError unless `path` is a directory or could become one."""
    nearest = next(each for each in (path, *path.parents) if each.exists() or each == each.parent)
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))


@config.command(short_help="Show every option in effect and where it comes from.")
@with_config
@with_output
def show(out: Output, config_file: Path | None) -> None:
    """Show every option in effect and where it comes from: the default, a file or an environment variable."""
    _, settings = load_settings(config_file, os.environ)
    value = [{"option": each.option, "value": each.value, "origin": each.origin} for each in settings]
    rows = [[each.option, each.value, each.origin] for each in settings]
    out.result(value, lambda: table(("option", "value", "origin"), rows, ""))
