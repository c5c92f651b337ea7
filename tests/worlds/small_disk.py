"""A small file system of its own, which a test may fill: a tmpfs, which only root can mount."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.worlds.region_node import Missing

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
def mounted_disk(path: Path, size_bytes: int = DISK_BYTES) -> Iterator[SmallDisk]:
    """Raises Missing where none can be mounted."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", str(path)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise Missing(f"no small disk: only root may mount one, where mounts are allowed: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextmanager
def temporary_disk(size_bytes: int) -> Iterator[SmallDisk]:
    """In a folder of its own. Raises as `mounted_disk`."""
    with (
        tempfile.TemporaryDirectory(prefix="edge-disk-") as folder,
        mounted_disk(Path(folder) / "disk", size_bytes) as disk,
    ):
        yield disk


@contextmanager
def a_small_disk(path: Path) -> Iterator[SmallDisk]:
    """Skips the test where none can be mounted."""
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(mounted_disk(path))
        except Missing as missing:
            pytest.skip(str(missing))
        yield disk
