"""A small file system of its own, which a test may fill: a tmpfs, which only root can mount."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DISK_BYTES = 16 << 20


class SmallDisk:
    """Mounted at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, spare: int = 0) -> None:
        """Leave `spare` bytes, in whole pages."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue
        if spare:
            os.truncate(self._filler, self._filler.stat().st_size - spare)

    def make_room(self) -> None:
        self._filler.unlink(missing_ok=True)

    def seal(self) -> None:
        """Read-only from now on."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.path)], check=True)


@contextmanager
def a_small_disk(path: Path) -> Iterator[SmallDisk]:
    """Skips the test where none can be mounted."""
    path.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(path)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no small disk: only root may mount one, where mounts are allowed")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
