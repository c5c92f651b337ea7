"""Objects that a publisher was told are in the store already: they must not be collected before it can refer to them.

Raw digests are appended to a file for each day, in `recent/` beside the objects; an object's own times stay, since they
tell whether its bytes have changed. A power cut may lose the last ones: a commit looks again, so nothing is lost by it.
"""

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from edge.store.disk.durable_files import DIRECTORY_MODE, FILE_MODE

DAY_SECONDS = 86_400.0
DIGEST_BYTES = 32


class Promises:
    """Safe among threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._day = -1
        self._told: set[bytes] = set()  # on this day, by this process
        self._lock = threading.Lock()

    def add(self, digests: Iterable[str], now: float) -> None:
        """`now` is in seconds since the epoch. Raises OSError if it cannot be written."""
        wanted = {bytes.fromhex(digest) for digest in digests}
        with self._lock:
            day = _day(now)
            if day != self._day:
                self._day, self._told = day, set()
            new = wanted - self._told
            if new:
                self._append(day, b"".join(new))
                self._told |= new

    def since(self, moment: float) -> set[str]:
        """The digests that were promised at this moment or later, and some of that day."""
        found: set[str] = set()
        for file in self._files():
            if int(file.name) >= _day(moment):
                content = file.read_bytes()
                found.update(content[at : at + DIGEST_BYTES].hex() for at in range(0, len(content), DIGEST_BYTES))
        return found

    def forget(self, moment: float) -> None:
        """Delete the days before this moment's."""
        for file in self._files():
            if int(file.name) < _day(moment):
                file.unlink(missing_ok=True)

    def _append(self, day: int, content: bytes) -> None:
        self._folder.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        descriptor = os.open(self._folder / str(day), os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
        try:
            written = os.write(descriptor, content)
            if written != len(content):  # a full disk: whole digests only, or the later ones would be misread
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - written % DIGEST_BYTES)
                raise OSError(28, os.strerror(28), str(self._folder / str(day)))
        finally:
            os.close(descriptor)

    def _files(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return [file for file in self._folder.iterdir() if file.name.isdecimal()]
        return []


def _day(moment: float) -> int:
    return int(moment // DAY_SECONDS)
