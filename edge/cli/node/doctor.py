"""`edge doctor`: which limits of this host slow delivery, and how to change them. Changes nothing itself."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import click

from edge.cli.terminal import access
from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.options import with_config, with_output
from edge.cli.terminal.output import Output, counted, line
from edge.config import Config, load_config
from edge.domain.errors import EdgeError
from edge.node.processes.data_paths import DataPaths
from edge.node.processes.doctor import HostFinding, examine
from edge.node.processes.host import read_host
from edge.node.processes.listening import LISTEN_BACKLOG
from edge.telemetry.clickhouse.checkup import check_sink
from edge.telemetry.clickhouse.server import connect_to_clickhouse, parse_clickhouse_address, read_clickhouse_password

NAMED_LIMIT = 5  # in a line


@click.command()
@with_config
@with_output
def doctor(out: Output, config_file: Path | None) -> None:
    """Check this host for limits on delivery; each is ok, or a warning with a remedy.

    With telemetry.clickhouse, also whether that server answers, and what waits for it; if this machine's node runs,
    whether its guard sees what it watches, and whether messages go out. Always exits 0. To time the disk, it writes
    one small file in the data directory and removes it.
    """
    config = load_config(config_file, os.environ)
    findings = examine(read_host(Path(config.data_dir), LISTEN_BACKLOG, config.telemetry.spool_limit_bytes))
    if config.telemetry.clickhouse:
        findings.append(_examine_clickhouse(config))
    findings += _examine_node(config_file)
    out.result([finding._asdict() for finding in findings], lambda: _show(findings))


def _examine_clickhouse(config: Config) -> HostFinding:
    telemetry = config.telemetry
    try:
        server = connect_to_clickhouse(
            parse_clickhouse_address(telemetry.clickhouse),
            lambda: read_clickhouse_password(telemetry.clickhouse_password_file, os.environ),
        )
        found = check_sink(DataPaths(Path(config.data_dir)).counts_database, server)
    except (EdgeError, sqlite3.Error) as error:
        return HostFinding("clickhouse", "warn", str(error), "see config/clickhouse/README.md")
    well = found.is_well(telemetry.clickhouse_outbox_bytes)
    remedy = "" if well else "the node's log has the reason; see config/clickhouse/README.md"
    return HostFinding("clickhouse", "ok" if well else "warn", found.words(telemetry.clickhouse_outbox_bytes), remedy)


def _examine_node(config_file: Path | None) -> list[HostFinding]:
    """What this machine's node says of its guard and its messages; nothing if none runs here."""
    try:
        url = access.address(config_file)
        client = ControlClient(url, access.token(url, config_file))
        try:
            seen = client.get("/v1/node")
        finally:
            client.close()
    except (EdgeError, OSError, KeyError):
        return []
    return [_judge_guard(seen["guard"]), *judge_sending(seen.get("sending"))]


def _judge_guard(seen: dict[str, Any]) -> HostFinding:
    if seen["blind"] or seen["blocked"]:
        said = seen["blind"] or f"cannot act on {seen['blocked']} finding(s)"
        remedy = "the node's log says why; pause a rollout that nobody watches (edge rollout pause)"
        return HostFinding("guard", "warn", said, remedy)
    return HostFinding("guard", "ok", f"{counted(seen['watched'], 'release')} watched", "")


def judge_sending(seen: dict[str, Any] | None) -> list[HostFinding]:
    """None: this node sends no messages, or is of an earlier release."""
    if seen is None:
        return []
    set_again = "set them with edge push credentials set, or mend it at the provider"
    found = [HostFinding("messages", "warn", f"the provider refuses credentials: {_some(seen['halted'])}", set_again)]
    found = found if seen["halted"] else []
    if not seen["up"] or seen["failing"]:
        said = seen["failing"] or "the process that sends messages does not run"
        found.append(HostFinding("messages", "warn", said, "messages wait; the node's log says why"))
    if seen["keys"] or seen["unreadable"]:
        said = seen["keys"] or f"sealed with a key that is not here: {_some(seen['unreadable'])}"
        remedy = "append the key's line from a backup of secrets.key, or set them again (edge push credentials set)"
        found.append(HostFinding("secrets", "warn", said, remedy))
    return found or [HostFinding("messages", "ok", f"{counted(seen['active'], 'message')} under way", "")]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_LIMIT} more" if len(names) > NAMED_LIMIT else ""
    return ", ".join(names[:NAMED_LIMIT]) + more


def _show(findings: list[HostFinding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        line(f"{finding.level:<4}  {finding.name:<{width}}  {finding.seen}")
        if finding.remedy:
            line(f"{'':<{width + 8}}{finding.remedy}")
