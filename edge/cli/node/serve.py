"""`edge serve`: a standalone node in the foreground, until SIGTERM or Ctrl-C. SIGHUP reloads the device certificate,
SIGUSR2 and `edge restart` have a new process take the node over.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import click
import orjson
import uvloop

from edge.assembly.roles.region_node import RegionNode, see_source
from edge.assembly.serving_node import ServingNode
from edge.assembly.standalone import Standalone
from edge.cli.terminal.options import with_config
from edge.config import KEEP_MOST_DAYS, Config, Log, NodeRole, file_in_effect, read_settings
from edge.domain.errors import EdgeError
from edge.node.observing.log import set_up_logging
from edge.node.processes.doctor import examine_descriptors
from edge.node.processes.host import read_descriptors
from edge.node.succession.estate import Estate, take_estate
from edge.node.succession.taking_over import telling_predecessor

log = logging.getLogger("edge.node")


@click.command()
@with_config
@click.option("--insecure", is_flag=True, help="Allow the control API beyond loopback without TLS.")
@click.option(
    "--keep",
    type=click.IntRange(1, KEEP_MOST_DAYS),
    metavar="DAYS",
    help="How long to keep the raw events of devices (telemetry.keep_days).",
)
@click.option("--role", type=click.Choice(get_args(NodeRole)), help="What this node is (role in the configuration).")
@click.option("--json", "as_json", is_flag=True, help="Print where the node listens as one line of JSON.")
def serve(config_file: Path | None, insecure: bool, keep: int | None, role: str | None, as_json: bool) -> None:
    """Run a node: serve devices and the control API until stopped."""
    for number in (signal.SIGHUP, signal.SIGUSR2):  # until they have a meaning: by default they kill
        signal.signal(number, signal.SIG_IGN)
    estate = take_estate(os.environ)
    with telling_predecessor(estate):
        _run(config_file, given_by_options(insecure, keep, role), as_json, estate)


def given_by_options(insecure: bool, keep: int | None, role: str | None = None) -> dict[str, str]:
    """The environment, in which options of the command come first."""
    given = os.environ | ({"EDGE_CONTROL_INSECURE": "true"} if insecure else {})
    given |= {"EDGE_TELEMETRY_KEEP_DAYS": str(keep)} if keep is not None else {}
    return given | ({"EDGE_ROLE": role} if role is not None else {})


def _run(config_file: Path | None, given: dict[str, str], as_json: bool, estate: Estate | None) -> None:
    config, _, faults = read_settings(config_file, given)
    set_up_logging(config.log)
    with _failure_in_log(config.log):
        if faults:
            raise faults[0]
        log.info("configuration: %s", file_in_effect(config_file, given) or "defaults and environment")
        descriptors = examine_descriptors(read_descriptors())
        if descriptors.remedy:
            log.warning("open files: %s; %s", descriptors.seen, descriptors.remedy)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(config, as_json, estate))


@contextmanager
def _failure_in_log(settings: Log) -> Iterator[None]:
    """What stops the node is a record of the log if that is JSON: what reads it expects nothing else."""
    try:
        yield
    except (EdgeError, OSError) as error:
        if settings.format != "json":
            raise
        log.critical("%s", error)
        raise click.exceptions.Exit(1) from error


async def _serve(config: Config, as_json: bool, estate: Estate | None) -> None:
    stopping = stop_on_signals()
    node = await open_node(config, estate, stopping)
    if node is None:
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, node.reload)
    async with node.running():
        loop.add_signal_handler(signal.SIGUSR2, node.change.begin_restart)
        click.echo(_greeting(node, as_json))
        await node.serve_until(stopping)


async def open_node(config: Config, estate: Estate | None, stopping: asyncio.Event) -> ServingNode | None:
    """Of the configured role; None if it was stopped while it had nothing to serve yet. Raises EdgeError."""
    if config.role != "region":
        return Standalone(config, estate)
    seeing, stopped = asyncio.ensure_future(see_source(config)), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({seeing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not seeing.done():
            return None
        seeing.result()
    finally:
        stopped.cancel()
        seeing.cancel()
        await asyncio.gather(seeing, return_exceptions=True)
    return RegionNode(config, estate)


def stop_on_signals() -> asyncio.Event:
    """An event that the first SIGTERM or Ctrl-C sets."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def _greeting(node: ServingNode, as_json: bool) -> str:
    config = node.config
    if as_json or config.log.format == "json":
        ports = {"devices": node.device_port, "control": node.control_port}
        return orjson.dumps(
            {**ports, "data_dir": config.data_dir, "token_file": str(node.admin_token_file or "")}
        ).decode()
    more = (
        f"first admin's token in {node.admin_token_file}"
        if node.admin_token_file
        else f"following {config.upstream.source}"
    )
    return (
        f"devices on port {node.device_port}, control API on {config.control.host}:{node.control_port}, "
        f"data in {config.data_dir}, {more}"
    )
