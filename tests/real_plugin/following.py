"""Regions of an origin, each a process of its own, with a way there that can be cut and a clock that can be set."""

import contextlib
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge.cli.terminal.client import ControlClient
from edge.config_sections import UpstreamOptions
from tests.worlds.clocks import ShiftedClock
from tests.worlds.running_node import Node, serving_node
from tests.worlds.tcp_relay import Link, TcpRelay

ROOT = Path(__file__).parent.parent.parent
FOLLOWED_SECONDS = 60.0  # until a change is in a region, on a machine that has a lot to do
LOOK_SECONDS = 0.02
LOST_SECONDS = UpstreamOptions().max_stale_seconds + 60.0


class Region:
    """A node that follows. `devices` is its device port."""

    def __init__(self, node: Node, origin: Node, link: Link, clock: ShiftedClock) -> None:
        self.devices: str = node.devices
        self._node, self._origin, self._link, self._clock = node, origin, link, clock
        self._token = (origin.data_dir / "node" / "admin.token").read_text().strip()

    def wait_until_it_follows(self) -> None:
        """Returns when its workers serve whatever the origin has by now. Raises AssertionError."""
        wanted = self._own(self._origin)["changes"]
        self._wait(lambda: self._own(self._node)["changes"] >= wanted, f"revisions whose sum is {wanted}")
        self._ask(self._node, "/v1/node")  # every worker answers this after it has taken the news

    def lose_source(self) -> None:
        """As if it had heard nothing from the origin for longer than counts: the way there is cut, the clock goes on.
        Returns when the region knows that it is stale."""
        self._link.cut()
        self._clock.set(LOST_SECONDS)
        self._wait(self._is_stale, "that it is stale")

    def find_source(self) -> None:
        """Returns when the region follows again."""
        self._clock.set(0.0)
        self._link.heal()
        self._wait(lambda: not self._is_stale(), "that it is fresh again")
        self.wait_until_it_follows()

    def _wait(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + FOLLOWED_SECONDS
        while not holds():
            assert time.monotonic() < end, f"the region does not show {what}: {self._own(self._node)}"
            time.sleep(LOOK_SECONDS)

    def _is_stale(self) -> bool:
        """By its one worker, which decides."""
        with urllib.request.urlopen(f"{self.devices}/readyz", timeout=FOLLOWED_SECONDS) as answer:
            return "stale" in json.load(answer)

    def _own(self, node: Node) -> Any:
        """What the node reports of itself."""
        return next(each["report"] for each in self._ask(node, "/v1/nodes") if each["own"])

    def _ask(self, node: Node, path: str) -> Any:
        with contextlib.closing(ControlClient(node.control, self._token)) as client:
            return client.send("GET", path, None)


class Regions:
    """Those of one origin. `settings` are variables of their environment."""

    def __init__(self, origin: Node, folder: Path, settings: dict[str, str]) -> None:
        self._origin, self._folder, self._settings = origin, folder, settings
        self._relay = TcpRelay()
        self._turn = threading.Lock()  # links have numbers

    def __enter__(self) -> Self:
        self._relay.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._relay.__exit__(kind, error, trace)

    @contextlib.contextmanager
    def serving(self, name: str, descriptors: int = 0) -> Iterator[Region]:
        """One that has joined and serves; `descriptors` is how many files it may have open."""
        folder = self._folder / f"region-{name}"
        folder.mkdir()
        with self._turn:
            link = self._relay.link(int(self._origin.control.rpartition(":")[2]))
        clock = ShiftedClock(folder / "clock")
        file = folder / "token"
        file.touch(0o600)
        file.write_text(self._token(name))
        upstream = {"EDGE_UPSTREAM_SOURCE": link.url, "EDGE_UPSTREAM_TOKEN_FILE": str(file)}
        settings = {"EDGE_ROLE": "region", "EDGE_REGION": "eu"} | upstream | clock.environ(ROOT) | self._settings
        with serving_node(folder, descriptors=descriptors, **settings) as node:
            yield Region(node, self._origin, link, clock)

    def _token(self, name: str) -> str:
        token = (self._origin.data_dir / "node" / "admin.token").read_text().strip()
        with contextlib.closing(ControlClient(self._origin.control, token)) as client:
            return str(client.post("/v1/tokens", {"name": name, "role": "node"})["token"])
