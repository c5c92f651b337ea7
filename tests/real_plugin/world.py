"""A node of ours in its own process, and the command line to tell it what to offer."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.wire.actions import OF_NODE
from tests.real_plugin.crowd import DESCRIPTORS, crowding
from tests.worlds.running_node import Node, hashes, serving_node, write_folder

OVERLOADED_APP = "com.example.overloaded"
COUNTED_SECONDS = 30.0  # within which what was acknowledged must be counted


class World:
    """Safe to use from several threads: the command line runs in this process, one command at a time."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.devices: str = node.devices
        self.overloaded = ""  # the device port of another node that has more to do than it can
        self._node = node
        self._folder = folder
        self._turn = threading.Lock()
        self._apps: set[str] = set()

    def edge(self, *words: object) -> Any:
        """What the command says with --json. Raises AssertionError with its error."""
        with self._turn:
            return self._node.json(*words)

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
def serving_world(folder: Path) -> Iterator[World]:
    prefer = os.environ.get("REAL_PLUGIN_PREFER", "manifest")
    with serving_node(folder, EDGE_DEVICES_PREFER=prefer) as node, _overloaded_node(folder / "overloaded") as address:
        world = World(node, folder / "published")
        world.overloaded = address
        yield world


@contextlib.contextmanager
def _overloaded_node(folder: Path) -> Iterator[str]:
    """It has something to offer, and too much to do to offer it."""
    folder.mkdir()
    with serving_node(folder, descriptors=DESCRIPTORS) as node:
        world = World(node, folder / "published")
        world.create(OVERLOADED_APP)
        world.publish(OVERLOADED_APP, "1.0.5", {"index.html": b"<!doctype html>never offered"})
        with crowding(node.devices):
            yield node.devices
