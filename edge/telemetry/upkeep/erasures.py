"""Erasures of devices that were asked for, each a small file until nothing of the device is left to erase.

Whoever answers the control API notes one, the folding process carries it out: so it survives both. A file names a
device; it goes when the erasure is done.
"""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from edge.domain.errors import Unavailable
from edge.store.disk.append_file import UNFINISHED
from edge.store.disk.durable_files import replace_file

ERASURES_LIMIT = 10_000  # in progress at once: some hours of a whole department's work
FILE_LIMIT_BYTES = 4096
HAND_OVER_MS = 15_000  # what a worker heard of the device before may reach the disk so much later
_FORMAT = 1


class Erasure(msgspec.Struct, frozen=True):
    """What was received of a device up to `asked_ms`, in epoch milliseconds, and until workers have handed over."""

    format: int
    app: str
    device: str
    asked_ms: int

    @property
    def until_ms(self) -> int:
        return self.asked_ms + HAND_OVER_MS

    @property
    def name(self) -> str:
        """Of its file; a later erasure of the same device replaces it."""
        return sha256(f"{self.app}\0{self.device}".encode()).hexdigest()[:32] + ".json"


def note_erasure(directory: Path, app: str, device: str, now: float) -> Erasure:
    """Durable when it returns; `now` in seconds since the epoch. Raises OSError, Unavailable `busy`."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sum(1 for _ in directory.iterdir()) >= ERASURES_LIMIT:
        raise Unavailable("busy", f"{ERASURES_LIMIT:,} devices are being erased; try again in two hours")
    erasure = Erasure(_FORMAT, app, device, int(now * 1000))
    scratch = directory / f"{secrets.token_hex(8)}{UNFINISHED}"
    replace_file(directory / erasure.name, msgspec.json.encode(erasure), scratch)
    return erasure


def pending_erasures(directory: Path) -> Iterator[Erasure]:
    """Those that are not done; what is no such file is passed over."""
    for path in sorted(directory.glob("*.json")):
        with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            found = msgspec.json.decode(_read(path), type=Erasure)
            if found.format == _FORMAT:
                yield found


def erased_until(directory: Path, app: str) -> dict[str, int]:
    """The app's devices that are being erased, and up to when, in epoch milliseconds: whoever reads raw events leaves
    out what was received of them by then, until it is gone."""
    return {each.device: each.until_ms for each in pending_erasures(directory) if each.app == app}


def settle_erasure(directory: Path, erasure: Erasure) -> None:
    """It is done, unless the device is to be erased once more since. Raises OSError."""
    for found in pending_erasures(directory):
        if found == erasure:
            (directory / erasure.name).unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FILE_LIMIT_BYTES)
