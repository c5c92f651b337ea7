"""A node of ours, or an origin and a region that follows it, in processes of their own, and the command line to tell
what is to be offered.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge.wire.actions import OF_NODE
from tests.real_plugin.crowd import DESCRIPTORS, crowding
from tests.real_plugin.following import Region, Regions
from tests.worlds.running_node import Node, hashes, serving_node, write_folder

OVERLOADED_APP = "com.example.overloaded"
COUNTED_SECONDS = 30.0  # within which what was acknowledged must be counted; a region's reports go home first


class World:
    """Safe to use from several threads: the command line runs in this process, one command at a time.

    `devices` is the port that devices know. `regions` follow the node that the command tells, where there are any; a
    change is then in the one at `devices` before `edge` returns.
    """

    def __init__(self, node: Node, folder: Path, regions: Regions | None = None, nearest: Region | None = None) -> None:
        self.devices: str = nearest.devices if nearest else node.devices
        self.overloaded = ""  # the device port of another node that has more to do than it can
        self._node = node
        self._folder = folder
        self._regions, self._nearest = regions, nearest
        self._turn = threading.Lock()
        self._apps: set[str] = set()

    def edge(self, *words: object) -> Any:
        """What the command says with --json. Raises AssertionError with its error."""
        with self._turn:
            said = self._node.json(*words)
        if self._nearest is not None:
            self._nearest.wait_until_it_follows()
        return said

    def lonely_region(self, name: str) -> contextlib.AbstractContextManager[Region]:
        """A region of the caller's own, which may lose its source."""
        assert self._regions is not None, "a node that stands alone has no regions"
        return self._regions.serving(name)

    def create(self, app: str, *options: str, channel: str = "production") -> None:
        """The app, if it is not there, and a channel of it: production is the public one."""
        if app not in self._apps:
            self.edge("app", "create", app)
            self._apps.add(app)
        public = ("--public",) if channel == "production" else ()
        self.edge("channel", "create", app, channel, *public, *options)

    def publish(
        self, app: str, version: str, files: dict[str, bytes], *options: object, channel: str = "production"
    ) -> dict[str, str]:
        """Offer a bundle; the files' SHA-256 by their paths."""
        folder = write_folder(self._folder / f"{app}-{version}", files)
        offer = ("--channel", channel) if channel else ()
        self.edge("bundle", "publish", app, folder, "--version", version, *offer, *options)
        return hashes(files)

    def counts(self, app: str) -> dict[tuple[str, str], int]:
        """How often each action of devices was counted, by bundle and action."""
        counts = self.edge("stats", app, "--events")["counts"]
        return {(each["bundle"], each["action"]): each["n"] for each in counts if each["action"] not in OF_NODE}

    def counts_of(self, app: str, events: int) -> dict[tuple[str, str], int]:
        """The counts as soon as they are `events` together, or as they are when that takes too long."""
        end = time.monotonic() + COUNTED_SECONDS
        while True:
            counts = self.counts(app)
            if sum(counts.values()) >= events or time.monotonic() > end:
                return counts
            time.sleep(0.2)


@contextlib.contextmanager
def standalone_world(folder: Path) -> Iterator[World]:
    """One node that does everything."""
    with serving_node(folder, **_settings()) as node:
        world = World(node, folder / "published")
        with _overloaded_node(folder / "overloaded") as world.overloaded:
            yield world


@contextlib.contextmanager
def region_world(folder: Path) -> Iterator[World]:
    """An origin, where releases change, and a region, which is all that devices know; another region is overloaded."""
    with (
        serving_node(folder, EDGE_ROLE="origin", EDGE_REGION="origin", **_settings()) as origin,
        Regions(origin, folder, _settings()) as regions,
        regions.serving("nearest") as nearest,
    ):
        world = World(origin, folder / "published", regions, nearest)
        _offer_what_nobody_gets(world)
        with regions.serving("overloaded", DESCRIPTORS) as busy:
            busy.wait_until_it_follows()
            with crowding(busy.devices):
                world.overloaded = busy.devices
                yield world


WORLDS: dict[str, Callable[[Path], contextlib.AbstractContextManager[World]]] = {
    "standalone": standalone_world,
    "region": region_world,
}


def _settings() -> dict[str, str]:
    return {"EDGE_DEVICES_PREFER": os.environ.get("REAL_PLUGIN_PREFER", "manifest")}


@contextlib.contextmanager
def _overloaded_node(folder: Path) -> Iterator[str]:
    """It has something to offer, and too much to do to offer it."""
    folder.mkdir()
    with serving_node(folder, descriptors=DESCRIPTORS) as node:
        _offer_what_nobody_gets(World(node, folder / "published"))
        with crowding(node.devices):
            yield node.devices


def _offer_what_nobody_gets(world: World) -> None:
    world.create(OVERLOADED_APP)
    world.publish(OVERLOADED_APP, "1.0.5", {"index.html": b"<!doctype html>never offered"})
