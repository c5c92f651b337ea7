"""What a suite says to a client, whichever it is: the phone it plays, what one launch of the app gave, a channel call.

Three clients play phones: the published Android plugin on a JVM (`jvm`), the published Electron package under Node
(`electron`), and this project's simulator (`simulated`). Suites know only this file.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

# Reports that say that something went wrong, or that the device did what nobody asked it to.
TROUBLE = frozenset({"backend_refusal", "reset", "checksum_required", "session_key_required", "rate_limit_reached"})

_KINDS = {"noop.zip": "noop", "updates": "check", "stats": "stats", "channel_self": "channel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One installation of an app. `folder` is its storage, kept between launches."""

    app: str
    device_id: str
    folder: Path
    native: str = "1.0.0"
    running: str = ""  # a bundle that it already has; made up at the first launch
    public_key: Path | None = None
    direct_update: bool = False
    url: str = ""  # of the device port that it knows, where that is not the suite's node


class Report(NamedTuple):
    """A statistic that the server took."""

    action: str
    version: str | None
    old_version: str = ""


class Asked(NamedTuple):
    """One request of a launch. `kind` is check, stats, channel, zip, file or noop, `what` the last part of its path;
    `body` is what was posted, or None.
    """

    kind: str
    what: str
    status: int
    body: Any = None


class Launch(NamedTuple):
    """`outcome`: installed, rolled_back, builtin (went back to it), quiet (nothing happened), or failed."""

    outcome: str
    version: str  # what runs at the end; the native version on builtin
    files: dict[str, str]  # path: SHA-256 of the bundle that runs; none on builtin
    reports: tuple[Report, ...]
    asked: tuple[Asked, ...]
    told: tuple[str, ...]  # events that the app's own code heard

    @property
    def troubles(self) -> tuple[str, ...]:
        """Reports and events of failure, sorted."""
        reports = (each.action for each in self.reports if each.action.endswith("_fail") or each.action in TROUBLE)
        events = (each for each in self.told if each in ("downloadFailed", "updateFailed", "backendRefused"))
        return tuple(sorted((*reports, *events)))

    @property
    def fetched(self) -> dict[str, int]:
        """How many downloads of each kind there were."""
        return dict(Counter(each.kind for each in self.asked if each.kind in ("zip", "file", "noop")))


class Answered(NamedTuple):
    """What a channel call came to in the app: `error` is empty where it resolved."""

    value: dict[str, Any]
    error: str = ""


class Client(Protocol):
    """Plays phones of one release. `url` is the address of the device port."""

    def launch(self, phone: Phone, url: str, log: Path, *, boot_ok: bool, settle: float) -> Launch:
        """One launch of the app. `settle`: seconds without traffic after which it is over. Raises ClientBroken."""
        ...

    def call(self, phone: Phone, url: str, log: Path, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Answered]:
        """Calls of the app's own code, one directly after another, in one launch. Raises ClientBroken."""
        ...


class ClientBroken(Exception):
    """The client did not come to an end: no verdict about the server."""


def read_request(url: str, status: int, body: str) -> Asked:
    path = url.split("?", 1)[0]
    what = path.rpartition("/")[2]
    kind = _KINDS.get(what) or ("zip" if "/zip/" in path else "file")
    return Asked(kind, what, status, json.loads(body) if body else None)
