"""One cell of the matrix: a release and a suite, with an app of its own on the node, and what was expected of it.

Everything a client did is kept by label, so that two clients which ran the same suite can be compared.
"""

import itertools
import shutil
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from edge.domain.model import Platform
from edge.wire.plugins.capabilities import capability
from tests.real_plugin.phone import Answered, Client, Launch, Phone
from tests.real_plugin.world import World

SETTLE_SECONDS = 1.6  # releases that send arrays send them each second
SINGLE_SETTLE_SECONDS = 0.6  # the others send each report when it happens
_NAMES = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


class Line(NamedTuple):
    """A release to judge. `platform` ELECTRON: the package for Electron."""

    release: str
    platform: Platform = Platform.ANDROID

    def __str__(self) -> str:
        return self.release if self.platform is Platform.ANDROID else f"electron {self.release}"

    def can(self, name: str) -> str:
        """The value of a row of the capability table for this release."""
        return capability(name, self.platform, self.release)


class Mismatch(NamedTuple):
    what: str
    expected: Any
    happened: Any


class Cell:
    def __init__(self, line: Line, client: Client, world: World, name: str, logs: Path, slots: threading.Semaphore):
        """`name` tells the cell's app from all others; `slots` limit how many clients run at once."""
        self.line = line
        self.world = world
        self.app = f"com.example.{name}"
        self.logs = logs
        self.mismatches: list[Mismatch] = []
        self.record: dict[str, Launch | list[Answered]] = {}
        self._client = client
        self._name = name
        self._slots = slots
        self._numbers = itertools.count(1)
        single = line.platform is Platform.ELECTRON or line.can("stats_form") == "single_object"
        self._settle = SINGLE_SETTLE_SECONDS if single else SETTLE_SECONDS
        shutil.rmtree(logs, ignore_errors=True)  # phones of an earlier run would not be fresh
        logs.mkdir(parents=True)

    def phone(self, name: str = "phone", **facts: Any) -> Phone:
        """A fresh installation; `name` tells it from the cell's others and gives it its device id."""
        facts = {"app": self.app, "folder": self.logs / "phones" / name} | facts
        return Phone(device_id=str(uuid.uuid5(_NAMES, f"{self.line} {name}")), **facts)

    def launch(self, label: str, phone: Phone, *, boot_ok: bool = True) -> Launch:
        with self._slots:
            phone.folder.mkdir(parents=True, exist_ok=True)
            launch = self._client.launch(
                phone, phone.url or self.world.devices, self._log(label), boot_ok=boot_ok, settle=self._settle
            )
        self.record[label] = launch
        return launch

    def launch_all(self, phones: Mapping[str, Phone]) -> dict[str, Launch]:
        """Launches that have nothing to do with each other, side by side, by their labels."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            return dict(zip(phones, pool.map(self.launch, phones, phones.values()), strict=True))

    def call(self, label: str, phone: Phone, *calls: tuple[str, dict[str, Any]]) -> list[Answered]:
        """Calls of the app's own code, in one launch."""
        with self._slots:
            phone.folder.mkdir(parents=True, exist_ok=True)
            answers = self._client.call(phone, phone.url or self.world.devices, self._log(label), calls)
        self.record[label] = answers
        return answers

    def expect(self, what: str, expected: Any, happened: Any) -> bool:
        if expected == happened:
            return True
        self.mismatches.append(Mismatch(what, expected, happened))
        return False

    def expect_installed(self, label: str, launch: Launch, version: str, files: dict[str, str]) -> bool:
        """The bundle runs and its files are what was published, byte for byte."""
        came = self.expect(f"{label}: outcome", ("installed", version), (launch.outcome, launch.version))
        wrong = sorted(name for name in files.keys() | launch.files.keys() if files.get(name) != launch.files.get(name))
        return self.expect(f"{label}: files that differ", [], wrong[:5]) and came

    def expect_quiet(self, label: str, launch: Launch, version: str) -> bool:
        """Nothing happened: no failure was reported or told, nothing fetched, the same bundle runs."""
        same = self.expect(f"{label}: outcome", ("quiet", version), (launch.outcome, launch.version))
        silent = self.expect(f"{label}: troubles", (), launch.troubles)
        return self.expect(f"{label}: downloads", {}, launch.fetched) and same and silent

    def _log(self, label: str) -> Path:
        return self.logs / f"{next(self._numbers):02} {label.replace('/', '-')}.json"


Suite = Callable[[Cell], None]


def launches(record: dict[str, Launch | list[Answered]]) -> Sequence[tuple[str, Launch]]:
    return [(label, each) for label, each in record.items() if isinstance(each, Launch)]
