"""Published OpenFeature clients read features from a region while they change at the origin.

    python -m tests.drills.ofrep_clients [--only CASE …]      (needs npm, a package registry, and Chromium)

The web provider in Node, which polls, and in Chromium, which hears of changes by its stream; the provider for servers;
the Python provider. None of their code is ours.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

from edge.cli.terminal.client import app_path
from tests.ofrep_clients.judges import Judge, in_chromium, in_node, installed
from tests.worlds.region_story import Told, case, main
from tests.worlds.region_world import APP, RegionWorld

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
SOON_SECONDS = 120.0  # for what takes a second on a quiet machine
POLL_MS = 200
ONE = ThreadPoolExecutor(1)
ANDROID = {"targetingKey": DEVICE, "platform": "android", "version_name": "2.1.0"}
KINDS = (  # kind, name, fallback, value for ANDROID
    ("boolean", "checkout", False, True),
    ("number", "retries", 0, 3),
    ("number", "price", 0, 1.5),
    ("object", "layout", {}, {"columns": [1, 2]}),
    ("string", "greeting", "-", "grün"),
)
DROIDS = [{"where": 'platform == "android"', "value": True}]


async def with_features(world: RegionWorld) -> tuple[str, str]:
    """The app with features of every kind; its key, and one of servers."""
    await world.change("POST", "/v1/apps", {"app": APP})
    keys = app_path(APP, "feature-keys")
    made = [await world.change("POST", keys, {"server": server}) for server in (False, True)]
    for name, settings in {
        "checkout": {"type": "boolean", "default": False, "rules": DROIDS},
        "retries": {"type": "integer", "default": 3},
        "price": {"type": "float", "default": 1.5},
        "layout": {"type": "json", "default": {"columns": [1, 2]}},
        "greeting": {"type": "string", "default": "grün"},
        "pool": {"type": "integer", "default": 9, "server_only": True},
    }.items():
        await world.change("PATCH", app_path(APP, "features", name), settings)
    return made[0]["key"], made[1]["key"]


async def there(function: Callable[..., Any], *words: Any, **options: Any) -> Any:
    """In the one thread in which a browser's driver may be called."""
    return await asyncio.get_running_loop().run_in_executor(ONE, partial(function, *words, **options))


async def eventually(found: Callable[[], Any]) -> float:
    """Seconds until it is true; raises TimeoutError."""
    begun = time.monotonic()
    while not await there(found):
        if time.monotonic() - begun > SOON_SECONDS:
            raise TimeoutError(f"not within {SOON_SECONDS:g} s")
        await asyncio.sleep(0.05)
    return time.monotonic() - begun


def base_of(world: RegionWorld) -> str:
    return f"{world.regions[0].devices_url}/features/{APP}"


async def reads_every_kind(told: Told, judge: Judge, **more: Any) -> None:
    for kind, name, fallback, value in KINDS:
        found = await there(judge.ask, "get", kind=kind, name=name, fallback=fallback, **more)
        told.expect(f"{name} is read", found["value"] == value and not found.get("errorCode"), found)
    missing = await there(judge.ask, "get", kind="boolean", name="nothing", fallback=True, **more)
    told.expect("what is not there is not found", missing["errorCode"] == "FLAG_NOT_FOUND", missing)


async def judge_web(told: Told, make: Callable[[Path], AbstractContextManager[Judge]], *, streams: bool) -> None:
    with installed("web") as folder:
        async with RegionWorld(regions=1) as world:
            key, _ = await with_features(world)
            entered = make(folder)
            judge = await there(entered.__enter__)
            try:
                await _judge_web(told, judge, world, key, streams=streams)
            finally:
                await there(entered.__exit__, None, None, None)


async def _judge_web(told: Told, judge: Judge, world: RegionWorld, key: str, *, streams: bool) -> None:
    def ask(method: str, **options: Any) -> Any:
        return judge.ask(method, **options)

    def value(name: str = "checkout") -> Any:
        found = ask("get", kind="boolean", name=name, fallback=False)
        return None if found.get("errorCode") else found["value"]

    async def opened() -> bool:
        poll = 0 if streams else POLL_MS
        said = await there(ask, "open", baseUrl=base_of(world), key=key, context=ANDROID, pollInterval=poll)
        return bool(said["status"] == "READY")

    # The region may be a moment behind the last change.
    await eventually(lambda: _has(world, key))
    wrong = await there(ask, "open", baseUrl=base_of(world), key="fk_wrong", context=ANDROID)
    told.expect("with a wrong key the provider gives up", wrong["failure"] == "PROVIDER_FATAL", wrong)
    told.expect("the provider is ready", await opened())
    await reads_every_kind(told, judge)
    if not streams:
        await told.within(
            "polls find no change",
            SOON_SECONDS,
            eventually(lambda: any(each["status"] == 304 for each in ask("seen")["requests"])),
        )
    before = len((await there(ask, "seen"))["requests"])
    if streams:
        await asyncio.sleep(2)  # the stream opens after the answer that names it
    await world.change("POST", app_path(APP, "features", "checkout") + "/kill")
    await told.within("a kill at the origin reaches the client", SOON_SECONDS, eventually(lambda: value() is False))
    seen = await there(ask, "seen")
    told.expect("it tells the app so", "ConfigurationChanged" in seen["events"], seen["events"])
    if streams:
        heard = [each for each in seen["requests"][before:] if "flagConfigEtag" in each["query"]]
        told.expect("it heard of it by its stream, and asked once", len(heard) == 1, seen["requests"][before:])
    await world.change("POST", app_path(APP, "features", "checkout") + "/revive")
    await told.within("a revival, too", SOON_SECONDS, eventually(lambda: value() is True))
    await there(ask, "setContext", context={"targetingKey": DEVICE, "platform": "ios"})
    told.expect("another context of the same key gets its own answer", await there(value) is False)
    last = (await there(ask, "seen"))["requests"][-1]
    told.expect("though the client sent the old tag", last["condition"] is not None and last["status"] == 200, last)
    await world.change("POST", app_path(APP, "feature-keys"), {"keep_seconds": 0})
    if not streams:
        await told.within(
            "a key that has ended is refused",
            SOON_SECONDS,
            eventually(lambda: ask("seen")["requests"][-1]["status"] == 401),
        )
    told.expect("and the last values stay", await there(value) is False)


def _has(world: RegionWorld, key: str) -> bool:
    """Whether the region serves the features."""
    client = _python(world, key)
    return bool(client.get_boolean_value("checkout", False, EvaluationContext(DEVICE, {"platform": "android"})))


def _python(world: RegionWorld, key: str) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    provider = OFREPProvider(base_of(world), headers_factory=lambda: headers)
    api.set_provider_and_wait(provider, domain=key)
    return api.get_client(domain=key)


@case
async def web_provider_in_node(told: Told) -> None:
    """The web provider 0.4.3 in Node, which polls a region, while features change at the origin."""
    await judge_web(told, in_node, streams=False)


@case
async def web_provider_in_chromium(told: Told) -> None:
    """The web provider 0.4.3 in Chromium, on a page of another origin, which hears of changes by its stream."""
    await judge_web(told, in_chromium, streams=True)


@case
async def provider_for_servers(told: Told) -> None:
    """The provider for servers 0.1.3 in Node, with a key of servers."""
    with installed("server") as folder:
        async with RegionWorld(regions=1) as world:
            key, server_key = await with_features(world)
            await eventually(lambda: _has(world, key))
            with in_node(folder) as judge:
                await there(judge.ask, "open", baseUrl=base_of(world), key=server_key)
                await reads_every_kind(told, judge, context=ANDROID)
                found = await there(judge.ask, "get", kind="number", name="pool", fallback=0, context=ANDROID)
                told.expect("what is for servers alone, too", found["value"] == 9, found)
                await there(judge.ask, "open", baseUrl=base_of(world), key="fs_wrong")
                refused = await there(judge.ask, "get", kind="number", name="pool", fallback=4, context=ANDROID)
                told.expect("with a wrong key the app's own default stays", refused["value"] == 4, refused)
                told.expect("and the provider reports GENERAL", refused["errorCode"] == "GENERAL", refused)


@case
async def python_provider(told: Told) -> None:
    """The Python provider 0.3.0, with the app's key and with a wrong one."""
    async with RegionWorld(regions=1) as world:
        key, _ = await with_features(world)
        await eventually(lambda: _has(world, key))
        client, other = _python(world, key), _python(world, "fk_wrong")
        context = EvaluationContext(DEVICE, {"platform": "android"})
        value = await there(client.get_float_value, "price", 0.0, context)
        told.expect("a float is a float", value == 1.5, value)
        hidden = await there(client.get_integer_details, "pool", 0, context)
        told.expect("what is for servers alone is not there", hidden.error_code == "FLAG_NOT_FOUND", hidden.error_code)
        refused = await there(other.get_integer_value, "retries", 7, context)
        told.expect("with a wrong key the app's own default stays", refused == 7, refused)


if __name__ == "__main__":
    main(__name__, __doc__ or "")
