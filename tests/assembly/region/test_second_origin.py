"""Two origins on one bucket, as processes, of which the second has a home: it counts and guards nothing by itself."""

import asyncio
import json
import os
import urllib.request
import uuid
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edge.cli.terminal.client import app_path
from edge.domain.errors import EdgeError
from tests.worlds.region_devices import question
from tests.worlds.two_origins import TwoOrigins

APP = "com.example.twice"
OLD_PLUGIN = "6.14.0"  # keeps its choice of a channel on the node
LOOK_SECONDS = 0.2


def post(node, path, body):
    content = json.dumps(body).encode()
    request = urllib.request.Request(node.devices_url + path, content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def choose(node, device, channel):
    asked = question(APP, device=device) | {"plugin_version": OLD_PLUGIN, "channel": channel}
    said = post(node, "/channel_self", asked)
    assert said.get("status") == "ok", said


def folds(node):
    """Whether a process of the node counts, which is what its guard hears as well."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            own = entry.name.isdigit() and os.getsid(int(entry.name)) == node.process.pid
            if own and b"edge.assembly.counting.process" in (entry / "cmdline").read_bytes():
                return True
    return False


async def until(ask, holds):
    """Pytest ends a wait without an end."""
    while not holds(found := await asyncio.to_thread(ask)):
        await asyncio.sleep(LOOK_SECONDS)
    return found


async def join(second, first, admin):
    """As an operator has the second one send its reports to the first."""
    token = await asyncio.to_thread(admin.post, "/v1/tokens", {"name": "second", "role": "node"})
    file = second.folder / "token"
    file.touch(0o600)
    file.write_text(token["token"])
    await second.stop()
    second.settings["upstream"] = {"home": first.control_url, "token_file": str(file)}
    await second.start()


@pytest.mark.long
async def test_an_origin_with_a_home_tells_it_everything_and_hears_what_others_brought():
    async with TwoOrigins() as world:
        first, second = world.nodes
        home = world.admins[0]
        await join(second, first, home)
        token = first.admin_token
        with closing(second.client(token)) as beyond:
            await asyncio.to_thread(beyond.post, "/v1/apps", {"app": APP})  # it holds the truth as the first does
            await until(lambda: home.get("/v1/apps"), lambda apps: APP in [each["app"] for each in apps])
            for name in ("beta", "gamma"):
                settings = {"name": name, "self_set": True}
                await asyncio.to_thread(beyond.post, app_path(APP, "channels"), settings)
            for admin in (home, beyond):
                listed = await until(
                    lambda admin=admin: admin.get(app_path(APP, "channels")), lambda got: len(got) == 2
                )
                assert {each["name"] for each in listed} == {"beta", "gamma"}

            rows = await until(lambda: home.get("/v1/nodes"), lambda rows: len(rows) == 2)
            assert {each["region"] for each in rows} == {"first", "second"}

            event = question(APP) | {"action": "app_moved_to_foreground"}
            await asyncio.to_thread(post, second, "/stats", [event])
            await until(lambda: home.get(app_path(APP, "stats")), lambda found: found["counts"])
            with pytest.raises(EdgeError) as caught:
                await asyncio.to_thread(beyond.get, app_path(APP, "stats"))
            assert first.control_url in caught.value.message
            assert [folds(node) for node in world.nodes] == [True, False]

            device = str(uuid.uuid4())
            known = app_path(APP, "devices", device)
            await asyncio.to_thread(choose, second, device, "beta")
            await until(lambda: home.get(known), lambda found: found["channel"] == "beta")
            await asyncio.to_thread(choose, first, device, "gamma")
            await until(lambda: beyond.get(known), lambda found: found["channel"] == "gamma")
