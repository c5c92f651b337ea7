"""`edge demo`: a standalone node with a demo app that tells a story, or with `--check` proves that all of it works.

The app is set up through the control API like any other, and only what is missing: a second run goes on.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import uvloop

from edge.assembly.standalone import Standalone
from edge.cli.demo.checking import check as check_demo
from edge.cli.demo.fleet import FLEET_LIMIT, Fleet, build_fleet
from edge.cli.demo.greeting import greeting_of
from edge.cli.demo.preparing import client_of, login_link, prepare, show_power_user, with_fleets_proxy
from edge.cli.demo.release import APP, CHANNEL
from edge.cli.demo.segments import SEGMENTS
from edge.cli.demo.story import Story, is_told
from edge.cli.demo.walking import FLEET_SEED
from edge.cli.node.serve import stop_on_signals
from edge.config import load_config
from edge.node.observing.log import set_up_logging

FLEET_FOLDER = "demo-fleet"  # in the data directory: what the devices have installed
STORY_FLEET = 150  # fewer devices do not show what the story is about


@click.command()
@click.option(
    "--check",
    is_flag=True,
    help="Live through the story without a person, on free ports, in some 90 seconds; exit 0 if all went well, else 1.",
)
@click.option(
    "--fleet",
    type=click.IntRange(0, FLEET_LIMIT),
    default=FLEET_LIMIT,
    show_default=True,
    metavar="N",
    help="So many simulated devices live against the demo, a day of theirs in four minutes. "
    f"{STORY_FLEET} or more show the story.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def demo(check: bool, fleet: int, as_json: bool) -> None:
    """Serve a demo app and tell its story: devices on port 8080, control API and page on 127.0.0.1:8081.

    A release spreads among 200 simulated devices, the next one fails on some and is paused by the guard, an experiment
    ends. Prints a link that opens the page.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        passed = runner.run(check_demo(as_json) if check else _serve(as_json, fleet))
    if not passed:
        raise click.exceptions.Exit(1)


async def _serve(as_json: bool, fleet: int) -> bool:
    config = with_fleets_proxy(load_config(None, os.environ))
    set_up_logging(config.log)
    stopping = stop_on_signals()
    node = Standalone(config)
    async with node.running():
        prepared = await asyncio.to_thread(prepare, node)
        await show_power_user(node)
        link, told = await asyncio.to_thread(_look, node)
        if as_json:
            ports = {"device_port": node.device_port, "control_port": node.control_port}
            segments = [each.name for each in SEGMENTS]
            facts = {"app": APP, "channel": CHANNEL, "releases": prepared, "segments": segments, "page": link, **ports}
            click.echo(json.dumps(facts))
        else:
            click.echo(greeting_of(node, link, fleet, None if fleet < STORY_FLEET else not told))
        async with _fleet_of(node, fleet, as_json):
            await node.serve_until(stopping)
    if not as_json:
        click.echo("\nstopped; the next run continues from here")
    return True


def _look(node: Standalone) -> tuple[str, bool]:
    """The page's login link, and whether the story was told by an earlier run."""
    client = client_of(node)
    try:
        return login_link(client), is_told(client)
    finally:
        client.close()


@asynccontextmanager
async def _fleet_of(node: Standalone, count: int, quiet: bool) -> AsyncIterator[None]:
    """Simulated devices live while the block runs, through the story if they are enough."""
    if not count:
        yield
        return
    began = time.monotonic()

    def say(said: str) -> None:
        if not quiet:
            seconds = int(time.monotonic() - began)
            click.echo(f"{seconds // 60}:{seconds % 60:02}  {said}")

    client = client_of(node)
    folder = Path(node.config.data_dir) / FLEET_FOLDER
    address = f"http://127.0.0.1:{node.device_port}"
    fleet = Fleet(address, folder, build_fleet(count, FLEET_SEED), seed=FLEET_SEED, proxied=True)
    lives: list[asyncio.Task[Any]] = [asyncio.create_task(fleet.live(_ignore if count >= STORY_FLEET else say))]
    if count >= STORY_FLEET:
        lives.append(asyncio.create_task(Story(client, fleet, say).tell()))
    try:
        yield
    finally:
        client.close()
        for each in lives:
            each.cancel()
        await asyncio.wait(lives)
        for each in lives:
            if not each.cancelled():
                each.result()  # a bug of the fleet's


def _ignore(_said: str) -> None:
    """The story says enough."""
