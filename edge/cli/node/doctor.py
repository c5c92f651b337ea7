"""`edge doctor`: which limits of this host slow delivery, and how to change them. Changes nothing itself."""

import os
from pathlib import Path

import click

from edge.cli.terminal.options import with_config, with_output
from edge.cli.terminal.output import Output, line
from edge.config import load_config
from edge.node.processes.doctor import HostFinding, examine
from edge.node.processes.host import read_host
from edge.node.processes.listening import LISTEN_BACKLOG


@click.command()
@with_config
@with_output
def doctor(out: Output, config_file: Path | None) -> None:
    """Check this host for limits on delivery; each is ok, or a warning with a remedy.

    Always exits 0. To time the disk, it writes one small file in the data directory and removes it.
    """
    config = load_config(config_file, os.environ)
    findings = examine(read_host(Path(config.data_dir), LISTEN_BACKLOG, config.telemetry.spool_limit_bytes))
    out.result([finding._asdict() for finding in findings], lambda: _show(findings))


def _show(findings: list[HostFinding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        line(f"{finding.level:<4}  {finding.name:<{width}}  {finding.seen}")
        if finding.remedy:
            line(f"{'':<{width + 8}}{finding.remedy}")
