"""`edge demo --check`: the demo without a person. It proves that a node works, its guard, an experiment and the page.

It takes free ports and a temporary data directory, and leaves nothing behind.
"""

import asyncio
import json
import re
import tempfile
from contextlib import suppress
from pathlib import Path

import aiohttp
import click
import msgspec

from edge.assembly.standalone import Standalone
from edge.cli.demo.fleet import FLEET_LIMIT, Fleet, build_fleet
from edge.cli.demo.preparing import client_of, login_link, prepare, with_fleets_proxy
from edge.cli.demo.receiving import receiving
from edge.cli.demo.release import APP, BAD, CHANNEL
from edge.cli.demo.segments import SEGMENTS
from edge.cli.demo.story import CHECK, Story
from edge.cli.demo.walking import FLEET_SEED, TellStep, walk_devices
from edge.config import Config, WebhookRules, load_config
from edge.node.observing.log import set_up_logging
from edge.page.app import ROUTES

WORKERS = 2  # enough to show that every worker serves what was published
PAGE_TIMEOUT = aiohttp.ClientTimeout(total=30)
PLACES = {"{app}": APP, "{channel}": CHANNEL, "{bundle}": BAD.version}  # pages of other things are not walked
NOTICE = "guard_paused"
FIGURES = re.compile(r"\d+ of \d+")  # in the guard's sentence


async def check(as_json: bool) -> bool:
    """Whether everything is as it should be. Prints each step, or all of them as one JSON document at the end."""
    steps: list[dict[str, str]] = []

    def step(name: str, result: str) -> None:
        steps.append({"step": name, "result": result})
        if not as_json:
            click.echo(f"{name:<20} {result}")

    with tempfile.TemporaryDirectory(prefix="edge-demo-") as temporary:
        config = _private(with_fleets_proxy(load_config(None, {})), Path(temporary))
        set_up_logging(config.log)
        node = Standalone(config)
        async with node.running():
            prepared = await asyncio.to_thread(prepare, node)
            step("publish", f"{APP} {', '.join(prepared)}, with {len(SEGMENTS)} segments")
            devices = await walk_devices(node, Path(temporary), step)
            story = await _walk_story(node, Path(temporary), step)
    passed = devices and story
    click.echo(json.dumps({"passed": passed, "steps": steps}) if as_json else _verdict(passed))
    return passed


async def _walk_story(node: Standalone, folder: Path, step: TellStep) -> bool:
    """A fleet lives through the story; then the page shows it."""
    members = build_fleet(FLEET_LIMIT, FLEET_SEED)
    address = f"http://127.0.0.1:{node.device_port}"
    fleet = Fleet(address, folder / "many", members, seed=FLEET_SEED, proxied=True)
    client = client_of(node)
    living = asyncio.create_task(fleet.live(_ignore))
    try:
        async with receiving(client) as receiver:
            told = await Story(client, fleet, lambda said: step("story", said), CHECK).tell()
        link = await asyncio.to_thread(login_link, client)
    finally:
        living.cancel()
        with suppress(asyncio.CancelledError):
            await living
        client.close()
    step("fleet of 200", fleet.line())
    step("webhook", f"signed and taken: {', '.join(receiver.kinds()) or 'nothing'}; refused: {receiver.refused}")
    figures = FIGURES.search(told.paused)
    pages = await _walk_pages(link, figures[0] if figures else BAD.version, step)
    return pages and all(told) and figures is not None and NOTICE in receiver.kinds() and not receiver.refused


async def _walk_pages(link: str, figures: str, step: TellStep) -> bool:
    """A browser's requests, without a browser: the link opens a session once, each page answers, and at least one shows
    the guard's figures."""
    base = link.partition("/login")[0]
    jar = aiohttp.CookieJar(unsafe=True)  # unsafe: also of an address that is a number
    async with aiohttp.ClientSession(base, cookie_jar=jar, timeout=PAGE_TIMEOUT) as session:
        opened = await _open(session, link, base)
        answers = {path: await _read(session, path, figures) for path in _pages()}
    async with aiohttp.ClientSession(base, timeout=PAGE_TIMEOUT) as session:
        again = await _open(session, link, base)
    step("login link", f"opens the page: {_yes(opened)}; once only: {_yes(not again)}")
    for path, (status, size, shows) in answers.items():
        shown = ", with the guard's figures" if shows else ""
        step("page", f"{path}: HTTP {status}, {size:,} bytes{shown}")
    good = all(status == 200 for status, _, _ in answers.values()) and any(shows for _, _, shows in answers.values())
    return opened and not again and good


def _pages() -> list[str]:
    """The addresses of the pages about this app, its channel and the release that failed, and of all others alike."""
    paths = [route.path for route in ROUTES]
    for part, value in PLACES.items():
        paths = [path.replace(part, value) for path in paths]
    return sorted({path for path in paths if "{" not in path})


async def _open(session: aiohttp.ClientSession, link: str, origin: str) -> bool:
    form = {"link": link.partition("link=")[2], "next": "/"}
    async with session.post("/login", data=form, headers={"Origin": origin}, allow_redirects=False) as answer:
        return answer.status == 303


async def _read(session: aiohttp.ClientSession, path: str, figures: str) -> tuple[int, int, bool]:
    """The status, the bytes, and whether the page shows the guard's figures."""
    async with session.get(path, allow_redirects=False) as answer:
        text = await answer.text()
        return answer.status, len(text.encode()), figures in text


def _private(config: Config, folder: Path) -> Config:
    return msgspec.structs.replace(
        config,
        data_dir=str(folder / "data"),
        devices=msgspec.structs.replace(config.devices, host="127.0.0.1", port=0, workers=WORKERS),
        control=msgspec.structs.replace(config.control, port=0),
        webhooks=WebhookRules(allow_http=True, allowed_networks=("127.0.0.1",)),
        log=msgspec.structs.replace(config.log, level="error"),
    )


def _verdict(passed: bool) -> str:
    return "the demo works" if passed else "the demo failed"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _ignore(_said: str) -> None:
    """What the fleet did is told once, at the end."""
